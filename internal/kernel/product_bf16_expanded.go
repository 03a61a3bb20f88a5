//go:build !noasm && (amd64 || arm64)

package kernel

import (
	"sync"
	"unsafe"
)

// expandRows is the number of rows whose inputs productExpanded makes float32 at a time.
const expandRows = 240

var expanded = sync.Pool{New: func() any { return new([]float32) }}

// productExpanded computes with tiles of float32. Inputs are made float32 before, the odd
// value of each pair first, and weights as they are read.
func productExpanded(p *ProductBF16, row0, row1, panel0, panel1 int, panels []int, tiles tiles) {
	w := p.W
	k := PadBF16(w.K)
	q := Product{
		LdDst: p.LdDst, LdA: p.LdA, LdTap: p.LdTap, Bias: p.Bias, LdInit: p.LdInit,
		W: &Panels{Taps: w.Taps, K: k / 2, N: w.N, Data: float32s(w.Data), Stride: w.stride() / 2},
	}
	buffer := expanded.Get().(*[]float32)
	defer expanded.Put(buffer)
	for row0 < row1 {
		end := min(row1, row0+expandRows)
		if w.Taps*w.K > 0 {
			q.A = grown(buffer, (end-row0-1)*p.LdA+(w.Taps-1)*p.LdTap+k)
			expandPairs(q.A, p.A[row0*p.LdA:])
		}
		q.Dst = p.Dst[row0*p.LdDst:]
		if p.Init != nil {
			q.Init = p.Init[row0*p.LdInit:]
		}
		productTiles(&q, 0, end-row0, panel0, panel1, panels, tiles)
		row0 = end
	}
}

// expandPairs writes the odd and the even value of each pair.
func expandPairs(dst []float32, pairs []BFloat16) {
	pairs = pairs[:len(dst)]
	for i := 0; i+2 <= len(dst); i += 2 {
		dst[i], dst[i+1] = floatBF16(pairs[i+1]), floatBF16(pairs[i])
	}
}

func grown(v *[]float32, n int) []float32 {
	if n > cap(*v) {
		*v = make([]float32, n)
	}
	return (*v)[:n]
}

// float32s is BFloat16s turned round.
func float32s(v []BFloat16) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(v))), len(v)/2)
}
