package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTranspose(t *testing.T) {
	sizes := []int{200}
	for n := range 68 {
		sizes = append(sizes, n)
	}
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, rows := range sizes {
			for _, cols := range sizes {
				ldSrc, ldDst := cols+r.IntN(4), rows+r.IntN(4)
				src := randomWithSpecials(r, rows*ldSrc+3)[r.IntN(3):]
				dst := random(r, cols*ldDst+8)
				want := slices.Clone(dst)
				for i := range rows {
					for j := range cols {
						want[5+j*ldDst+i] = src[i*ldSrc+j]
					}
				}
				generic := slices.Clone(dst)
				Transpose(dst[5:], ldDst, src, ldSrc, rows, cols)
				same(t, fmt.Sprintf("%d rows of %d", rows, cols), dst, want)
				transposeGeneric(generic[5:], ldDst, src, ldSrc, rows, cols)
				same(t, fmt.Sprintf("%d rows of %d, generic", rows, cols), generic, want)
			}
		}
	})
}

func BenchmarkTranspose(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, s := range []struct{ rows, cols int }{{64, 64}, {256, 256}, {384, 768}, {768, 384}, {1001, 335}, {7, 512}, {1024, 4096}} {
		b.Run(fmt.Sprintf("%dx%d", s.rows, s.cols), func(b *testing.B) {
			src, dst := aligned(s.rows*s.cols), aligned(s.rows*s.cols)
			copy(src, random(r, len(src)))
			best := fastest(b, func() { Transpose(dst, s.rows, src, s.cols, s.rows, s.cols) })
			b.ReportMetric(4*float64(len(src))/best/1e9, "GB/s")
		})
	}
}
