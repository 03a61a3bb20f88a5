package nn

import (
	"github.com/facodec-go/facodec/internal/op"
)

// A Conv2D is a convolution over the frames and bins of images; keys weight_g [out, 1, 1,
// 1], weight_v [out, in, 3, k] or, of columns, [out, in, k, 1], bias [out].
type Conv2D struct {
	shape  op.Conv2DShape
	filter op.Filter
	params affine
}

// NewConv2D declares a convolution of 3 frames and k bins, of the given stride over
// bins.
func NewConv2D(b *Builder, in, out, k, stride int) *Conv2D {
	return newConv2D(b, in, out, op.Conv2DShape{Frames: 3, Bins: k, Stride: stride}, newAffine(b, false, out, out, in, 3, k))
}

// NewColumnConv declares a convolution of PyTorch's Conv2d with a kernel of (k, 1)
// and zero padding, for images whose frames are sequences of their own.
func NewColumnConv(b *Builder, in, out, k, stride int) *Conv2D {
	return newConv2D(b, in, out, op.Conv2DShape{Frames: 1, Bins: k, Stride: stride}, newAffine(b, false, out, out, in, k, 1))
}

func newConv2D(b *Builder, in, out int, shape op.Conv2DShape, a affine) *Conv2D {
	l, taps := &Conv2D{shape: shape, params: a}, shape.Frames*shape.Bins
	b.onLoad(func(load *Loader) error {
		v, scale, bias, err := a.values(load)
		if err != nil {
			return err
		}
		l.filter.Bias = padded(bias)
		if load.training {
			l.filter.Trainable = &trainableConv{affine: a, net: b.net, scale: scale, out: out, in: in, k: taps}
			return nil
		}
		l.filter.Panels = packFloat32(load.region, out, in, taps, convPanels(v, scale, out, in, taps))
		load.release(a.v)
		return nil
	})
	return l
}

// Forward returns the convolution of x [N, frames, bins, in], which it takes:
// [N, frames, bins', out].
func (l *Conv2D) Forward(r *op.Run, x op.Image) op.Image {
	l.params.use(r, nil)
	y := r.Conv2D(l.filter, l.shape, x)
	r.Free(x.Tensor)
	return y
}
