package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// ConvConfig describes a convolution over time. Zero values of Stride and
// Dilation mean 1.
type ConvConfig struct {
	In, Out, K       int
	Stride, Dilation int
	Causal           bool
	ZeroPad          bool // PyTorch's Conv1d instead of SConv1d
	Pad              int  // with ZeroPad, rows on each side; 0 for (K-1)/2·Dilation
	NoWeightNorm     bool // weight and bias, without weight norm
	Float32          bool // products are of float32 whatever the precision
	// Frame is the number of rows that a frame of the codec has here, or 0: what a
	// convolution may group outputs by without delaying a stream of frames.
	Frame int
}

// A Conv is a convolution over time. Its parameters are weight_g [out, 1, 1]
// and weight_v [out, in, k], or weight [out, in, k], and bias [out].
type Conv struct {
	shape  op.ConvShape
	filter op.Filter
	slot   op.Slot
	params affine
}

// InitWeight changes how the weight of a plain convolution starts.
func (l *Conv) InitWeight(init Init) *Conv {
	l.params.v.Init = init
	return l
}

// InitBias changes how the bias starts.
func (l *Conv) InitBias(init Init) *Conv {
	l.params.bias.Init = init
	return l
}

// InitCopy starts the weight of a plain convolution as a copy of other's.
func (l *Conv) InitCopy(other *Conv) *Conv {
	return l.InitWeight(func(_ *Param, seed uint64) []float32 { return other.params.v.initial(seed) })
}

// NewConv declares a convolution whose parameters have b's prefix.
func NewConv(b *Builder, c ConvConfig) *Conv {
	return newConv(b, c, newAffine(b, c.NoWeightNorm, c.Out, c.Out, c.In, c.K))
}

// NewLinear declares PyTorch's Linear, weight [out, in] and bias [out]: a plain
// convolution of one tap.
func NewLinear(b *Builder, in, out int) *Conv {
	return newConv(b, ConvConfig{In: in, Out: out, K: 1}, newAffine(b, true, out, out, in))
}

// newNormLinear declares a Linear with weight norm, whose products are of float32:
// weight_g [out, 1], weight_v [out, in] and bias [out].
func newNormLinear(b *Builder, in, out int) *Conv {
	return newConv(b, ConvConfig{In: in, Out: out, K: 1, Float32: true}, newAffine(b, false, out, out, in))
}

func newConv(b *Builder, c ConvConfig, a affine) *Conv {
	l := &Conv{
		shape: op.ConvShape{K: c.K, Stride: max(c.Stride, 1), Dilation: max(c.Dilation, 1), Causal: c.Causal, Zero: c.ZeroPad, Pad: c.Pad},
		slot:  op.NewSlot(), params: a,
	}
	b.onLoad(func(load *Loader) error {
		v, scale, bias, err := a.values(load)
		if err != nil {
			return err
		}
		l.filter.Bias = padded(bias)
		if load.training {
			l.filter.Trainable = &trainableConv{affine: a, net: b.net, scale: scale, out: c.Out, in: c.In, k: c.K}
			return nil
		}
		source := convPanels(v, scale, c.Out, c.In, c.K)
		if tc := toomCookFor(load, c); tc != nil {
			packToomCook(tc, load.region, c.Out, c.In, source)
			l.filter.ToomCook = tc
		} else if c.Float32 {
			l.filter.Panels = packFloat32(load.region, c.Out, c.In, c.K, source)
		} else {
			load.fill(&l.filter, c.Out, c.In, c.K, source)
		}
		load.release(a.v)
		return nil
	})
	return l
}

// NewSConv declares upstream's SConv1d, which nests its convolution twice:
// keys conv.conv.* (dac/model/encodec.py).
func NewSConv(b *Builder, c ConvConfig) *Conv { return NewConv(b.In("conv").In("conv"), c) }

// Forward returns the convolution of act(x), act being nil for none.
func (l *Conv) Forward(r *op.Run, act op.Activation, x tensor.Tensor) tensor.Tensor {
	l.params.use(r, act)
	y := r.Conv(l.slot, l.filter, l.shape, act, x, nil)
	r.Free(x)
	return y
}

// ForwardAdd returns init plus the convolution of act(x); init, which it takes
// too, has the result's rows or a single one for all.
func (l *Conv) ForwardAdd(r *op.Run, act op.Activation, x, init tensor.Tensor) tensor.Tensor {
	l.params.use(r, act)
	y := r.Conv(l.slot, l.filter, l.shape, act, x, &init)
	r.Free(x, init)
	return y
}

// affine is a weight and a bias. With weight norm the weight is g·v/‖v‖, the norm
// over all axes but the first; a plain one is v itself.
type affine struct {
	plain bool
	v, g  *Param
	bias  *Param
	rows  int // length of the first axis
}

// newAffine declares weight_g, weight_v, or weight, of the given shape, and a
// bias of out values, which start as in PyTorch.
func newAffine(b *Builder, plain bool, out int, shape ...int) affine {
	a := affine{plain: plain, rows: shape[0]}
	init := KaimingUniform(shape)
	if plain {
		a.v = b.param("weight", init, shape...)
	} else {
		ones := make([]int, len(shape))
		for i := range ones {
			ones[i] = 1
		}
		ones[0] = shape[0]
		a.g, a.v = b.param("weight_g", nil, ones...), b.param("weight_v", init, shape...)
		a.g.Init = initNorms(a.v)
	}
	a.bias = b.param("bias", init, out)
	return a
}

// use says that operations that follow may add to the gradients of the parameters and of
// those of act, which is nil for none.
func (a *affine) use(r *op.Run, act op.Activation) {
	if !r.Recording() {
		return
	}
	a.v.use(r)
	if a.g != nil {
		a.g.use(r)
	}
	a.bias.use(r)
	if snake, ok := act.(*Snake); ok {
		snake.alpha.use(r)
	}
}

// values returns v, the factor of each of its rows, nil for 1, and the bias.
func (a affine) values(l *Loader) (v, scale, bias []float32, err error) {
	if v, err = l.Values(a.v); err != nil {
		return nil, nil, nil, err
	}
	if !a.plain {
		g, err := l.Values(a.g)
		if err != nil {
			return nil, nil, nil, err
		}
		scale = normScale(g, v, a.rows)
	}
	bias, err = l.Values(a.bias)
	return v, scale, bias, err
}

// A ConvTranspose is a transposed convolution with a kernel of twice its stride,
// cut to stride rows for each row of its input: weight_g [in, 1, 1], weight_v
// [in, out, 2·stride], bias [out]. Where it is not causal, this is PyTorch's
// ConvTranspose1d with a padding of ceil(stride/2) and an output padding of stride
// modulo 2.
type ConvTranspose struct {
	filter op.TransposedFilter
	slot   op.Slot
	params affine
}

// NewSConvTranspose declares upstream's SConvTranspose1d, which nests its
// convolution twice: keys convtr.convtr.* (dac/model/encodec.py).
func NewSConvTranspose(b *Builder, in, out, stride int, causal bool) *ConvTranspose {
	return NewConvTranspose(b.In("convtr").In("convtr"), in, out, stride, causal)
}

// NewConvTranspose declares a transposed convolution whose parameters stand right
// under b's prefix.
func NewConvTranspose(b *Builder, in, out, stride int, causal bool) *ConvTranspose {
	a := newAffine(b, false, out, in, out, 2*stride)
	l := &ConvTranspose{slot: op.NewSlot(), params: a}
	b.onLoad(func(load *Loader) error {
		v, scale, bias, err := a.values(load)
		if err != nil {
			return err
		}
		l.filter = op.TransposedFilter{Bias: padded(bias), Causal: causal, Channels: out, Stride: stride}
		if load.training {
			l.filter.Trainable = &trainableConv{affine: a, net: b.net, scale: scale, out: in, in: out, k: 2 * stride}
			return nil
		}
		load.fillPhases(&l.filter, out, in, stride, phasePanels(v, scale, in, out, stride))
		load.release(a.v)
		return nil
	})
	return l
}

// Forward returns the transposed convolution of act(x).
func (l *ConvTranspose) Forward(r *op.Run, act op.Activation, x tensor.Tensor) tensor.Tensor {
	l.params.use(r, act)
	y := r.ConvTranspose(l.slot, l.filter, act, x)
	r.Free(x)
	return y
}
