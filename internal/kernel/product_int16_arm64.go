//go:build !noasm

package kernel

func productInt16NEON(sums []float32, p *Product, row, rows, panel, panels int) {
	productTilesInt16(sums, p, row, rows, panel, panels, panelsNEON[:rowsInt16+1], tilesInt16NEON)
}
