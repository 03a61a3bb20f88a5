//go:build !noasm && (amd64 || arm64)

package kernel

import "unsafe"

// productTilesInt16 takes two weights of 16 bits for the place of a float32: of a panel's
// weights only the distance to the next one counts in that.
func productTilesInt16(sums []float32, p *Product, row, rows, panel, panels int, most []int, tiles tiles) {
	w := p.W
	data := w.Int16[panel*w.stride():]
	q := Product{
		Dst: sums, LdDst: panels * Width, LdA: p.LdA, LdTap: p.LdTap,
		W: &Panels{Taps: w.Taps, K: w.K, N: panels * Width, Stride: w.stride() / 2,
			Data: unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(data))), len(data)/2)},
	}
	if w.Taps*w.K > 0 {
		q.A = p.A[row*p.LdA:]
	}
	productTiles(&q, 0, rows, 0, panels, most, tiles)
}
