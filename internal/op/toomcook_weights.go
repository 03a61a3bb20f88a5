package op

import (
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// The gradient of the weights of a convolution of seven taps is summed at the points of the
// Toom-Cook algorithm: of each tile of the output's gradient and of the inputs that it sees, the
// values at a point are multiplied, ten matrices in place of seven are summed over a fourth of
// the rows, and in the end the seven are interpolated.

// A tileRun is n tiles a distance of rows apart, each of so many rows, a dilation apart.
type tileRun struct{ row, distance, n, rows int }

// A gradTiles is the tiles of a number of rows.
type gradTiles struct {
	*kernel.ToomCook
	dilation int
	runs     []tileRun
	count    int
	whole    bool // all tiles are whole
}

type gradTilesKey struct{ rows, dilation int }

var allGradTiles sync.Map // of gradTilesKey

// gradTilesOf returns the tiles of so many rows. They follow one another along time, or side by
// side where that makes longer runs.
func gradTilesOf(rows, dilation int) *gradTiles {
	key := gradTilesKey{rows, dilation}
	if tiles, ok := allGradTiles.Load(key); ok {
		return tiles.(*gradTiles)
	}
	g := &gradTiles{ToomCook: kernel.NewToomCook(toomCookTile), dilation: dilation, whole: true}
	height := toomCookTile * dilation
	add := func(row, distance int) {
		height := min(toomCookTile, (rows-row+dilation-1)/dilation)
		g.count++
		g.whole = g.whole && height == toomCookTile
		if len(g.runs) > 0 {
			last := &g.runs[len(g.runs)-1]
			if last.rows == height && row == last.row+last.n*distance {
				last.distance = distance
				last.n++
				return
			}
		}
		g.runs = append(g.runs, tileRun{row: row, n: 1, rows: height})
	}
	if rows >= height*dilation {
		for first := range dilation {
			for row := first; row < rows; row += height {
				add(row, height)
			}
		}
	} else {
		for block := 0; block < rows; block += height {
			for row := block; row < min(rows, block+dilation); row++ {
				add(row, 1)
			}
		}
	}
	tiles, _ := allGradTiles.LoadOrStore(key, g)
	return tiles.(*gradTiles)
}

// panels returns how many panels hold a value for each tile.
func (g *gradTiles) panels() int { return (g.count + kernel.Width - 1) / kernel.Width }

// rowsLen returns how many values gradRows writes of a channel, and needs for it.
func (g *gradTiles) rowsLen() (points, scratch int) {
	return g.Points * g.panels() * kernel.Width, toomCookTile * g.panels() * kernel.Width
}

// gradRows writes the values of the output's gradient at the points, [channel][point][tile],
// from rows of it, and returns the rows themselves, [channel][…], among zeros.
func (g *gradTiles) gradRows(dst, scratch, a []float32, stride, channels int) {
	points, size := g.rowsLen()
	if scratch = scratch[:channels*size]; !g.whole || g.count%kernel.Width > 0 {
		clear(scratch)
	}
	tile := 0
	for _, run := range g.runs {
		for i := 0; i < run.n; {
			column := (tile + i) % kernel.Width
			n := min(run.n-i, kernel.Width-column)
			for j := range run.rows {
				at := ((tile+i)/kernel.Width*toomCookTile+j)*kernel.Width + column
				kernel.Transpose(scratch[at:], size, a[(run.row+i*run.distance+j*g.dilation)*stride:], run.distance*stride, n, channels)
			}
			i += n
		}
		tile += run.n
	}
	width := g.panels() * kernel.Width
	for m := range channels {
		w := kernel.Panels{Taps: 1, K: toomCookTile, N: width, Data: scratch[m*size:][:size]}
		p := kernel.Product{Dst: dst[m*points:], LdDst: width, A: g.GradRows, LdA: toomCookTile, W: &w}
		p.Run(0, g.Points, 0, w.Count())
	}
}

// inputs writes the values of a panel of channels of the inputs at the points, [tile][channel]
// with so much between the points.
func (g *gradTiles) inputs(dst []float32, ld int, x []float32, stride int) {
	step := g.dilation * stride
	for _, run := range g.runs {
		if run.rows == toomCookTile {
			g.Input(dst, kernel.Width, ld, x[run.row*stride:], run.distance*stride, step, run.n, kernel.Width)
			dst = dst[run.n*kernel.Width:]
			continue
		}
		for i := range run.n {
			var rows [maxPoints * kernel.Width]float32
			for k := range run.rows + kernel.ToomCookTaps - 1 {
				copy(rows[k*kernel.Width:][:kernel.Width], x[(run.row+i*run.distance)*stride+k*step:])
			}
			g.Input(dst, 0, ld, rows[:], 0, kernel.Width, 1, kernel.Width)
			dst = dst[min(len(dst), kernel.Width):]
		}
	}
}

// multiply adds the products at a point, or writes them: of rows row0 to row1 of what gradRows
// wrote and of panels of channels of the inputs, [panel][tile].
func (g *gradTiles) multiply(dw []float32, ldDW int, a, x []float32, n, row0, row1, panel0, panel1 int, add bool) {
	points, _ := g.rowsLen()
	for t := 0; t < g.count; t += contractBlock {
		w := kernel.Panels{Taps: 1, K: min(contractBlock, g.count-t), N: n, Data: x[t*kernel.Width:], Stride: g.count * kernel.Width}
		p := kernel.Product{Dst: dw, LdDst: ldDW, A: a[t:], LdA: points, W: &w}
		if add || t > 0 {
			p.Init, p.LdInit = p.Dst, p.LdDst
		}
		p.Run(row0, row1, panel0, panel1)
	}
}

// blockToomCook is blockFloat32 at the points: dw is [a.C][points][rows.C rounded up]. rows are
// those that n rows of the output's gradient see.
func (g *weightGrad) blockToomCook(b, t, n int, rows []float32, add bool) {
	stride := g.rows.Stride
	ld := tensor.RoundUp(g.rows.C)
	panels := ld / kernel.Width
	tiles := gradTilesOf(n, g.dilation)
	points, size := tiles.rowsLen()
	perPoint := panels * tiles.count * kernel.Width
	own := newScratch(g.a.C*(points+size) + tiles.Points*perPoint)
	defer own.free()
	a, x, scratch := own.take(g.a.C*points), own.take(tiles.Points*perPoint), own.take(g.a.C*size)
	tiles.gradRows(a, scratch, g.a.Rows(b, t, t+n), g.a.Stride, g.a.C)
	for m := range g.a.C {
		g.sums[m] += kernel.Sum(scratch[m*size:][:size])
	}
	for panel := range panels {
		tiles.inputs(x[panel*tiles.count*kernel.Width:], perPoint, rows[panel*kernel.Width:], stride)
	}
	for p := range tiles.Points {
		tiles.multiply(g.dw[p*ld:], tiles.Points*ld, a[p*tiles.panels()*kernel.Width:], x[p*perPoint:], g.rows.C, 0, g.a.C, 0, panels, add)
	}
}

// interpolate writes the gradient of so many output channels from the sums at the points, which
// it overwrites.
func (g *weightGrad) interpolate(sums []float32, from, to int) {
	tc := kernel.NewToomCook(toomCookTile)
	ld := tensor.RoundUp(g.rows.C)
	for m := from; m < to; m++ {
		tc.GradWeights(g.dw[m*g.taps*ld:], ld, sums[m*tc.Points*ld:], ld, ld)
	}
}

// weightGradToomCook is weightGradFloat32 at the points.
func (r *Run) weightGradToomCook(g weightGrad) {
	a, rows := g.a, g.rows
	tiles := gradTilesOf(a.T, g.dilation)
	points, size := tiles.rowsLen()
	panels := tensor.RoundUp(rows.C) / kernel.Width
	ld := panels * kernel.Width
	perPoint := panels * tiles.count * kernel.Width
	at, x := r.alloc(a.B*a.C*points), r.alloc(a.B*tiles.Points*perPoint)
	columns := (a.C + kernel.Width - 1) / kernel.Width
	r.pool.For(columns+a.B*panels, func(i int) {
		if i < columns { // whose sums are over all sequences
			from := i * kernel.Width
			n := min(kernel.Width, a.C-from)
			own := newScratch(n * size)
			defer own.free()
			scratch := own.take(n * size)
			for b := range a.B {
				tiles.gradRows(at[(b*a.C+from)*points:], scratch, a.Rows(b, 0, a.T)[from:], a.Stride, n)
				for m := range n {
					g.sums[from+m] += kernel.Sum(scratch[m*size:][:size])
				}
			}
			return
		}
		b, panel := (i-columns)/panels, (i-columns)%panels
		tiles.inputs(x[b*tiles.Points*perPoint+panel*tiles.count*kernel.Width:], perPoint, rows.Rows(b, 0, rows.T)[panel*kernel.Width:], rows.Stride)
	})
	sums := r.alloc(a.C * tiles.Points * ld)
	const height = 96
	blocks := (a.C + height - 1) / height
	wide := max(1, min(panels/2, 8*r.pool.Threads()/(tiles.Points*blocks))) // groups of panels
	r.pool.For(tiles.Points*blocks*wide, func(i int) {
		p, block, group := i%tiles.Points, i/tiles.Points%blocks, i/tiles.Points/blocks
		for b := range a.B {
			tiles.multiply(sums[p*ld:], tiles.Points*ld, at[b*a.C*points+p*tiles.panels()*kernel.Width:], x[(b*tiles.Points+p)*perPoint:],
				rows.C, block*height, min(a.C, (block+1)*height), group*panels/wide, (group+1)*panels/wide, b > 0)
		}
	})
	r.freeFloats(at)
	r.freeFloats(x)
	r.pool.Split(a.C, 1+grainValues/(tiles.Points*ld), func(from, to int) { g.interpolate(sums, from, to) })
	r.freeFloats(sums)
}
