//go:build !noasm

package kernel

func productBF16NEON(p *ProductBF16, row0, row1, panel0, panel1 int) {
	productExpanded(p, row0, row1, panel0, panel1, panelsExpandedNEON[:], tilesExpandedNEON)
}
