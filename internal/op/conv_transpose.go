package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A TransposedFilter is the weights of a transposed convolution of kernel 2·stride:
// one two-tap filter for each phase of the stride.
type TransposedFilter struct {
	Phases     []*kernel.Panels     // Phases[r]: tap 0 is kernel row stride+r, tap 1 row r
	PhasesBF16 []*kernel.PanelsBF16 // in place of Phases where products are of bfloat16
	PhasesRest []*kernel.PanelsBF16 // of weights that PhasesBF16 rounds, as Filter.Rest
	Bias       []float32
	Causal     bool
	// Trainable, instead of phases, in training: the weights [2·stride][out][in] of
	// the convolution that this one is the gradient of, its output being our input.
	// Channels are the output's and Stride is the number of phases.
	Trainable        TrainableWeights
	Channels, Stride int
}

// ConvTranspose returns the transposed convolution of act(x) with a kernel of
// twice the stride, cut to stride rows for each row of x (dac/model/encodec.py,
// SConvTranspose1d). Output row t·s+r sees just two input rows, t-1 and t, so
// each phase r is a convolution of two taps that writes every s-th row: nothing
// is added up afterwards, and a stream remembers one row.
func (r *Run) ConvTranspose(slot Slot, f TransposedFilter, act Activation, x tensor.Tensor) tensor.Tensor {
	m := r.state(slot)
	if x.B != 1 && (!r.Last || m.n > 0) {
		panic("op: a stream of more than one sequence")
	}
	if f.Trainable != nil {
		f.Phases = f.Trainable.PackInputGrad(r, f.Stride)
		if r.rounds(f.Trainable, x.C) {
			for _, w := range f.Phases {
				p := r.round(w)
				defer r.freeFloats(p.memory)
				f.PhasesBF16 = append(f.PhasesBF16, p.PanelsBF16)
			}
		} else {
			defer r.freePanels(f.Phases...)
		}
	}
	s, n, as := f.Stride, f.Channels, rowsFloat32
	switch {
	case f.PhasesRest != nil:
		as = rowsSplit
	case f.PhasesBF16 != nil:
		as = rowsBF16
	}
	steps, cut := x.T, 0
	if !f.Causal {
		cut = s - s/2 // rows cut off the start; a non-causal output lags by them
		if r.Last && (x.T > 0 || m.started) {
			steps++ // the overhang of the last row
		}
	}
	rows := r.newRows(as, x.B, steps+1, x.C)
	full := r.New(x.B, steps*s, n)
	for b := range x.B {
		if m.started {
			copy(rows.Rows(b, 0, 1), m.rows)
		} else {
			clear(rows.Rows(b, 0, 1))
		}
		if steps > x.T {
			clear(rows.Rows(b, x.T+1, x.T+2))
		}
	}
	r.activateTo(as, act, rows, 1, x)
	switch {
	case steps == 0:
	case f.PhasesBF16 != nil:
		r.runPhasesBF16(f, full, rows, steps)
	default:
		ps := r.newProducts(s * x.B)
		for i := range ps {
			phase, b := i/x.B, i%x.B
			ps[i] = kernel.Product{
				Dst: full.Rows(b, 0, full.T)[phase*full.Stride:], LdDst: s * full.Stride,
				A: rows.Rows(b, 0, rows.T), LdA: rows.Stride, LdTap: rows.Stride,
				W: f.Phases[phase], Bias: f.Bias,
			}
		}
		r.runProducts(ps, s, steps)
	}
	first, end := 0, full.T
	if !f.Causal && full.T > 0 {
		if !m.started {
			first = cut
		}
		if r.Last {
			end -= s - cut
		}
	}
	if x.T > 0 && !r.Last {
		m.grow(rows.Stride)
		copy(m.rows, rows.Rows(0, x.T, x.T+1))
		m.n, m.started = 1, true
	}
	r.Free(rows)
	y := full
	if first != 0 || end != full.T {
		y = r.New(x.B, end-first, n)
		for b := range x.B {
			copy(y.Rows(b, 0, y.T), full.Rows(b, first, end))
		}
		r.Free(full)
	}
	if r.Recording() {
		r.recordTranspose(&y, f, act, x, first)
	}
	return y
}

// recordTranspose records y, whose first row is row first of the full transposed
// convolution. Row t of x makes rows t·s to t·s+2s-1 of that, so the gradient with
// respect to x is a convolution of stride s.
func (r *Run) recordTranspose(y *tensor.Tensor, f TransposedFilter, act Activation, x tensor.Tensor, first int) {
	learns := f.Trainable != nil && !f.Trainable.Frozen()
	if !learns && !r.needsGrad(x) && (act == nil || act.GradSums() == 0) {
		return
	}
	s := f.Stride
	r.retain(x)
	r.record(y, func(dy tensor.Tensor) {
		full := r.padRows(dy, first, (x.T+1)*s-first-dy.T)
		if learns {
			input := x
			if act != nil {
				input = r.New(x.B, x.T, x.C)
				r.activate(act, input, 0, x)
			}
			ld := tensor.RoundUp(f.Channels)
			dw, db := r.alloc(x.C*2*s*ld), r.alloc(f.Channels)
			r.convWeightGrad(weightGrad{dw: dw, a: input, rows: full, taps: 2 * s, stride: s, dilation: 1}, nil)
			r.sumColumns(db, dy)
			f.Trainable.AccumulateGrad(r, dw, ld, db)
			r.freeFloats(dw)
			r.freeFloats(db)
			if act != nil {
				r.Free(input)
			}
		}
		w := Filter{Trainable: f.Trainable}
		if r.rounds(f.Trainable, f.Channels) {
			p := r.packRounded(f.Trainable)
			w.BF16, w.rounded = p.PanelsBF16, p.memory
		} else {
			w = r.packed(w)
		}
		dx := r.product(w, ConvShape{K: 2 * s, Stride: s, Dilation: 1}, full, 0, x.T, nil)
		r.unpack(w)
		r.Free(full)
		if act != nil {
			r.activationGrad(act, dx, dx, 0, x)
		}
		r.release(x)
		r.accumulateGrad(x, dx)
	})
}

// sumColumns writes the sum of all rows of x: [C].
func (r *Run) sumColumns(sums []float32, x tensor.Tensor) {
	total := make([]float64, x.C)
	r.pool.Split(x.C, tensor.Lane, func(from, to int) {
		total := total[from:to]
		for b := range x.B {
			for t := range x.T {
				for i, v := range x.Row(b, t)[from:to] {
					total[i] += float64(v)
				}
			}
		}
	})
	for i, v := range total {
		sums[i] = float32(v)
	}
}
