package op

import (
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A ToomCookFilter holds the weights of a convolution of seven taps and stride 1 that is
// computed with the Toom-Cook algorithm (see kernel.ToomCook): about a third of the
// multiplications, and rounding errors of a few parts in a million.
//
// The rows of a frame, one of every dilation apart, are cut into tiles of
// Algorithm.Outputs rows. No tile reaches into the next frame: where rows are left over,
// what the last tile would need of it is taken for zero, and what it makes of these is
// dropped. So a convolution emits every frame as soon as the direct one would, and a
// row's tile depends on its place in the utterance alone, not on chunks.
type ToomCookFilter struct {
	Algorithm *kernel.ToomCook
	Points    []*kernel.Panels // G·w, for each point a filter of one tap
	// Frame is the number of rows in which convolutions emit.
	Frame    int
	Dilation int
	tiles    []tile // of a frame, their first rows ascending
}

// A tile is a number of outputs, a dilation apart.
type tile struct{ row, rows int }

// ChooseToomCook returns the filter, without weights, for a convolution of seven taps that
// emits frames of so many rows, with the algorithm that multiplies least; nil where the
// frames are so short that the direct convolution does.
func ChooseToomCook(frame, dilation int) *ToomCookFilter {
	var best *ToomCookFilter
	least := frame * kernel.ToomCookTaps * 9 / 10 // the transforms must be worth it
	for _, outputs := range []int{2, 4, 6} {
		f := newToomCookFilter(outputs, frame, dilation)
		if products := len(f.tiles) * f.Algorithm.Points; products < least {
			best, least = f, products
		}
	}
	return best
}

// newToomCookFilter returns a filter, without weights, of tiles of so many outputs.
func newToomCookFilter(outputs, frame, dilation int) *ToomCookFilter {
	f := &ToomCookFilter{Algorithm: kernel.NewToomCook(outputs), Frame: frame, Dilation: dilation}
	for block := 0; block < frame; block += dilation * outputs {
		for row := block; row < min(frame, block+dilation); row++ {
			f.tiles = append(f.tiles, tile{row, min(outputs, (frame-row+dilation-1)/dilation)})
		}
	}
	return f
}

// tile returns tile i of an utterance that has rows rows from the start of a frame on.
func (f *ToomCookFilter) tile(i, rows int) tile {
	t := f.tiles[i%len(f.tiles)]
	t.row += i / len(f.tiles) * f.Frame
	t.rows = min(t.rows, (rows-t.row+f.Dilation-1)/f.Dilation)
	return t
}

// count returns the number of tiles of so many rows.
func (f *ToomCookFilter) count(rows int) int {
	n := rows / f.Frame * len(f.tiles)
	for _, t := range f.tiles {
		if t.row < rows%f.Frame {
			n++
		}
	}
	return n
}

// run returns the sequence of tile i, the tile, and how many whole tiles, at the distance of so
// many rows, follow one another from there on, up to tile end; 0 for a tile that is not whole.
func (c *toomCookConv) run(i, end int) (sequence int, first tile, distance, n int) {
	sequence = i / c.tiles
	end = min(end-sequence*c.tiles, c.tiles)
	i -= sequence * c.tiles
	first = c.tile(i, c.y.T)
	if first.rows < c.Algorithm.Outputs {
		return sequence, first, 0, 0
	}
	last := first
	for n = 1; i+n < end; n++ {
		next := c.tile(i+n, c.y.T)
		if n == 1 {
			distance = next.row - first.row
		}
		if next.rows < c.Algorithm.Outputs || next.row-last.row != distance {
			break
		}
		last = next
	}
	return sequence, first, distance, n
}

// Sizes of blocks of tiles, in values: transformed inputs and outputs of a block stay in
// the second-level cache, together with the weights where these are few. Where they are
// many, all threads work on one block that is much larger, so that weights are read
// seldom.
const (
	toomCookBlock       = 128 << 10
	toomCookWeights     = 384 << 10
	toomCookSharedBlock = 4 << 20
)

// toomCook computes out rows of a convolution over rows of x from start on, the first of
// them the first of a frame.
func (r *Run) toomCook(f Filter, x tensor.Tensor, start, out int, init *tensor.Tensor) tensor.Tensor {
	tc := f.ToomCook
	k, n := tc.Points[0].K, tc.Points[0].N
	y := r.New(x.B, out, n)
	if out == 0 {
		return y
	}
	r.Profiler.count(int64(x.B) * int64(out) * kernel.ToomCookTaps * int64(k) * int64(n))
	t := &r.toomCooks
	t.conv = tc.over(y, x, start, f.Bias)
	c := &t.conv
	shared := len(tc.Points)*k*n > toomCookWeights
	size := toomCookBlock
	if shared {
		size = toomCookSharedBlock
	}
	buffers := 1
	if !shared {
		buffers = r.pool.Threads()
	}
	memory := r.alloc(buffers * c.setBlock(size))
	if shared {
		r.toomCookTogether(t, memory)
	} else {
		r.toomCookApart(t, memory, buffers)
	}
	r.freeFloats(memory)
	if init != nil {
		for b := range x.B {
			rows, ld := initRows(*init, b, out)
			addInit(y.Rows(b, 0, out), y.Stride, rows, ld, out, n)
		}
	}
	return y
}

// addInit adds rows of n channels.
func addInit(y []float32, strideY int, x []float32, strideX, rows, n int) {
	for i := range rows {
		row := y[i*strideY:][:tensor.RoundUp(n)]
		kernel.Add(row, row, x[i*strideX:][:len(row)])
	}
}

// A toomCookConv is one convolution, of which y are the rows.
type toomCookConv struct {
	*ToomCookFilter
	bias     []float32
	y, x     tensor.Tensor
	start    int // the row of x at which the first output begins
	tiles    int // of a sequence
	ldV, ldM int // of a tile's inputs and outputs at a point
	block    int // the most tiles of a block
}

// over returns the convolution of rows of x from start on, whose rows are y.
func (f *ToomCookFilter) over(y, x tensor.Tensor, start int, bias []float32) toomCookConv {
	return toomCookConv{ToomCookFilter: f, bias: bias, y: y, x: x, start: start, tiles: f.count(y.T),
		ldV: tensor.Stride(f.Points[0].K), ldM: tensor.Stride(f.Points[0].N)}
}

// all returns the number of tiles of all sequences.
func (c *toomCookConv) all() int { return c.y.B * c.tiles }

// setBlock sets the tiles of a block, for about so many values, and returns how many they are.
func (c *toomCookConv) setBlock(size int) int {
	const height = 12 // rows of a product's tile
	perTile := c.Algorithm.Points * (c.ldV + c.ldM)
	c.block = min(max(1, size/perTile/height)*height, c.all())
	return c.block * perTile
}

// compute computes tiles from to to, a block at a time.
func (c *toomCookConv) compute(from, to int, buffer []float32) {
	for ; from < to; from += c.block {
		b := c.blockOf(from, min(to, from+c.block), buffer)
		b.input(0, b.count())
		for p := range c.Points {
			b.product(p, 0, c.Points[p].Count())
		}
		b.output(0, b.count())
	}
}

// A toomCookTask is a step of a convolution as a loop.
type toomCookTask struct {
	conv  toomCookConv
	step  toomCookStep
	tasks int
	// Where threads compute apart, the buffers that none of them uses.
	mu   sync.Mutex
	free [][]float32
	// Where they compute together, the block, and how many parts the channels are in.
	shared toomCookTiles
	parts  int
}

type toomCookStep int

const (
	toomCookAll toomCookStep = iota // of some of the tiles
	toomCookInputs
	toomCookProducts
	toomCookOutputs
)

// Run does the i-th part.
func (t *toomCookTask) Run(i int) {
	switch b := &t.shared; t.step {
	case toomCookAll:
		t.some(i)
	case toomCookInputs:
		b.input(i*b.count()/t.tasks, (i+1)*b.count()/t.tasks)
	case toomCookOutputs:
		b.output(i*b.count()/t.tasks, (i+1)*b.count()/t.tasks)
	default:
		point, part := i/t.parts, i%t.parts
		panels := t.conv.Points[point].Count()
		pairs := (panels + 1) / 2
		b.product(point, part*pairs/t.parts*2, min((part+1)*pairs/t.parts*2, panels))
	}
}

// some computes the i-th part of the tiles.
func (t *toomCookTask) some(i int) {
	t.mu.Lock()
	buffer := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.mu.Unlock()
	tiles := t.conv.all()
	t.conv.compute(i*tiles/t.tasks, (i+1)*tiles/t.tasks, buffer)
	t.mu.Lock()
	t.free = append(t.free, buffer)
	t.mu.Unlock()
}

// toomCookApart lets every thread compute tiles of its own.
func (r *Run) toomCookApart(t *toomCookTask, memory []float32, buffers int) {
	t.step, t.tasks = toomCookAll, 1
	if buffers > 1 {
		t.tasks = min(max(1, t.conv.all()/12), 4*buffers) // more than threads, to balance a noisy machine
	}
	t.free = t.free[:0]
	for i, size := 0, len(memory)/buffers; i < buffers; i++ {
		t.free = append(t.free, memory[i*size:(i+1)*size])
	}
	r.pool.Run(t.tasks, t)
}

// toomCookTogether lets all threads work on one block at a time: on its tiles in the
// transforms, on the points and output channels in the products.
func (r *Run) toomCookTogether(t *toomCookTask, memory []float32) {
	threads := r.pool.Threads()
	t.parts = 1
	if threads > 1 {
		t.parts = 4
	}
	for from, tiles := 0, t.conv.all(); from < tiles; from += t.conv.block {
		t.shared = t.conv.blockOf(from, min(tiles, from+t.conv.block), memory)
		t.tasks = min(t.shared.count(), 4*threads)
		t.step = toomCookInputs
		r.pool.Run(t.tasks, t)
		t.step = toomCookProducts
		r.pool.Run(t.parts*len(t.conv.Points), t)
		t.step = toomCookOutputs
		r.pool.Run(t.tasks, t)
	}
}

// Tiles that are not whole pass through rows of their own, so many columns at a time.
const (
	maxPoints   = 12
	partColumns = 64
)

// A toomCookTiles is a block of a convolution's tiles, from and to counted from the first.
type toomCookTiles struct {
	*toomCookConv
	from, to int
	v, m     []float32 // [point][tile][channels]
}

func (b *toomCookTiles) count() int { return b.to - b.from }

func (c *toomCookConv) blockOf(from, to int, memory []float32) toomCookTiles {
	n := c.Algorithm.Points * (to - from)
	return toomCookTiles{c, from, to, memory[:n*c.ldV], memory[n*c.ldV:][:n*c.ldM]}
}

// input transforms the inputs of tiles i to end of the block.
func (b *toomCookTiles) input(i, end int) {
	stride, step := b.x.Stride, b.Dilation*b.x.Stride
	width := tensor.RoundUp(b.Points[0].K)
	for i < end {
		sequence, t, distance, n := b.run(b.from+i, b.from+end)
		x, v := b.x.Rows(sequence, b.start+t.row, b.x.T), b.v[i*b.ldV:]
		if n > 0 {
			b.Algorithm.Input(v, b.ldV, (b.to-b.from)*b.ldV, x, distance*stride, step, n, width)
			i += n
			continue
		}
		var rows [maxPoints * partColumns]float32
		for c := 0; c < width; c += partColumns {
			cols := min(partColumns, width-c)
			for k := range t.rows + kernel.ToomCookTaps - 1 {
				copy(rows[k*partColumns:][:cols], x[k*step+c:])
			}
			b.Algorithm.Input(v[c:], 0, (b.to-b.from)*b.ldV, rows[:], 0, partColumns, 1, cols)
		}
		i++
	}
}

// product multiplies the inputs of all tiles at a point, for a range of panels.
func (b *toomCookTiles) product(point, panel0, panel1 int) {
	n := b.to - b.from
	p := kernel.Product{
		Dst: b.m[point*n*b.ldM:][:n*b.ldM], LdDst: b.ldM,
		A: b.v[point*n*b.ldV:][:n*b.ldV], LdA: b.ldV, W: b.Points[point],
	}
	p.Run(0, n, panel0, panel1)
}

// output writes the rows of tiles i to end of the block.
func (b *toomCookTiles) output(i, end int) {
	stride, step := b.y.Stride, b.Dilation*b.y.Stride
	width := tensor.RoundUp(b.Points[0].N)
	for i < end {
		sequence, t, distance, n := b.run(b.from+i, b.from+end)
		y, m := b.y.Rows(sequence, t.row, b.y.T), b.m[i*b.ldM:]
		if n > 0 {
			b.Algorithm.Output(y, distance*stride, step, m, b.ldM, (b.to-b.from)*b.ldM, n, width, b.bias)
			i += n
			continue
		}
		var rows [maxPoints * partColumns]float32
		for c := 0; c < width; c += partColumns {
			cols := min(partColumns, width-c)
			b.Algorithm.Output(rows[:], 0, partColumns, m[c:], 0, (b.to-b.from)*b.ldM, 1, cols, b.bias[c:])
			for k := range t.rows {
				copy(y[k*step+c:][:cols], rows[k*partColumns:])
			}
		}
		i++
	}
}
