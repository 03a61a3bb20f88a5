package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An Activation computes one row of channels: dst[i] = f(x[i]). It may be
// applied to the padding behind the channels too.
type Activation interface {
	Apply(dst, x []float32)
}

// Snake is x + sin²(αx)/(α + 1e-9) with an α for each channel; both slices are
// a multiple of tensor.Lane long.
type Snake struct{ Alpha, Inv []float32 }

// Apply computes one row.
func (s Snake) Apply(dst, x []float32) { kernel.Snake(dst, x, s.Alpha, s.Inv) }

type tanh struct{}

func (tanh) Apply(dst, x []float32) { kernel.Tanh(dst, x) }

type mish struct{}

func (mish) Apply(dst, x []float32) { kernel.Mish(dst, x) }

// Activations without parameters.
var (
	Tanh Activation = tanh{}
	Mish Activation = mish{}
)

// Activate returns act(x).
func (r *Run) Activate(act Activation, x tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	for b := range x.B {
		r.activate(act, y, b, 0, x, b)
	}
	return y
}

// grainValues is the number of values worth handing to another thread.
const grainValues = 1 << 14

// activate writes act of the rows of x's sequence xb into y's sequence b from
// row at on.
func (r *Run) activate(act Activation, y tensor.Tensor, b, at int, x tensor.Tensor, xb int) {
	if x.T == 0 {
		return
	}
	r.pool.Split(x.T, grainValues/x.Stride, func(from, to int) {
		if act == nil {
			copy(y.Rows(b, at+from, at+to), x.Rows(xb, from, to))
			return
		}
		width := tensor.RoundUp(x.C)
		for t := from; t < to; t++ {
			act.Apply(y.Rows(b, at+t, at+t+1)[:width], x.Rows(xb, t, t+1)[:width])
		}
	})
}
