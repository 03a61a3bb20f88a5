package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func BenchmarkProduct(b *testing.B) {
	for _, s := range []struct{ rows, taps, k, n, dilation, stride int }{
		{2000, 7, 96, 96, 1, 1},
		{2000, 7, 96, 96, 9, 1},
		{2000, 7, 16, 16, 1, 1},
		{2000, 7, 32, 32, 1, 1},
		{1920, 1, 96, 96, 1, 1},
		{480, 7, 192, 192, 3, 1},
		{480, 1, 192, 192, 3, 1},
		{240, 7, 384, 384, 3, 1},
		{80, 7, 768, 768, 1, 1},
		{80, 7, 1024, 1536, 1, 1},
		{640, 1, 1024, 4096, 1, 1},
		{64, 1, 1024, 256, 1, 1},
		{10, 7, 384, 384, 1, 1},
		{5, 7, 384, 384, 1, 1},
		{2, 7, 768, 768, 1, 1},
		{480, 8, 192, 384, 1, 4},
		{80, 12, 768, 1536, 1, 6},
		{320, 12, 768, 1536, 1, 6},
	} {
		name := fmt.Sprintf("%dx%dx%dx%d_d%d_s%d", s.rows, s.taps, s.k, s.n, s.dilation, s.stride)
		run := func(b *testing.B, p *Product) {
			best := fastest(b, func() { p.Run(0, s.rows, 0, p.W.Count()) })
			b.ReportMetric(2*float64(s.rows*s.taps*s.k*s.n)/best/1e9, "GFLOP/s")
		}
		b.Run(name, func(b *testing.B) {
			run(b, benchProduct(s.rows, s.taps, s.k, s.n, s.dilation, s.stride))
		})
		b.Run("Int16/"+name, func(b *testing.B) {
			p := benchProduct(s.rows, s.taps, s.k, s.n, s.dilation, s.stride)
			p.W = quantizeInt16(p.W)
			run(b, p)
		})
	}
}

// BenchmarkMatVec streams the recurrent weights of the LSTMs, from beyond the
// second-level cache.
func BenchmarkMatVec(b *testing.B) {
	for _, s := range []struct{ k, n int }{{1024, 4096}, {1536, 6144}} {
		for _, rows := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%dx%dx%d", rows, s.k, s.n), func(b *testing.B) {
				p := benchProduct(rows, 1, s.k, s.n, 1, 1)
				best := fastest(b, func() { p.Run(0, rows, 0, p.W.Count()) })
				b.ReportMetric(4*float64(s.k*s.n)/best/1e9, "GB/s")
			})
			b.Run(fmt.Sprintf("Int16/%dx%dx%d", rows, s.k, s.n), func(b *testing.B) {
				f := benchProduct(rows, 1, s.k, s.n, 1, 1)
				p := Product{Dst: f.Dst, LdDst: f.LdDst, Init: f.Dst, LdInit: f.LdDst, A: f.A, LdA: f.LdA, W: quantizeInt16(f.W)}
				best := fastest(b, func() { p.Run(0, rows, 0, p.W.Count()) })
				b.ReportMetric(2*float64(s.k*s.n)/best/1e9, "GB/s")
			})
		}
	}
}

func benchProduct(rows, taps, k, n, dilation, stride int) *Product {
	r := rand.New(rand.NewPCG(1, 1))
	w := fill(r, NewPanels(aligned(PanelsLen(taps, k, n)), taps, k, n))
	p := &Product{W: w, LdA: k, LdDst: w.Count() * Width}
	// As tensor.Stride has it.
	if p.LdA%256 == 0 {
		p.LdA += 16
	}
	if p.LdDst%256 == 0 {
		p.LdDst += 16
	}
	p.LdA, p.LdTap = stride*p.LdA, dilation*p.LdA
	p.A = aligned((rows-1)*p.LdA + (taps-1)*p.LdTap + k)
	copy(p.A, random(r, len(p.A)))
	p.Dst = aligned(rows * p.LdDst)
	p.Bias = make([]float32, w.Count()*Width)
	return p
}
