package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// LSTMFilter holds the weights of one LSTM layer. The gates of units 16j to 16j+15
// lie together (see kernel.LSTMCell), so that the thread that computes the product
// of a group of units can go on to their state.
type LSTMFilter struct {
	Input     Filter // [1, in, 4·hidden]; its bias is the sum of PyTorch's two
	Recurrent Filter // [1, hidden, 4·hidden], without a bias
	Hidden    int
}

// pointwise is the shape of a product with every row.
var pointwise = ConvShape{K: 1, Stride: 1, Dilation: 1}

// LSTM returns the hidden states of one layer over x, from the stream's state,
// which is zero at the start of an utterance.
func (r *Run) LSTM(slot Slot, f LSTMFilter, x tensor.Tensor) tensor.Tensor {
	f.Input = r.packed(f.Input)
	gates := r.product(f.Input, pointwise, x, 0, x.T, nil)
	r.unpack(f.Input)
	f.Recurrent = r.packed(f.Recurrent)
	y := r.New(x.B, x.T, f.Hidden)
	m := r.state(slot)
	if r.Recording() {
		m = &streamState{} // every utterance starts from zero
	}
	if x.B != 1 && (!r.Last || m.started) {
		panic("op: a stream of more than one sequence")
	}
	if width := tensor.RoundUp(f.Hidden); m.h == nil {
		m.h, m.c = make([]float32, x.B*width), make([]float32, x.B*width)
	}
	var cells tensor.Tensor // the cell states, for the backward pass
	if r.Recording() {
		cells = r.New(x.B, x.T, f.Hidden)
	}
	switch {
	case y.T == 0:
	case f.Recurrent.BF16 != nil:
		r.runStepsBF16(f, m, y, gates)
	default:
		r.runSteps(f, m, y, gates, cells)
	}
	m.started = true
	r.unpack(f.Recurrent)
	if r.Recording() {
		r.recordLSTM(&y, f, x, gates, cells)
		return y
	}
	r.Free(gates)
	return y
}

// runSteps runs the steps of all sequences side by side. Each step reads every
// recurrent weight once; the threads share the units between them. Every other step goes
// through the weights backwards, for runStepsBF16's reason.
func (r *Run) runSteps(f LSTMFilter, m *streamState, y, gates, cells tensor.Tensor) {
	width, ld := tensor.RoundUp(f.Hidden), y.T*gates.Stride
	r.Profiler.count(int64(y.B) * int64(y.T) * int64(f.Hidden) * int64(4*width))
	s := &r.steps
	*s = lstmTask{
		product: kernel.Product{W: f.Recurrent.Panels, LdDst: ld, LdInit: ld, A: m.h, LdA: width},
		y:       y, gates: gates, cells: cells, c: m.c, width: width, parts: min(r.pool.Threads(), width/kernel.Width),
	}
	for t := range y.T {
		s.t = t
		s.product.Dst = gates.Data[t*gates.Stride:]
		s.product.Init = s.product.Dst
		r.pool.Run(s.parts, s)
		s.product.A, s.product.LdA = y.Data[t*y.Stride:], y.T*y.Stride
	}
	for b := range y.B {
		copy(m.h[b*width:(b+1)*width], y.Rows(b, y.T-1, y.T))
	}
}

// An lstmTask is one step of an LSTM, of which each thread does some of the units.
type lstmTask struct {
	product         kernel.Product
	y, gates, cells tensor.Tensor
	c               []float32
	t, width, parts int
}

// Run advances the i-th part of the units, 16 at a time.
func (s *lstmTask) Run(i int) {
	groups := s.width / kernel.Width
	from, to := i*groups/s.parts, (i+1)*groups/s.parts
	for j := from; j < to; j++ {
		group := j
		if s.t%2 == 1 {
			group = from + to - 1 - j
		}
		s.product.Run(0, s.y.B, 4*group, 4*group+4)
		first, end := group*kernel.Width, (group+1)*kernel.Width
		for b := range s.y.B {
			c := s.c[b*s.width:][first:end]
			kernel.LSTMCell(s.y.Rows(b, s.t, s.t+1)[first:end], c, s.gates.Rows(b, s.t, s.t+1)[4*first:4*end])
			if s.cells.Data != nil {
				copy(s.cells.Rows(b, s.t, s.t+1)[first:end], c)
			}
		}
	}
}

// recordLSTM records the hidden states y, with the gates before their activation
// and the cell states.
func (r *Run) recordLSTM(y *tensor.Tensor, f LSTMFilter, x, gates, cells tensor.Tensor) {
	f.Input.Panels, f.Recurrent.Panels = nil, nil
	h := *y
	r.retain(x, h)
	r.record(y, func(dy tensor.Tensor) {
		r.backwardSteps(f, dy, gates, cells)
		dgates := gates
		if !f.Input.Trainable.Frozen() {
			before := r.New(h.B, h.T, h.C) // the hidden state that each step began with
			for b := range h.B {
				clear(before.Rows(b, 0, 1))
				copy(before.Rows(b, 1, h.T), h.Rows(b, 0, h.T-1))
			}
			for _, side := range []struct {
				f    Filter
				rows tensor.Tensor
			}{{f.Input, x}, {f.Recurrent, before}} {
				ld := tensor.RoundUp(side.rows.C)
				dw, db := r.alloc(dgates.C*ld), r.alloc(dgates.C)
				r.convWeightGrad(weightGrad{dw: dw, a: dgates, rows: side.rows, taps: 1, stride: 1, dilation: 1}, db)
				side.f.Trainable.AccumulateGrad(r, dw, ld, db)
				r.freeFloats(dw)
				r.freeFloats(db)
			}
			r.Free(before)
		}
		if r.needsGrad(x) {
			r.accumulateGrad(x, r.convInputGrad(f.Input, pointwise, dgates, x.T, x.C))
		}
		r.Free(gates, cells)
		r.release(x, h)
	})
}

// backwardSteps goes back through the steps and writes the gradient with respect to
// the gates over them.
func (r *Run) backwardSteps(f LSTMFilter, dy, gates, cells tensor.Tensor) {
	width := tensor.RoundUp(f.Hidden)
	groups := width / kernel.Width
	parts := min(r.pool.Threads(), groups)
	w := f.Recurrent.Trainable.PackInputGrad(r, 1)[0] // [4·hidden][hidden]
	r.Profiler.count(int64(dy.B) * int64(dy.T) * int64(w.K) * int64(w.N))
	dh, dc := r.Zeros(1, dy.B, f.Hidden), r.Zeros(1, dy.B, f.Hidden)
	zero := make([]float32, width)
	p := &kernel.Product{Dst: dh.Data, LdDst: dh.Stride, LdA: dy.T * gates.Stride, W: w}
	t := 0
	step := func(i int) {
		from, to := i*groups/parts, (i+1)*groups/parts
		if t < dy.T-1 {
			p.Run(0, dy.B, from, to)
		}
		from, to = from*kernel.Width, to*kernel.Width
		for b := range dy.B {
			before := zero
			if t > 0 {
				before = cells.Rows(b, t-1, t)
			}
			lstmCellGrad(gates.Rows(b, t, t+1)[4*from:4*to], dc.Rows(0, b, b+1)[from:to],
				dh.Rows(0, b, b+1)[from:to], dy.Rows(b, t, t+1)[from:to], cells.Rows(b, t, t+1)[from:to], before[from:to])
			if to > f.Hidden { // units that are not there, but that the next product reads
				clearUnits(gates.Rows(b, t, t+1), dc.Rows(0, b, b+1), f.Hidden, to)
			}
		}
	}
	for t = dy.T - 1; t >= 0; t-- {
		r.pool.For(parts, step)
		p.A = gates.Data[t*gates.Stride:]
	}
	r.Free(dh, dc)
	r.freePanels(w)
}

func clearUnits(gates, dc []float32, from, to int) {
	for u := from; u < to; u++ {
		dc[u] = 0
		for gate := range 4 {
			gates[u/kernel.Width*4*kernel.Width+gate*kernel.Width+u%kernel.Width] = 0
		}
	}
}

// lstmCellGrad writes over the gates, laid out as kernel.LSTMCell has them, the
// gradient with respect to them, from dh + dy with respect to the step's hidden
// state and dc to its cell state c; dc becomes that to the cell state before.
func lstmCellGrad(gates, dc, dh, dy, c, before []float32) {
	const n = kernel.Width
	var tanhC [n]float32
	for u := 0; u < len(dc); u += n {
		g := gates[4*u : 4*u+4*n]
		in, forget, cell, out := g[:n], g[n:2*n], g[2*n:3*n], g[3*n:]
		kernel.Sigmoid(g[:2*n], g[:2*n])
		kernel.Tanh(cell, cell)
		kernel.Sigmoid(out, out)
		kernel.Tanh(tanhC[:], c[u:u+n])
		for i, th := range tanhC {
			d := dh[u+i] + dy[u+i]
			k := dc[u+i] + d*out[i]*(1-th*th)
			dc[u+i] = k * forget[i]
			di, df := k*cell[i]*in[i]*(1-in[i]), k*before[u+i]*forget[i]*(1-forget[i])
			dg, do := k*in[i]*(1-cell[i]*cell[i]), d*th*out[i]*(1-out[i])
			in[i], forget[i], cell[i], out[i] = di, df, dg, do
		}
	}
}
