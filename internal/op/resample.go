package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Resampling computes each row of its result from a few rows of its input.
type Resampling struct {
	In, Out int
	Rows    [][]Tap // of each row of the result
	adjoint [][]Tap // of each row of the input: rows of the result
}

// NewResampling returns the resampling of in rows whose result has such rows.
func NewResampling(in int, rows [][]Tap) *Resampling {
	m := &Resampling{In: in, Out: len(rows), Rows: rows, adjoint: make([][]Tap, in)}
	for t, taps := range rows {
		for _, tap := range taps {
			m.adjoint[tap.Row] = append(m.adjoint[tap.Row], Tap{t, tap.Weight})
		}
	}
	return m
}

// A Tap is a row and its weight.
type Tap struct {
	Row    int
	Weight float32
}

// Resample applies m to each sequence of x.
func (r *Run) Resample(m *Resampling, x tensor.Tensor) tensor.Tensor {
	y := r.sumTaps(m.Rows, x)
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) { r.accumulateGrad(x, r.sumTaps(m.adjoint, dy)) })
	}
	return y
}

// sumTaps returns sequences of rows that are sums of rows of x, in the order of their taps.
func (r *Run) sumTaps(rows [][]Tap, x tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, len(rows), x.C)
	width := tensor.RoundUp(x.C)
	r.pool.Split(y.B*y.T, max(1, grainValues/(8*width)), func(from, to int) {
		for i := from; i < to; i++ {
			b, t := i/y.T, i%y.T
			dst := y.Rows(b, t, t+1)[:width]
			if len(rows[t]) == 0 {
				clear(dst)
			}
			for j, tap := range rows[t] {
				src := x.Rows(b, tap.Row, tap.Row+1)[:width]
				if j == 0 {
					kernel.Scale(dst, src, tap.Weight)
				} else {
					kernel.AddScaled(dst, src, tap.Weight)
				}
			}
		}
	})
	return y
}
