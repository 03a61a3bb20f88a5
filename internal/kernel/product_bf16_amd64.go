//go:build !noasm

package kernel

import (
	"sync"
	"unsafe"
)

// blockRows is the rows of the largest block that the tiles hold, which is two panels
// wide: two by two tiles of sums, so that each tile of inputs or weights that is loaded
// is multiplied twice.
const (
	tileRows  = 16
	blockRows = 2 * tileRows
)

// amxBlockBytes is how much of the input stays in the second-level cache while the
// weights pass by, two panels at a time. Processors with AMX have 2 MB of it.
const amxBlockBytes = 768 << 10

// A tileConfig is what LDTILECFG reads.
type tileConfig struct {
	palette, start byte
	_              [14]byte
	bytes          [16]uint16 // of a row, by tile
	rows           [16]byte   // by tile
}

// newTileConfig has tiles of 64 bytes a row for rows of input, up to blockRows: sums in
// tiles 0 to 3, inputs in 4 and 5, weights in 6 and 7.
func newTileConfig(rows int) (c tileConfig) {
	c.palette = 1
	lower, upper := max(rows-tileRows, 1), min(rows, tileRows)
	for i, n := range [8]int{upper, upper, lower, lower, upper, lower, tileRows, tileRows} {
		c.bytes[i], c.rows[i] = 64, byte(n)
	}
	return c
}

// amxScratch is what a block's sums pass through on their way to the output.
type amxScratch struct {
	config tileConfig
	sums   [blockRows * 2 * Width]float32
}

var amxScratches = sync.Pool{New: func() any { return new(amxScratch) }}

// productBF16AMX goes through blocks of rows whose input stays in the cache; in each,
// two panels at a time pass by all rows.
func productBF16AMX(p *ProductBF16, row0, row1, panel0, panel1 int) {
	s := amxScratches.Get().(*amxScratch)
	defer amxScratches.Put(s)
	height := max(4, amxBlockBytes/(2*max(p.LdA, 1)*blockRows)) * blockRows
	for row0 < row1 {
		end := min(row1, row0+height)
		for panel := panel0; panel < panel1; panel += 2 {
			panels := min(2, panel1-panel)
			whole := (end - row0) / blockRows * blockRows
			if whole > 0 {
				s.tiles(p, row0, whole, blockRows, panel, panels)
			}
			if rest := end - row0 - whole; rest > 0 {
				s.tiles(p, row0+whole, rest, rest, panel, panels)
			}
		}
		row0 = end
	}
}

// tiles computes n rows from row t on, so many at a time.
func (s *amxScratch) tiles(p *ProductBF16, t, n, rows, panel, panels int) {
	w := p.W
	col, ldW := panel*Width, w.stride()
	bias, dst := &noBias[0], &p.Dst[t*p.LdDst+col]
	var init *float32
	var a, b, last *BFloat16
	if p.Bias != nil {
		bias = &p.Bias[col]
	}
	if p.Init != nil {
		init = &p.Init[t*p.LdInit+col]
	}
	taps, steps := 0, PadBF16(w.K)/StepBF16
	if w.Taps*w.K > 0 {
		taps, a, b = w.Taps, &p.A[t*p.LdA], &w.Data[panel*ldW]
		last = &w.Data[max(panel*ldW, len(w.Data)-StepBF16*Width)]
	}
	s.config = newTileConfig(rows)
	config, sums := (*byte)(unsafe.Pointer(&s.config)), &s.sums[0]
	ldDst, ldInit, ldA, ldTap, ldPanel := 4*p.LdDst, 4*p.LdInit, 2*p.LdA, 2*p.LdTap, 2*ldW
	switch blocks := n / rows; {
	case rows <= tileRows && panels == 1:
		productTiles1x1(config, dst, init, bias, sums, a, b, last, ldDst, ldInit, ldA, ldTap, ldPanel, taps, steps, rows, blocks)
	case rows <= tileRows:
		productTiles1x2(config, dst, init, bias, sums, a, b, last, ldDst, ldInit, ldA, ldTap, ldPanel, taps, steps, rows, blocks)
	case panels == 1:
		productTiles2x1(config, dst, init, bias, sums, a, b, last, ldDst, ldInit, ldA, ldTap, ldPanel, taps, steps, rows, blocks)
	default:
		productTiles2x2(config, dst, init, bias, sums, a, b, last, ldDst, ldInit, ldA, ldTap, ldPanel, taps, steps, rows, blocks)
	}
}

// productBF16AVX512BF16 is a Product whose elements are pairs of bfloat16 values.
func productBF16AVX512BF16(p *ProductBF16, row0, row1, panel0, panel1 int) {
	w := p.W
	pairs := Product{
		Dst: p.Dst, LdDst: p.LdDst, A: float32s(p.A), LdA: p.LdA / 2, LdTap: p.LdTap / 2,
		W:    &Panels{Taps: w.Taps, K: PadBF16(w.K) / 2, N: w.N, Data: float32s(w.Data), Stride: w.stride() / 2},
		Bias: p.Bias, Init: p.Init, LdInit: p.LdInit,
	}
	productTiles(&pairs, row0, row1, panel0, panel1, panelsAVX512[:], tilesPairs)
}

func productBF16AVX512(p *ProductBF16, row0, row1, panel0, panel1 int) {
	productExpanded(p, row0, row1, panel0, panel1, panelsAVX512[:], tilesExpandedAVX512)
}

func productBF16AVX2(p *ProductBF16, row0, row1, panel0, panel1 int) {
	productExpanded(p, row0, row1, panel0, panel1, panelsAVX2[:], tilesExpandedAVX2)
}
