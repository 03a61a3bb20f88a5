package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TransposedFilter is what a transposed convolution of kernel 2·stride reads:
// one two-tap filter for each phase of the stride.
type TransposedFilter struct {
	Phases []*kernel.Panels // Phases[r]: tap 0 is kernel row stride+r, tap 1 row r
	Bias   []float32
	Causal bool
}

// ConvTranspose returns the transposed convolution of act(x) with a kernel of
// twice the stride, cut to stride rows for each row of x (dac/model/encodec.py,
// SConvTranspose1d). Output row t·s+r sees just two input rows, t-1 and t, so
// each phase r is a convolution of two taps that writes every s-th row: nothing
// is added up afterwards, and a stream remembers one row.
func (r *Run) ConvTranspose(slot Slot, f TransposedFilter, act Activation, x tensor.Tensor) tensor.Tensor {
	m := r.memory(slot)
	if x.B != 1 && (!r.Last || m.n > 0) {
		panic("op: a stream of more than one sequence")
	}
	s, n := len(f.Phases), f.Phases[0].N
	steps, cut := x.T, 0
	if !f.Causal {
		cut = s - s/2 // rows cut off the start; a non-causal output lags by them
		if r.Last && (x.T > 0 || m.started) {
			steps++ // the overhang of the last row
		}
	}
	rows := r.New(x.B, steps+1, x.C)
	full := r.New(x.B, steps*s, n)
	for b := range x.B {
		if m.started {
			copy(rows.Rows(b, 0, 1), m.rows)
		} else {
			clear(rows.Rows(b, 0, 1))
		}
		r.activate(act, rows, b, 1, x, b)
		if steps > x.T {
			clear(rows.Rows(b, x.T+1, x.T+2))
		}
		if steps == 0 {
			continue
		}
		for phase, w := range f.Phases {
			r.runProduct(&kernel.Product{
				Dst: full.Rows(b, 0, full.T)[phase*full.Stride:], LdDst: s * full.Stride,
				A: rows.Rows(b, 0, rows.T), LdA: rows.Stride, LdTap: rows.Stride,
				W: w, Bias: f.Bias,
			}, steps)
		}
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
	if first == 0 && end == full.T {
		return full
	}
	y := r.New(x.B, end-first, n)
	for b := range x.B {
		copy(y.Rows(b, 0, y.T), full.Rows(b, first, end))
	}
	r.Free(full)
	return y
}
