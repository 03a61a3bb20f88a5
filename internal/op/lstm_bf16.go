package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// runStepsBF16 is runSteps for recurrent weights in bfloat16. A layer's weights, of which
// each step reads all, are larger than the second-level cache: every other step goes
// through them backwards, so that it begins with those that are still there.
func (r *Run) runStepsBF16(f LSTMFilter, m *streamState, y, gates tensor.Tensor) {
	w := f.Recurrent.BF16
	r.Profiler.count(int64(y.B) * int64(y.T) * int64(w.K) * int64(w.N))
	width, ld := tensor.RoundUp(f.Hidden), kernel.PadBF16(f.Hidden)
	groups := width / kernel.Width
	parts := min(r.pool.Threads(), groups)
	// The hidden states that a step reads, and those that it writes.
	states := r.newRows(rowsBF16, 1, 2*y.B, 2*ld)
	clear(states.Data)
	rows := kernel.BFloat16s(states.Data)
	s := &r.stepsBF16
	*s = lstmBF16Task{
		product: kernel.ProductBF16{W: w, LdA: ld, LdDst: y.T * gates.Stride, LdInit: y.T * gates.Stride},
		y:       y, gates: gates, c: m.c, width: width, parts: parts,
		before: rows[:y.B*ld], after: rows[y.B*ld : 2*y.B*ld],
	}
	for b := range y.B {
		kernel.ToBF16(s.before[b*ld:][:width], m.h[b*width:][:width])
	}
	for t := range y.T {
		s.t = t
		r.pool.Run(parts, s)
		s.before, s.after = s.after, s.before
	}
	for b := range y.B {
		copy(m.h[b*width:(b+1)*width], y.Rows(b, y.T-1, y.T))
	}
	r.Free(states)
}

// An lstmBF16Task is one step of an LSTM, of which each thread does some of the units.
type lstmBF16Task struct {
	product         kernel.ProductBF16
	y, gates        tensor.Tensor
	before, after   []kernel.BFloat16
	c               []float32
	t, width, parts int
}

// Run advances the i-th part of the units, 16 at a time.
func (s *lstmBF16Task) Run(i int) {
	groups := s.width / kernel.Width
	from, to := i*groups/s.parts, (i+1)*groups/s.parts
	p := s.product
	p.A, p.Dst = s.before, s.gates.Data[s.t*s.gates.Stride:]
	p.Init = p.Dst
	for j := from; j < to; j++ {
		group := j
		if s.t%2 == 1 {
			group = from + to - 1 - j
		}
		p.Run(0, s.y.B, 4*group, 4*group+4)
		first := group * kernel.Width
		for b := range s.y.B {
			h := s.y.Rows(b, s.t, s.t+1)[first : first+kernel.Width]
			kernel.LSTMCell(h, s.c[b*s.width+first:][:kernel.Width], s.gates.Rows(b, s.t, s.t+1)[4*first:][:4*kernel.Width])
			kernel.ToBF16(s.after[b*p.LdA+first:][:kernel.Width], h)
		}
	}
}
