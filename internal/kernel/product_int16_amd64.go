//go:build !noasm

package kernel

import "unsafe"

func productInt16AVX512(sums, a []float32, ldA int, w *PanelsInt16, rows, panel, panels int) {
	productTilesInt16(sums, a, ldA, w, rows, panel, panels, panelsAVX512[:rowsInt16+1], tilesInt16AVX512)
}

func productInt16AVX2(sums, a []float32, ldA int, w *PanelsInt16, rows, panel, panels int) {
	productTilesInt16(sums, a, ldA, w, rows, panel, panels, panelsAVX2[:rowsInt16+1], tilesInt16AVX2)
}

// productTilesInt16 takes two weights of 16 bits for the place of a float32: of a panel's
// weights only the distance to the next one counts in that.
func productTilesInt16(sums, a []float32, ldA int, w *PanelsInt16, rows, panel, panels int, most []int, tiles tiles) {
	data := w.Data[panel*w.K*Width:][:panels*w.K*Width]
	p := Product{
		Dst: sums, LdDst: panels * Width, A: a, LdA: ldA,
		W: &Panels{Taps: 1, K: w.K, N: panels * Width, Stride: w.K * Width / 2,
			Data: unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(data))), len(data)/2)},
	}
	productTiles(&p, 0, rows, 0, panels, most, tiles)
}
