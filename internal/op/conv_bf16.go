package op

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A rowFormat is how the rows that a product reads are stored. Rows in bfloat16 lie in
// a tensor whose stride is half of their values, padded for kernel.ProductBF16 with zeros:
// copies and padding need not tell them from others.
type rowFormat uint8

const (
	rowsFloat32 rowFormat = iota
	rowsBF16
	rowsSplit // two bfloat16 values for each float32: all of the first, then all of the second
)

// format returns the rows that a filter reads.
func (f Filter) format() rowFormat {
	switch {
	case f.BF16 == nil:
		return rowsFloat32
	case f.Rest == nil:
		return rowsBF16
	}
	return rowsSplit
}

// stride returns the distance of rows of c channels, in float32 values.
func (f rowFormat) stride(c int) int {
	switch f {
	case rowsBF16:
		return kernel.StrideBF16(c) / 2
	case rowsSplit:
		return kernel.StrideBF16(2*kernel.PadBF16(c)) / 2
	}
	return tensor.Stride(c)
}

// newRows returns uninitialized rows from the run's memory.
func (r *Run) newRows(as rowFormat, b, t, c int) tensor.Tensor {
	stride := as.stride(c)
	return tensor.Tensor{B: b, T: t, C: c, Stride: stride, Data: r.alloc(b * t * stride)}
}

// activateTo is activate for rows of any format.
func (r *Run) activateTo(as rowFormat, act Activation, y tensor.Tensor, at int, x tensor.Tensor) {
	if as == rowsFloat32 {
		r.activate(act, y, at, x)
		return
	}
	if x.T == 0 {
		return
	}
	t := &r.rounding
	scratch := t.scratch
	_, direct := act.(activationBF16)
	*t = roundingTask{as: as, act: act, y: y, x: x, at: at, parts: r.sequenceParts(x)}
	if width := tensor.RoundUp(x.C); act != nil && !direct {
		if n := x.B * t.parts * width; len(scratch) < n {
			scratch = make([]float32, n)
		}
		t.apply = true
	}
	t.scratch = scratch
	r.pool.Run(x.B*t.parts, t)
}

// A roundingTask writes the rows of an activation in bfloat16, each sequence in parts.
type roundingTask struct {
	as      rowFormat
	act     Activation
	y, x    tensor.Tensor
	at      int // the first row of y's sequences
	parts   int
	apply   bool      // the activation has no kernel of its own
	scratch []float32 // a row of it for each part
}

// activationBF16 is an activation with kernels for bfloat16.
type activationBF16 interface {
	ApplyBF16(dst []kernel.BFloat16, x []float32)
	ApplySplit(high, low []kernel.BFloat16, x []float32)
}

// Run computes the i-th part. What is beyond the channels becomes zero.
func (t *roundingTask) Run(i int) {
	b, part := i/t.parts, i%t.parts
	from, to := part*t.x.T/t.parts, (part+1)*t.x.T/t.parts
	width := tensor.RoundUp(t.x.C)
	var scratch []float32
	if t.apply {
		scratch = t.scratch[i*width:][:width]
	}
	rows := roundingRows{
		as: t.as, act: t.act, c: t.x.C, rows: to - from, scratch: scratch,
		dst: kernel.BFloat16s(t.y.Rows(b, t.at+from, t.at+to)), ldDst: 2 * t.y.Stride,
		x: t.x.Rows(b, from, to), ldX: t.x.Stride,
	}
	rows.run()
}

// roundingRows are rows whose activation is written in bfloat16.
type roundingRows struct {
	as         rowFormat
	act        Activation
	dst        []kernel.BFloat16
	x          []float32
	ldDst, ldX int
	c, rows    int
	scratch    []float32 // a row, where the activation has no kernel of its own
}

func (t *roundingRows) run() {
	width := tensor.RoundUp(t.c)
	if t.as == rowsBF16 && width <= narrowRow && t.ldX == width && t.rows >= narrowRows {
		t.runNarrow(width)
		return
	}
	kernels, direct := t.act.(activationBF16)
	for at := range t.rows {
		x, dst := t.x[at*t.ldX:][:width], t.dst[at*t.ldDst:][:t.ldDst]
		if t.scratch != nil {
			t.act.Apply(t.scratch, x)
			x = t.scratch
		}
		switch high := dst[:width]; {
		case t.as == rowsSplit:
			half := kernel.PadBF16(t.c)
			low := dst[half:][:width]
			if direct {
				kernels.ApplySplit(high, low, x)
			} else {
				kernel.SplitBF16(high, low, x)
			}
			clear(dst[t.c:half])
			clear(dst[half+t.c:])
		case direct:
			kernels.ApplyBF16(high, x)
			clear(dst[t.c:])
		default:
			kernel.ToBF16(high, x)
			clear(dst[t.c:])
		}
	}
}

// Rows of few values take a call each longer than their values: of at least narrowRows rows of
// at most narrowRow values, many are computed and rounded at a time, and then moved apart.
const (
	narrowRow  = 48
	narrowRows = 128
)

// runNarrow is run for rows that lie one behind the other in x.
func (t *roundingRows) runNarrow(width int) {
	const most = 1024 // rows' values that are computed at a time
	own := newScratch(most + most/2)
	defer own.free()
	values, rounded := own.take(most), kernel.BFloat16s(own.take(most/2))
	rows, many := t.act.(rowsActivation)
	each := most / width
	for from := 0; from < t.rows; from += each {
		n := min(each, t.rows-from)
		x := t.x[from*width:][:n*width]
		switch {
		case many:
			rows.ApplyRows(values[:n*width], x, width)
			x = values[:n*width]
		case t.act != nil:
			for at := 0; at < n*width; at += width {
				t.act.Apply(values[at:at+width], x[at:at+width])
			}
			x = values[:n*width]
		}
		kernel.ToBF16(rounded[:n*width], x)
		for i := range n {
			dst := t.dst[(from+i)*t.ldDst:][:t.ldDst]
			for at := 0; at < width; at += kernel.Width {
				v := *(*[kernel.Width]kernel.BFloat16)(rounded[i*width+at:])
				*(*[kernel.Width]kernel.BFloat16)(dst[at:]) = v
			}
			clear(dst[t.c:])
		}
	}
}

// toBF16 returns the rows of x in a format of bfloat16.
func (r *Run) toBF16(as rowFormat, x tensor.Tensor) tensor.Tensor {
	y := r.newRows(as, x.B, x.T, x.C)
	r.activateTo(as, nil, y, 0, x)
	return y
}

// productBF16 is product of rows in the filter's format.
func (r *Run) productBF16(f Filter, s ConvShape, x tensor.Tensor, start, out int, init *tensor.Tensor) tensor.Tensor {
	if x.C != f.BF16.K {
		panic(fmt.Sprintf("op: %d channels for a filter of %d", x.C, f.BF16.K))
	}
	y := r.New(x.B, out, f.BF16.N)
	if out == 0 {
		return y
	}
	x, all, init := joined(s, x, y, start, init)
	out = all.T
	ps := r.newProductsBF16(x.B)
	for b := range ps {
		ps[b] = kernel.ProductBF16{
			Dst: all.Rows(b, 0, out), LdDst: y.Stride,
			A: kernel.BFloat16s(x.Rows(b, start, x.T)), LdA: s.Stride * 2 * x.Stride, LdTap: s.Dilation * 2 * x.Stride,
			W: f.BF16, Bias: f.Bias,
		}
		if init != nil {
			ps[b].Init, ps[b].LdInit = initRows(*init, b, out)
		}
	}
	if f.Rest == nil {
		r.runProductsBF16(ps, nil, 1, out)
	} else {
		r.productsBF16.single[0] = f.Rest
		r.runProductsBF16(ps, r.productsBF16.single[:], 1, out)
	}
	return y
}

// runBF16 computes a part of a product, rest being the filter's.
func runBF16(p kernel.ProductBF16, rest *kernel.PanelsBF16, row0, row1, panel0, panel1 int) {
	if rest != nil {
		productSplit(p, rest, row0, row1, panel0, panel1)
		return
	}
	p.Run(row0, row1, panel0, panel1)
}

// productSplit computes a part of a product of inputs and weights that are sums of two
// bfloat16 values, the smaller ones first:
//
//	dst = low·W + high·Rest + high·W + bias + init
//
// What is missing, low·Rest, is below the precision of the rest: a value of 16 bits times
// another.
//
// Few rows run at the speed of the memory: two panels at a time, W is still in a cache when
// it is read again.
func productSplit(p kernel.ProductBF16, rest *kernel.PanelsBF16, row0, row1, panel0, panel1 int) {
	high, low, w := p.A, p.A[kernel.PadBF16(p.W.K):], p.W
	step := panel1 - panel0
	if row1-row0 <= 2*tileRowsBF16 {
		step = 2
	}
	for ; panel0 < panel1; panel0 += step {
		end := min(panel1, panel0+step)
		q := p
		q.A = low
		q.Run(row0, row1, panel0, end)
		q.Bias, q.Init, q.LdInit = nil, p.Dst, p.LdDst
		q.A, q.W = high, rest
		q.Run(row0, row1, panel0, end)
		q.W = w
		q.Run(row0, row1, panel0, end)
	}
}

// runPhasesBF16 computes the phases of a transposed convolution.
func (r *Run) runPhasesBF16(f TransposedFilter, full, rows tensor.Tensor, steps int) {
	s := len(f.PhasesBF16)
	ps := r.newProductsBF16(s * rows.B)
	for i := range ps {
		phase, b := i/rows.B, i%rows.B
		ps[i] = kernel.ProductBF16{
			Dst: full.Rows(b, 0, full.T)[phase*full.Stride:], LdDst: s * full.Stride,
			A: kernel.BFloat16s(rows.Rows(b, 0, rows.T)), LdA: 2 * rows.Stride, LdTap: 2 * rows.Stride,
			W: f.PhasesBF16[phase], Bias: f.Bias,
		}
	}
	r.runProductsBF16(ps, f.PhasesRest, s, steps)
}

// A productBF16Task is a productTask of bfloat16.
type productBF16Task struct {
	products         []kernel.ProductBF16
	rests            []*kernel.PanelsBF16  // of each kind, or nil
	single           [1]*kernel.PanelsBF16 // the memory of one
	kinds            int
	rows             int
	byRows, byPanels int
	blocks, pairs    int
}

const (
	tileRowsBF16 = 32 // the height of the largest tile

	// aloneBF16 is about as long as aloneMACs.
	aloneBF16 = 8 * aloneMACs
)

func (r *Run) newProductsBF16(n int) []kernel.ProductBF16 {
	if cap(r.productsBF16.products) < n {
		r.productsBF16.products = make([]kernel.ProductBF16, n)
	}
	return r.productsBF16.products[:n]
}

// runProductsBF16 is runProducts, rests being those of the kinds of weights, or nil.
func (r *Run) runProductsBF16(ps []kernel.ProductBF16, rests []*kernel.PanelsBF16, kinds, rows int) {
	w := ps[0].W
	macs := int64(len(ps)) * int64(rows) * int64(w.Taps) * int64(w.K) * int64(w.N)
	r.Profiler.count(macs)
	t := &r.productsBF16
	t.products, t.rests, t.kinds, t.rows = ps, rests, kinds, rows
	t.byRows, t.byPanels = 1, 1
	t.blocks, t.pairs = (rows+tileRowsBF16-1)/tileRowsBF16, (w.Count()+1)/2
	threads, sequences := r.pool.Threads(), len(ps)/kinds
	tasks := r.tasks(kinds)
	alone := threads == 1 || macs < aloneBF16 && kinds*w.Taps*w.K*w.N < aloneWeights
	switch {
	case alone:
	case w.Taps*w.K*w.N > rows*sequences*ps[0].LdA:
		t.byPanels = min(t.pairs, tasks)
		t.byRows = min(t.blocks, (tasks+t.byPanels-1)/t.byPanels)
	default:
		t.byRows = min(t.blocks, tasks)
		t.byPanels = min(t.pairs, (tasks+t.byRows-1)/t.byRows)
	}
	if alone {
		for i := range kinds {
			t.Run(i)
		}
		return
	}
	r.pool.Run(kinds*t.byRows*t.byPanels, t)
}

// Run computes the i-th piece.
func (t *productBF16Task) Run(i int) {
	kind, i := i/(t.byRows*t.byPanels), i%(t.byRows*t.byPanels)
	row, panel := i%t.byRows, i/t.byRows
	row0, row1 := row*t.blocks/t.byRows*tileRowsBF16, min(t.rows, (row+1)*t.blocks/t.byRows*tileRowsBF16)
	sequences := len(t.products) / t.kinds
	var rest *kernel.PanelsBF16
	if t.rests != nil {
		rest = t.rests[kind]
	}
	for s := range sequences {
		p := &t.products[kind*sequences+s]
		panel0, panel1 := panel*t.pairs/t.byPanels*2, min(p.W.Count(), (panel+1)*t.pairs/t.byPanels*2)
		runBF16(*p, rest, row0, row1, panel0, panel1)
	}
}
