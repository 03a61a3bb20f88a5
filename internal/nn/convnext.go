package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A LayerNorm is PyTorch's, over c channels; keys weight [c] and bias [c].
type LayerNorm struct{ affine op.Affine }

// NewLayerNorm declares a layer norm.
func NewLayerNorm(b *Builder, c int) *LayerNorm {
	l := &LayerNorm{}
	weight, bias := b.param("weight", Constant(1), c), b.param("bias", Constant(0), c)
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
	y := r.LayerNorm(x, l.affine)
	r.Free(x)
	return y
}

// A Depthwise is a convolution over time of each channel on its own, padded with
// zeros; keys weight [c, 1, k] and bias [c].
type Depthwise struct {
	shape  op.ConvShape
	filter op.DepthwiseFilter
	slot   op.Slot
}

// NewDepthwise declares a depthwise convolution of k taps.
func NewDepthwise(b *Builder, c, k int, causal bool) *Depthwise {
	l := &Depthwise{shape: op.ConvShape{K: k, Stride: 1, Dilation: 1, Causal: causal, Zero: true}, slot: op.NewSlot()}
	init := KaimingUniform([]int{c, 1, k})
	weight, bias := b.param("weight", init, c, 1, k), b.param("bias", init, c)
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
	y := r.Depthwise(l.slot, l.filter, l.shape, x)
	r.Free(x)
	return y
}

// A ConvNeXtBlock is x + gamma·Linear(GELU(Linear(LayerNorm(depthwise(x))))), as in
// Vocos (arXiv 2306.00814; Liu et al., A ConvNet for the 2020s, arXiv 2201.03545);
// keys dwconv.*, norm.*, pwconv1.* [hidden, c], pwconv2.* [c, hidden], gamma [c].
type ConvNeXtBlock struct {
	depthwise      *Depthwise
	norm           *LayerNorm
	expand, reduce *Conv
	scale          op.Affine
	skip           op.Slot
}

// layerScale is what a block's gamma starts with.
const layerScale = 0.2

// convNeXtTaps is the length of a block's convolution, in frames.
const convNeXtTaps = 7

// NewConvNeXtBlock declares a block over c channels with hidden ones inside.
func NewConvNeXtBlock(b *Builder, c, hidden int, causal bool) *ConvNeXtBlock {
	l := &ConvNeXtBlock{
		depthwise: NewDepthwise(b.In("dwconv"), c, convNeXtTaps, causal),
		norm:      NewLayerNorm(b.In("norm"), c),
		expand:    NewLinear(b.In("pwconv1"), c, hidden),
		reduce:    NewLinear(b.In("pwconv2"), hidden, c),
		skip:      op.NewSlot(),
	}
	gamma := b.param("gamma", Constant(layerScale), c)
	b.onLoad(func(load *Loader) error {
		v, err := load.Values(gamma)
		if err != nil {
			return err
		}
		l.scale = op.Affine{Gamma: padded(v)}
		if load.training {
			l.scale.OnGrad = func(dgamma, _ []float32) {
				if !b.net.Frozen {
					addTo(gamma.Grad, dgamma)
				}
			}
		}
		return nil
	})
	return l
}

// Forward runs the block over x, which it takes: [B, T, c] → [B, T, c].
func (l *ConvNeXtBlock) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	h := l.depthwise.Forward(r, r.Borrow(x))
	h = l.norm.Forward(r, h)
	h = l.expand.Forward(r, nil, h) // [B, T, hidden]
	h = l.reduce.Forward(r, op.GELU, h)
	x = r.Align(l.skip, x, h.T)
	y := r.AddScaledChannels(x, h, l.scale)
	r.Free(x, h)
	return y
}

// A ConvNeXt is a stack of blocks between two layer norms; keys norm.*,
// convnext.<i>.*, final_layer_norm.*.
type ConvNeXt struct {
	first, last *LayerNorm
	blocks      []*ConvNeXtBlock
}

// NewConvNeXt declares a stack of n blocks.
func NewConvNeXt(b *Builder, c, hidden, n int, causal bool) *ConvNeXt {
	l := &ConvNeXt{first: NewLayerNorm(b.In("norm"), c), last: NewLayerNorm(b.In("final_layer_norm"), c)}
	for i := range n {
		l.blocks = append(l.blocks, NewConvNeXtBlock(b.In("convnext").In(i), c, hidden, causal))
	}
	return l
}

// Forward runs the stack over x, which it takes: [B, T, c] → [B, T, c].
func (l *ConvNeXt) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	x = l.first.Forward(r, x)
	for _, b := range l.blocks {
		x = b.Forward(r, x)
	}
	return l.last.Forward(r, x)
}
