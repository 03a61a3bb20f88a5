//go:build !noasm

package kernel

// The most panels that a tile of so many rows has. Few rows take more of them, for enough
// independent sums.
var (
	panelsNEON         = [...]int{1: 4, 2, 2, 1, 1, 1}
	panelsExpandedNEON = [...]int{1: 4, 2, 2, 1, 1}
)

// tiles are functions that compute a tile of a product.
type tiles int

const (
	tilesNEON         tiles = iota
	tilesExpandedNEON       // pairs of bfloat16 as weights, of float32 as inputs
	tilesInt16NEON          // integers as weights
)

func productNEON(p *Product, row0, row1, panel0, panel1 int) {
	productTiles(p, row0, row1, panel0, panel1, panelsNEON[:], tilesNEON)
}

// compute computes a tile.
func (t tiles) compute(rows, panels int, dst, init, bias, a, w, _ *float32, ldDst, ldInit, ldA, ldTap, ldW, taps, k int) {
	switch t { // calls through a variable would make all of it escape to the heap
	case tilesExpandedNEON:
		productTileExpandedNEON(rows, panels, dst, init, bias, a, w, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	case tilesInt16NEON:
		productTileInt16NEON(rows, panels, dst, init, bias, a, w, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	default:
		productTileNEON(rows, panels, dst, init, bias, a, w, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	}
}
