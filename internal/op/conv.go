package op

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Filter is the weights of a convolution, packed, and its bias, padded to a
// multiple of kernel.Width values. In training it has Trainable instead of panels, and
// BF16 where its products are of bfloat16. With Rest too, weights and inputs are sums of two
// bfloat16 values, and products nearly as precise as those of float32 (see productSplit).
//
// ToomCook is there instead where the Toom-Cook algorithm computes the convolution.
type Filter struct {
	ToomCook  *ToomCookFilter
	Panels    *kernel.Panels
	BF16      *kernel.PanelsBF16
	Rest      *kernel.PanelsBF16 // of weights that BF16 rounds; nil where they count as rounded
	Bias      []float32
	Trainable TrainableWeights
	rounded   []float32 // the memory of BF16 in a recording
}

// packed returns f with its panels; unpack frees those of training.
func (r *Run) packed(f Filter) Filter {
	if f.Trainable != nil && f.Panels == nil && f.BF16 == nil {
		f.Panels = f.Trainable.Pack(r)
	}
	return f
}

func (r *Run) unpack(f Filter) {
	switch {
	case f.rounded != nil:
		r.freeFloats(f.rounded)
	case f.Trainable != nil:
		r.freePanels(f.Panels)
	}
}

// ConvShape says how a convolution moves over time.
type ConvShape struct {
	K, Stride, Dilation int
	// Causal puts all padding that does not depend on the length on the left.
	Causal bool
	// Zero pads with zeros instead of by SConv1d's reflection: all on the left where the
	// convolution is causal, else on both sides (PyTorch's Conv1d) Pad rows, or
	// (K-1)/2·Dilation where Pad is 0.
	Zero bool
	Pad  int
	// Frame, if not 0, is a number of rows that are emitted together: before the end of
	// the utterance a stream emits whole frames only.
	Frame int
}

// extent returns the rows that one output row sees.
func (s ConvShape) extent() int { return (s.K-1)*s.Dilation + 1 }

// padding returns the rows of padding that every utterance gets
// (dac/model/encodec.py, SConv1d.forward).
func (s ConvShape) padding() (left, right int) {
	total := s.extent() - s.Stride
	switch {
	case s.Zero && s.Pad > 0:
		left, right = s.Pad, s.Pad
	case s.Zero && !s.Causal:
		left = (s.K - 1) / 2 * s.Dilation
		right = left
	case s.Causal:
		left = total
	default:
		right = total / 2
		left = total - right
	}
	return left, right
}

// Conv returns the convolution of act(x); act may be nil. Where init is given,
// the result is added to it: init has one row for each row of the result, or a
// single row for all of them.
//
// Reflection at the start needs rows that come later, so a stream emits nothing
// until it holds them: 54 rows for a dilation of 9.
func (r *Run) Conv(slot Slot, f Filter, s ConvShape, act Activation, x tensor.Tensor, init *tensor.Tensor) tensor.Tensor {
	if r.rounds(f.Trainable, x.C) {
		w := r.packRounded(f.Trainable)
		f.BF16, f.rounded = w.PanelsBF16, w.memory
	} else {
		f = r.packed(f)
	}
	var y tensor.Tensor
	var kept *tensor.Tensor
	var blocks *blockWindow
	switch {
	case f.ToomCook != nil:
		s.Frame = f.ToomCook.Frame
		w := r.window(slot, s, act, x, rowsFloat32)
		y = r.toomCook(f, w.rows, w.start, w.out, init)
		r.Free(w.rows)
	case s.K == 1 && s.Stride == 1 && act == nil:
		y = r.product(f, s, x, 0, x.T, init)
	case f.BF16 != nil:
		w := r.window(slot, s, act, x, f.format())
		y = r.productBF16(f, s, w.rows, w.start, w.out, init)
		kept = r.keepWindow(f, act, w.rows, y.C)
	default:
		if blocks = r.blockWindow(f, s, act, x); blocks != nil {
			y = r.convBlocks(f, s, blocks, init)
			break
		}
		w := r.window(slot, s, act, x, rowsFloat32)
		if f.Trainable != nil && r.usesToomCook(s, x.B*x.T, x.C, f.Panels.N) {
			f.ToomCook = r.newToomCook(f.Panels, s.Dilation)
			y = r.toomCook(f, w.rows, w.start, w.out, init)
			r.freeToomCook(f.ToomCook)
		} else {
			y = r.product(f, s, w.rows, w.start, w.out, init)
		}
		kept = r.keepWindow(f, act, w.rows, y.C)
	}
	r.unpack(f)
	if r.Recording() {
		var added *tensor.Tensor
		if init != nil { // a copy, so that without a tape the caller's stays off the heap
			added = new(tensor.Tensor)
			*added = *init
		}
		r.recordConv(&y, f, s, act, x, added, kept, blocks)
	}
	return y
}

// A window is the padded input of one chunk of a convolution.
type window struct {
	rows  tensor.Tensor
	start int // the row at which the first output begins
	out   int // output rows
}

// window joins the rows held in slot, act(x) and the padding, and keeps in slot
// what the next chunk needs.
func (r *Run) window(slot Slot, s ConvShape, act Activation, x tensor.Tensor, as rowFormat) window {
	m := r.state(slot)
	if x.B != 1 && (!r.Last || m.n > 0) {
		panic("op: a stream of more than one sequence")
	}
	left, right := s.padding()
	n := m.n + x.T
	if m.started && !r.Last && x.T <= 4*m.n {
		return r.slide(m, s, act, x, as)
	}
	if !r.Last && !m.started && n <= reflectable(s, left, right) {
		r.appendRows(m, act, x, as)
		return window{rows: r.New(1, 0, x.C)}
	}
	var padLeft, padRight int
	if !m.started {
		padLeft = left
	}
	if r.Last && (n > 0 || m.started) {
		length := padLeft + n - m.skip - left // modulo the stride, the utterance's
		extra := (s.Stride - length%s.Stride) % s.Stride
		if s.Zero {
			extra = 0
		}
		padRight = right + extra
	}
	rows := r.newRows(as, x.B, padLeft+n+padRight, x.C)
	r.activateTo(as, act, rows, padLeft+m.n, x)
	for b := range x.B {
		if m.n > 0 {
			copy(rows.Rows(b, padLeft, padLeft+m.n), m.rows[m.at*rows.Stride:][:m.n*rows.Stride])
		}
		pad(rows, b, padLeft, n, padRight, s.Zero)
	}
	w := window{rows: rows, start: m.skip}
	if n > 0 {
		w.out = s.outputs(rows.T - w.start)
	}
	if !r.Last {
		w.out = s.whole(w.out)
		keep := m.advance(s, w)
		m.replaceRows(rows.Rows(0, keep, rows.T), rows.T-keep)
		m.started = true
	}
	return w
}

// slide is window for a few rows in the middle of a stream: act(x) is written behind the
// rows that the slot holds, which stay where they are and are the window themselves. Only
// when it reaches the end of its memory do the rows that are still needed move to the front.
// The window is valid until the next one of the slot.
func (r *Run) slide(m *streamState, s ConvShape, act Activation, x tensor.Tensor, as rowFormat) window {
	n, stride := m.n+x.T, as.stride(x.C)
	if (m.at+n)*stride > cap(m.rows) {
		held := m.rows[m.at*stride:][:m.n*stride]
		if room := 2 * n * stride; room > cap(m.rows) {
			m.rows = make([]float32, room)
		}
		copy(m.rows, held)
		m.at = 0
	}
	m.rows = m.rows[:cap(m.rows)]
	rows := tensor.Tensor{B: 1, T: n, C: x.C, Stride: stride, Data: m.rows[m.at*stride:][:n*stride], Borrowed: true}
	r.activateTo(as, act, rows, m.n, x)
	w := window{rows: rows, start: m.skip, out: s.whole(s.outputs(n - m.skip))}
	keep := m.advance(s, w)
	m.at, m.n = m.at+keep, n-keep
	return w
}

// outputs returns how many rows of output so many rows are enough for.
func (s ConvShape) outputs(rows int) int {
	if rows < s.extent() {
		return 0
	}
	return (rows-s.extent())/s.Stride + 1
}

// whole returns how many of so many outputs are in whole frames.
func (s ConvShape) whole(outputs int) int {
	if s.Frame > 0 {
		outputs -= outputs % s.Frame
	}
	return outputs
}

// advance notes that the outputs of w are made, and returns how many of its rows the next
// window does not need.
func (m *streamState) advance(s ConvShape, w window) int {
	next := w.start + w.out*s.Stride
	left, right := s.padding()
	keep := max(0, next-lookback(s, left, right))
	m.skip = next - keep
	return keep
}

// reflectable returns how many rows are too few to reflect at either end.
func reflectable(s ConvShape, left, right int) int {
	if s.Zero {
		return 0
	}
	return max(left, right+s.Stride-1)
}

// lookback returns how many rows before the next output's first must be kept so
// that the end can be reflected: right+stride-1 rows are mirrored there about
// the last one, while the next output's own rows may be as few as
// extent-stride.
func lookback(s ConvShape, left, right int) int {
	mirrored := right + s.Stride - 1
	if s.Zero || mirrored == 0 {
		return 0
	}
	return max(0, mirrored+1-(s.extent()-s.Stride))
}

// pad fills the padding of sequence b, whose n rows start at row left, by
// reflection about the first and last row. Where there are too few rows to
// reflect, zeros are first appended, the result reflected, and as many rows cut
// off the end (dac/model/encodec.py, pad1d).
func pad(x tensor.Tensor, b, left, n, right int, zero bool) {
	extended := extendedLength(left, n, right)
	fill := func(at, from int) {
		dst := x.Rows(b, at, at+1)
		if zero || from >= n {
			clear(dst)
			return
		}
		copy(dst, x.Rows(b, left+from, left+from+1))
	}
	for i := range left {
		fill(i, left-i)
	}
	for i := range right {
		from := n + i // position in the extended signal
		if from >= extended {
			from = 2*(extended-1) - from
		}
		fill(left+n+i, from)
	}
}

// extendedLength returns the rows that are reflected: n, or with the zeros that
// are appended where those are too few.
func extendedLength(left, n, right int) int { return max(n, left+1, right+1) }

// appendRows adds act(x) to the rows that are held until a stream can start.
func (r *Run) appendRows(m *streamState, act Activation, x tensor.Tensor, as rowFormat) {
	if x.T == 0 {
		return
	}
	stride := as.stride(x.C)
	m.grow((m.n + x.T) * stride)
	rows := tensor.Tensor{B: 1, T: m.n + x.T, C: x.C, Stride: stride, Data: m.rows[:(m.n+x.T)*stride]}
	r.activateTo(as, act, rows, m.n, x)
	m.n += x.T
}

// replaceRows replaces the held rows by n others.
func (m *streamState) replaceRows(rows []float32, n int) {
	m.grow(len(rows))
	copy(m.rows, rows)
	m.at, m.n = 0, n
}

func (m *streamState) grow(n int) {
	if n > cap(m.rows) {
		rows := make([]float32, n)
		copy(rows, m.rows)
		m.rows = rows
	}
	m.rows = m.rows[:cap(m.rows)]
}

// product computes out rows of a convolution over rows of x from start on.
func (r *Run) product(f Filter, s ConvShape, x tensor.Tensor, start, out int, init *tensor.Tensor) tensor.Tensor {
	if f.BF16 != nil {
		rows := r.toBF16(f.format(), x)
		y := r.productBF16(f, s, rows, start, out, init)
		r.Free(rows)
		return y
	}
	if x.C != f.Panels.K {
		panic(fmt.Sprintf("op: %d channels for a filter of %d", x.C, f.Panels.K))
	}
	y := r.New(x.B, out, f.Panels.N)
	if out == 0 {
		return y
	}
	x, all, init := joined(s, x, y, start, init)
	out = all.T
	ps := r.newProducts(x.B)
	for b := range ps {
		p := &ps[b]
		*p = kernel.Product{
			Dst: all.Rows(b, 0, out), LdDst: y.Stride,
			A: x.Rows(b, start, x.T), LdA: s.Stride * x.Stride, LdTap: s.Dilation * x.Stride,
			W: f.Panels, Bias: f.Bias,
		}
		if init != nil {
			p.Init, p.LdInit = initRows(*init, b, out)
		}
	}
	r.runProducts(ps, 1, out)
	return y
}

// joined returns x, y and init with all sequences as one where the rows of a product lie one
// behind the other: tiles are then full but for the last.
func joined(s ConvShape, x, y tensor.Tensor, start int, init *tensor.Tensor) (_, _ tensor.Tensor, _ *tensor.Tensor) {
	if x.B == 1 || s.K != 1 || s.Stride != 1 || start != 0 || x.T != y.T || init != nil && init.T != y.T {
		return x, y, init
	}
	if init != nil {
		one := init.Joined()
		init = &one
	}
	return x.Joined(), y.Joined(), init
}

// initRows returns the rows that a product of out rows starts from.
func initRows(init tensor.Tensor, b, out int) ([]float32, int) {
	switch init.T {
	case out:
		return init.Rows(b, 0, out), init.Stride
	case 1:
		return init.Rows(b, 0, 1), 0
	}
	panic(fmt.Sprintf("op: %d initial rows for %d", init.T, out))
}
