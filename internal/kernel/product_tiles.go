//go:build !noasm && (amd64 || arm64)

package kernel

import "math"

// blockBytes is how much of the input is kept in the second-level cache while
// the weights pass by, which must be held there too for one group of panels at
// a time. The smallest such cache that counts is Zen 4's, of 1 MB. (Passing by
// the taps of large weights in parts was tried, and gained nothing.)
const blockBytes = 512 << 10

// minBlock is the fewest tiles of rows in a block: with less, reading the weights
// again for each block costs more than an input beyond the cache.
const minBlock = 16

// callsAhead is how many weights of a panel a tile calls into the cache at once, at most.
const callsAhead = 4 * Width

// noBias is the neutral element of addition, which is -0.
var noBias = func() (b [4 * Width]float32) {
	for i := range b {
		b[i] = float32(math.Copysign(0, -1))
	}
	return b
}()

// productTiles cuts a product into tiles: blocks of rows whose input stays in the
// cache, in each block groups of panels, for each group the rows in tiles. Blocks
// and tiles are nearly equal in height. panels has the most panels that a tile of
// so many rows has.
func productTiles(p *Product, row0, row1, panel0, panel1 int, panels []int, tiles tiles) {
	most := len(panels) - 1
	height := max(minBlock*most, blockBytes/(4*max(p.LdA, 1)))
	for blocks := (row1 - row0 + height - 1) / height; blocks > 0; blocks-- {
		end := row0 + (row1-row0+blocks-1)/blocks
		for panel := panel0; panel < panel1; {
			count := (end - row0 + most - 1) / most
			group := panels[(end-row0+count-1)/count]
			for group > panel1-panel {
				group /= 2
			}
			for t, left := row0, count; left > 0; left-- {
				rows := (end - t + left - 1) / left
				productTile(p, t, rows, panel, group, tiles)
				t += rows
			}
			panel += group
		}
		row0 = end
	}
}

func productTile(p *Product, t, rows, panel, panels int, tiles tiles) {
	w := p.W
	col, ldW := panel*Width, w.stride()
	bias, dst := &noBias[0], &p.Dst[t*p.LdDst+col]
	var init, a, b, last *float32
	if p.Bias != nil {
		bias = &p.Bias[col]
	}
	if p.Init != nil {
		init = &p.Init[t*p.LdInit+col]
	}
	taps := 0
	if w.Taps*w.K > 0 {
		taps, a, b = w.Taps, &p.A[t*p.LdA], &w.Data[panel*ldW]
		last = &w.Data[max(panel*ldW, len(w.Data)-(panels-1)*ldW-callsAhead)]
	}
	ldDst, ldInit, ldA, ldTap, ldPanel := 4*p.LdDst, 4*p.LdInit, 4*p.LdA, 4*p.LdTap, 4*ldW
	tiles.compute(rows, panels, dst, init, bias, a, b, last, ldDst, ldInit, ldA, ldTap, ldPanel, taps, w.K)
}
