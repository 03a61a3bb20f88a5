//go:build !noasm

package kernel

func productInt16AVX512(sums []float32, p *Product, row, rows, panel, panels int) {
	productTilesInt16(sums, p, row, rows, panel, panels, panelsAVX512[:rowsInt16+1], tilesInt16AVX512)
}

func productInt16AVX2(sums []float32, p *Product, row, rows, panel, panels int) {
	productTilesInt16(sums, p, row, rows, panel, panels, panelsAVX2[:rowsInt16+1], tilesInt16AVX2)
}
