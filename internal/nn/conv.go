package nn

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// ConvConfig describes a convolution over time. Zero values of Stride and
// Dilation stand for 1.
type ConvConfig struct {
	In, Out, K       int
	Stride, Dilation int
	Causal           bool
	ZeroPad          bool // PyTorch's Conv1d instead of SConv1d
	Plain            bool // weight and bias, without weight norm
}

// A Conv is a convolution over time. Its parameters are weight_g [out, 1, 1]
// and weight_v [out, in, k], or weight [out, in, k], and bias [out].
type Conv struct {
	shape  op.ConvShape
	filter op.Filter
	slot   op.Slot
}

// NewConv declares a convolution whose parameters stand right under b's prefix.
func NewConv(b *Builder, c ConvConfig) *Conv {
	l := &Conv{
		shape: op.ConvShape{K: c.K, Stride: max(c.Stride, 1), Dilation: max(c.Dilation, 1), Causal: c.Causal, Zero: c.ZeroPad},
		slot:  op.NewSlot(),
	}
	w := newWeight(b, c.Plain, c.Out, c.Out, c.In, c.K)
	bias := b.param("bias", c.Out)
	b.onLoad(func(load *Loader) error {
		v, scale, err := w.values(load)
		if err != nil {
			return err
		}
		biases, err := load.Values(bias)
		if err != nil {
			return err
		}
		l.filter = op.Filter{Panels: packConv(load.region, v, scale, c.Out, c.In, c.K), Bias: padded(biases)}
		w.release(load)
		return nil
	})
	return l
}

// NewSConv declares the originals' SConv1d, which nests its convolution twice:
// keys conv.conv.* (dac/model/encodec.py).
func NewSConv(b *Builder, c ConvConfig) *Conv { return NewConv(b.In("conv").In("conv"), c) }

// Forward returns the convolution of act(x), act being nil for none.
func (l *Conv) Forward(r *op.Run, act op.Activation, x tensor.Tensor) tensor.Tensor {
	y := r.Conv(l.slot, l.filter, l.shape, act, x, nil)
	r.Free(x)
	return y
}

// ForwardAdd returns init plus the convolution of act(x); init, which it takes
// too, has the result's rows or a single one for all.
func (l *Conv) ForwardAdd(r *op.Run, act op.Activation, x, init tensor.Tensor) tensor.Tensor {
	y := r.Conv(l.slot, l.filter, l.shape, act, x, &init)
	r.Free(x, init)
	return y
}

// weight is an array with or without weight norm: w = g·v/‖v‖, the norm over
// all axes but the first.
type weight struct {
	plain bool
	v, g  Param
	rows  int
}

func newWeight(b *Builder, plain bool, rows int, shape ...int) weight {
	if plain {
		return weight{plain: true, v: b.param("weight", shape...), rows: rows}
	}
	ones := make([]int, len(shape))
	for i := range ones {
		ones[i] = 1
	}
	ones[0] = rows
	return weight{g: b.param("weight_g", ones...), v: b.param("weight_v", shape...), rows: rows}
}

// values returns the array and the factor of each of its rows, nil for 1.
func (w weight) values(l *Loader) (v, scale []float32, err error) {
	if v, err = l.Values(w.v); err != nil || w.plain {
		return v, nil, err
	}
	g, err := l.Values(w.g)
	if err != nil {
		return nil, nil, err
	}
	return v, normScale(g, v, w.rows), nil
}

func (w weight) release(l *Loader) { l.release(w.v) }

// A ConvTranspose is the originals' SConvTranspose1d with a kernel of twice its
// stride: keys convtr.convtr.weight_g [in, 1, 1], weight_v [in, out, 2·stride],
// bias [out].
type ConvTranspose struct {
	filter op.TransposedFilter
	slot   op.Slot
}

// NewConvTranspose declares a transposed convolution.
func NewConvTranspose(b *Builder, in, out, stride int, causal bool) *ConvTranspose {
	l := &ConvTranspose{slot: op.NewSlot()}
	b = b.In("convtr").In("convtr")
	k := 2 * stride
	w := newWeight(b, false, in, in, out, k)
	bias := b.param("bias", out)
	b.onLoad(func(load *Loader) error {
		v, scale, err := w.values(load)
		if err != nil {
			return err
		}
		biases, err := load.Values(bias)
		if err != nil {
			return err
		}
		l.filter = op.TransposedFilter{Bias: padded(biases), Causal: causal}
		for phase := range stride {
			l.filter.Phases = append(l.filter.Phases, packPhase(load.region, v, scale, in, out, stride, phase))
		}
		w.release(load)
		return nil
	})
	return l
}

// packPhase packs one phase of a transposed convolution v [in, out, 2·stride],
// its input channels scaled, as two taps: the row before, then the row itself.
func packPhase(region *tensor.Region, v, scale []float32, in, out, stride, phase int) *kernel.Panels {
	p := kernel.NewPanels(region.Alloc(kernel.PanelsLen(2, in, out)), 2, in, out)
	k := 2 * stride
	for o0 := 0; o0 < out; o0 += kernel.Width {
		for i := range in {
			before := p.Data[p.Index(0, i, o0):]
			itself := p.Data[p.Index(1, i, o0):]
			for o := o0; o < min(out, o0+kernel.Width); o++ {
				taps := v[(i*out+o)*k:][:k]
				before[o-o0] = taps[stride+phase] * scale[i]
				itself[o-o0] = taps[phase] * scale[i]
			}
		}
	}
	return p
}

// Forward returns the transposed convolution of act(x).
func (l *ConvTranspose) Forward(r *op.Run, act op.Activation, x tensor.Tensor) tensor.Tensor {
	y := r.ConvTranspose(l.slot, l.filter, act, x)
	r.Free(x)
	return y
}

// NewLinear declares PyTorch's Linear, weight [out, in] and bias [out]: a plain
// convolution of one tap.
func NewLinear(b *Builder, in, out int) *Conv {
	l := &Conv{shape: op.ConvShape{K: 1, Stride: 1, Dilation: 1}, slot: op.NewSlot()}
	w, bias := b.param("weight", out, in), b.param("bias", out)
	b.onLoad(func(load *Loader) error {
		v, err := load.Values(w)
		if err != nil {
			return err
		}
		biases, err := load.Values(bias)
		if err != nil {
			return err
		}
		l.filter = op.Filter{Panels: packConv(load.region, v, nil, out, in, 1), Bias: padded(biases)}
		return nil
	})
	return l
}
