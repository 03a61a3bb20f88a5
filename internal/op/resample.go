package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Resampling computes each row of its result from a few rows of its input.
type Resampling struct {
	In, Out int
	Rows    [][]Tap // of each row of the result
}

// A Tap is a row and its weight.
type Tap struct {
	Row    int
	Weight float32
}

// Resample applies m to each sequence of x.
func (r *Run) Resample(m *Resampling, x tensor.Tensor) tensor.Tensor {
	y := r.Zeros(x.B, m.Out, x.C)
	width := tensor.RoundUp(x.C)
	// The gradient has several terms for a row of x, so threads share the channels.
	each := func(f func(b, from, to int)) {
		for b := range x.B {
			r.pool.Split(width/tensor.Lane, max(1, grainValues/(16*x.T)), func(from, to int) {
				f(b, from*tensor.Lane, to*tensor.Lane)
			})
		}
	}
	each(func(b, from, to int) {
		for t, terms := range m.Rows {
			for _, term := range terms {
				kernel.AddScaled(y.Rows(b, t, t+1)[from:to], x.Rows(b, term.Row, term.Row+1)[from:to], term.Weight)
			}
		}
	})
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.Zeros(x.B, x.T, x.C)
			each(func(b, from, to int) {
				for t, terms := range m.Rows {
					for _, term := range terms {
						kernel.AddScaled(dx.Rows(b, term.Row, term.Row+1)[from:to], dy.Rows(b, t, t+1)[from:to], term.Weight)
					}
				}
			})
			r.accumulateGrad(x, dx)
		})
	}
	return y
}
