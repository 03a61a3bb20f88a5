package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// NewColumnConv declares a convolution of PyTorch's Conv2d with a kernel of (k, 1)
// and zero padding, for an input whose columns are sequences of their own; keys
// weight_g [out, 1, 1, 1], weight_v [out, in, k, 1], bias [out].
func NewColumnConv(b *Builder, in, out, k, stride int) *Conv {
	return newConv(b, ConvConfig{In: in, Out: out, K: k, Stride: stride, ZeroPad: true}, newAffine(b, false, out, out, in, k, 1))
}

// A Conv2D is a convolution over the frames and bins of spectrograms; keys
// weight_g [out, 1, 1, 1], weight_v [out, in, 3, k], bias [out].
type Conv2D struct {
	shape  op.Conv2DShape
	filter op.Filter
}

// NewConv2D declares a convolution of 3 frames and k bins, of the given stride over
// bins.
func NewConv2D(b *Builder, in, out, k, stride int) *Conv2D {
	const frames = 3
	l := &Conv2D{shape: op.Conv2DShape{Bins: k, Stride: stride}}
	a := newAffine(b, false, out, out, in, frames, k)
	b.onLoad(func(load *Loader) error {
		v, scale, bias, err := a.values(load)
		if err != nil {
			return err
		}
		l.filter.Bias = padded(bias)
		if load.training {
			l.filter.Trainable = &trainableConv{affine: a, net: b.net, scale: scale, out: out, in: in, k: frames * k}
			return nil
		}
		l.filter.Panels = packConv(load.region, v, scale, out, in, frames*k)
		load.release(a.v)
		return nil
	})
	return l
}

// Forward returns the convolution of x [B·frames, bins, in], which it takes:
// [B·frames, bins', out].
func (l *Conv2D) Forward(r *op.Run, x tensor.Tensor, frames int) tensor.Tensor {
	y := r.Conv2D(l.filter, l.shape, x, frames)
	r.Free(x)
	return y
}
