package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A LayerNorm normalizes each frame over its c channels, then scales and shifts them
// (torch.nn.LayerNorm); keys weight [c] and bias [c].
type LayerNorm struct {
	affine       op.Affine
	weight, bias *Param
}

// NewLayerNorm declares a layer norm.
func NewLayerNorm(b *Builder, c int) *LayerNorm {
	weight, bias := b.param("weight", Constant(1), c), b.param("bias", Constant(0), c)
	l := &LayerNorm{weight: weight, bias: bias}
	b.onLoad(func(load *Loader) error {
		gamma, err := load.Values(weight)
		if err != nil {
			return err
		}
		beta, err := load.Values(bias)
		if err != nil {
			return err
		}
		l.affine = op.Affine{Gamma: padded(gamma), Beta: padded(beta)}
		if load.training {
			l.affine.OnGrad = func(dgamma, dbeta []float32) {
				if !b.net.Frozen {
					addTo(weight.Grad, dgamma)
					addTo(bias.Grad, dbeta)
				}
			}
		}
		return nil
	})
	return l
}

// addTo adds what dst has values for of x to dst.
func addTo(dst, x []float32) {
	for i := range dst {
		dst[i] += x[i]
	}
}

// Forward normalizes x, which it takes.
func (l *LayerNorm) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	l.weight.use(r)
	l.bias.use(r)
	y := r.LayerNorm(x, l.affine)
	r.Free(x)
	return y
}
