package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A ConvNeXtBlock is x + gamma·Linear(GELU(Linear(LayerNorm(depthwise(x))))), as in
// Vocos (arXiv 2306.00814; Liu et al., A ConvNet for the 2020s, arXiv 2201.03545);
// keys dwconv.*, norm.*, pwconv1.* [hidden, c], pwconv2.* [c, hidden], gamma [c].
type ConvNeXtBlock struct {
	depthwise      *Depthwise
	norm           *LayerNorm
	expand, reduce *Conv
	scale          op.Affine
	gamma          *Param
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
	l.gamma = gamma
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
	l.gamma.use(r)
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
