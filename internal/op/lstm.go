package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// LSTMFilter holds the weights of one LSTM layer. The gates of units 16j to
// 16j+15 lie together (see kernel.LSTMCell), so that whoever computes the
// product of a group of units can go on to their state.
type LSTMFilter struct {
	Input     *kernel.Panels // [1, in, 4·hidden]
	Recurrent *kernel.Panels // [1, hidden, 4·hidden]
	Bias      []float32      // both biases of PyTorch's LSTM, added
	Hidden    int
}

// LSTM returns the hidden states of one layer over x, from the stream's state,
// which is zero at the start of an utterance.
func (r *Run) LSTM(slot Slot, f LSTMFilter, x tensor.Tensor) tensor.Tensor {
	gates := r.product(Filter{Panels: f.Input, Bias: f.Bias}, ConvShape{K: 1, Stride: 1, Dilation: 1}, x, 0, x.T, nil)
	y := r.New(x.B, x.T, f.Hidden)
	m := r.memory(slot)
	if x.B != 1 && (!r.Last || m.started) {
		panic("op: a stream of more than one sequence")
	}
	width := tensor.RoundUp(f.Hidden)
	for b := range x.B {
		if m.h == nil || b > 0 {
			m.h, m.c = make([]float32, width), make([]float32, width)
		}
		r.recur(f, m, y.Sample(b), gates.Sample(b))
	}
	m.started = true
	r.Free(gates)
	return y
}

// recur runs the steps of one sequence. Each step reads every recurrent weight
// once; the threads share the units between them.
func (r *Run) recur(f LSTMFilter, m *memory, y, gates tensor.Tensor) {
	if y.T == 0 {
		return
	}
	r.Meter.count(int64(y.T) * int64(f.Recurrent.K) * int64(f.Recurrent.N))
	groups := tensor.RoundUp(f.Hidden) / kernel.Width
	parts := min(r.pool.Threads(), groups)
	p := &kernel.Product{W: f.Recurrent}
	var g, h []float32
	step := func(i int) {
		from, to := i*groups/parts, (i+1)*groups/parts
		p.Run(0, 1, 4*from, 4*to)
		kernel.LSTMCell(h[from*kernel.Width:to*kernel.Width], m.c[from*kernel.Width:to*kernel.Width],
			g[4*from*kernel.Width:4*to*kernel.Width])
	}
	p.A = m.h
	for t := range y.T {
		g, h = gates.Rows(0, t, t+1), y.Rows(0, t, t+1)
		p.Dst, p.Init = g, g
		r.pool.For(parts, step)
		p.A = h
	}
	copy(m.h, h[:len(m.h)])
}
