package nn

import (
	"errors"
	"fmt"
	"math"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// The layers of this file and BiLSTM belong to pretrained networks that label
// recordings: they are for inference only.
var errInferenceOnly = errors.New("nn: a layer for inference only was loaded for training")

// An ImageConv is PyTorch's Conv2d without a bias over images, with a kernel of
// 1x1, or of 3x3 and a padding of 1; key weight [out, in, k, k].
type ImageConv struct {
	filter op.Filter
	k      int
}

// NewImageConv declares a convolution whose kernel is k, 1 or 3, on a side.
func NewImageConv(b *Builder, in, out, k int) *ImageConv {
	l := &ImageConv{k: k}
	w := b.param("weight", nil, out, in, k, k)
	b.onLoad(func(load *Loader) error {
		if load.training {
			return errInferenceOnly
		}
		v, err := load.Values(w)
		if err != nil {
			return err
		}
		l.filter.Panels = packFloat32(load.region, out, in, k*k, convPanels(v, nil, out, in, k*k))
		load.release(w)
		return nil
	})
	return l
}

// Forward returns the convolution of x: [frames, bins, in] → [frames, bins, out].
func (l *ImageConv) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	var y tensor.Tensor
	if l.k == 1 {
		// A kernel of one bin remembers nothing, so it needs no slot.
		y = r.Conv(nil, l.filter, op.ConvShape{K: 1, Stride: 1, Dilation: 1}, nil, x, nil)
	} else {
		image := r.Image(x, x.B, 1)
		z := r.Conv2D(l.filter, op.Conv2DShape{Frames: l.k, Bins: l.k, Stride: 1}, image)
		y = r.Crop(z)
		r.Free(image.Tensor, z.Tensor)
	}
	r.Free(x)
	return y
}

// batchNormEpsilon is PyTorch's default for BatchNorm2d.
const batchNormEpsilon = 1e-5

// A BatchNorm is PyTorch's BatchNorm2d in evaluation mode, followed by a leaky ReLU,
// over images; keys weight, bias, running_mean, running_var [dim], and
// num_batches_tracked, which nothing reads.
type BatchNorm struct{ norm op.ChannelNorm }

// NewBatchNorm declares a normalization of dim channels; slope is that of the
// leaky ReLU below zero.
func NewBatchNorm(b *Builder, dim int, slope float32) *BatchNorm {
	l := &BatchNorm{op.ChannelNorm{Slope: slope}}
	params := [4]*Param{b.param("weight", nil, dim), b.param("bias", nil, dim), b.param("running_mean", nil, dim), b.param("running_var", nil, dim)}
	b.Buffer("num_batches_tracked")
	b.onLoad(func(load *Loader) error {
		if load.training {
			return errInferenceOnly
		}
		var v [4][]float32
		for i, p := range params {
			var err error
			if v[i], err = load.Values(p); err != nil {
				return err
			}
		}
		weight, bias, mean, variance := v[0], v[1], v[2], v[3]
		l.norm.Scale, l.norm.Shift = make([]float32, dim), make([]float32, dim)
		for c := range dim {
			if !(variance[c] >= 0) {
				return fmt.Errorf("%s[%d] is %v: not a variance", params[3].Name, c, variance[c])
			}
			scale := float64(weight[c]) / math.Sqrt(float64(variance[c])+batchNormEpsilon)
			l.norm.Scale[c] = float32(scale)
			l.norm.Shift[c] = float32(float64(bias[c]) - float64(float64(mean[c])*scale))
		}
		return nil
	})
	return l
}

// Forward normalizes x and keeps the largest of every pool bins: [frames, bins,
// dim] → [frames, bins/pool, dim].
func (l *BatchNorm) Forward(r *op.Run, x tensor.Tensor, pool int) tensor.Tensor {
	y := op.NormPool(r, l.norm, x, pool)
	r.Free(x)
	return y
}
