package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Depthwise is a convolution over time of each channel on its own, padded with
// zeros; keys weight [c, 1, k] and bias [c].
type Depthwise struct {
	shape  op.ConvShape
	filter op.DepthwiseFilter
	slot   op.Slot

	weight, bias *Param
}

// NewDepthwise declares a depthwise convolution of k taps.
func NewDepthwise(b *Builder, c, k int, causal bool) *Depthwise {
	l := &Depthwise{shape: op.ConvShape{K: k, Stride: 1, Dilation: 1, Causal: causal, Zero: true}, slot: op.NewSlot()}
	init := KaimingUniform([]int{c, 1, k})
	weight, bias := b.param("weight", init, c, 1, k), b.param("bias", init, c)
	l.weight, l.bias = weight, bias
	b.onLoad(func(load *Loader) error {
		v, err := load.Values(weight)
		if err != nil {
			return err
		}
		offset, err := load.Values(bias)
		if err != nil {
			return err
		}
		width := tensor.RoundUp(c)
		l.filter = op.DepthwiseFilter{Weights: make([]float32, k*width), Bias: padded(offset)}
		for i := range c {
			for tap := range k {
				l.filter.Weights[tap*width+i] = v[i*k+tap]
			}
		}
		if load.training {
			l.filter.OnGrad = func(dw, db []float32) {
				if b.net.Frozen {
					return
				}
				addTo(bias.Grad, db)
				for i := range c {
					for tap := range k {
						weight.Grad[i*k+tap] += dw[tap*width+i]
					}
				}
			}
		}
		return nil
	})
	return l
}

// Forward returns the convolution of x, which it takes.
func (l *Depthwise) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	l.weight.use(r)
	l.bias.use(r)
	y := r.Depthwise(l.slot, l.filter, l.shape, x)
	r.Free(x)
	return y
}
