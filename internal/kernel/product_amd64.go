//go:build !noasm

package kernel

// The most panels that a tile of so many rows has. Few rows take more of them,
// for enough independent sums.
var (
	panelsAVX512 = [...]int{1: 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2}
	panelsAVX2   = [...]int{1: 4, 2, 2, 1, 1, 1}
)

// tiles are functions that compute a tile of a product.
type tiles int

const (
	tilesAVX512 tiles = iota
	tilesAVX2
	tilesPairs          // pairs of bfloat16, with AVX512_BF16
	tilesExpandedAVX512 // pairs of bfloat16 as weights, of float32 as inputs
	tilesExpandedAVX2
	tilesInt16AVX512 // integers as weights
	tilesInt16AVX2
)

func productAVX512(p *Product, row0, row1, panel0, panel1 int) {
	productTiles(p, row0, row1, panel0, panel1, panelsAVX512[:], tilesAVX512)
}

func productAVX2(p *Product, row0, row1, panel0, panel1 int) {
	productTiles(p, row0, row1, panel0, panel1, panelsAVX2[:], tilesAVX2)
}

// compute computes a tile. Weights behind last are not called into the cache ahead of their use.
func (t tiles) compute(rows, panels int, dst, init, bias, a, w, last *float32, ldDst, ldInit, ldA, ldTap, ldW, taps, k int) {
	switch t { // calls through a variable would make all of it escape to the heap
	case tilesPairs:
		productTileAVX512BF16(rows, panels, dst, init, bias, a, w, last, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	case tilesExpandedAVX512:
		productTileExpandedAVX512(rows, panels, dst, init, bias, a, w, last, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	case tilesExpandedAVX2:
		productTileExpandedAVX2(rows, panels, dst, init, bias, a, w, last, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	case tilesInt16AVX512:
		productTileInt16AVX512(rows, panels, dst, init, bias, a, w, last, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	case tilesInt16AVX2:
		productTileInt16AVX2(rows, panels, dst, init, bias, a, w, last, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	case tilesAVX512:
		productTileAVX512(rows, panels, dst, init, bias, a, w, last, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	default:
		productTileAVX2(rows, panels, dst, init, bias, a, w, last, ldDst, ldInit, ldA, ldTap, ldW, taps, k)
	}
}
