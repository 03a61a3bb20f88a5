package nn

import (
	"math"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A ConvNeXtBlock is x + gamma·Linear(GELU(Linear(LayerNorm(depthwise(x))))), as in
// Vocos (arXiv 2306.00814; Liu et al., A ConvNet for the 2020s, arXiv 2201.03545);
// keys dwconv.*, norm.*, pwconv1.* [hidden, c], pwconv2.* [c, hidden], gamma [c]. In a block
// that depends on a vector, scale and shift of the norm are a Linear of it, norm.style.*
// [2·c, condition] (as in StyleSpeech, arXiv 2106.03153).
type ConvNeXtBlock struct {
	depthwise      *Depthwise
	norm           *LayerNorm // nil if style is not
	style          *Conv
	expand, reduce *Conv
	scale          op.Affine
	gamma          *Param
	skip           op.Slot
}

// layerScale is what a block's gamma starts with.
const layerScale = 0.2

// convNeXtTaps is the length of a block's convolution, in frames.
const convNeXtTaps = 7

// A ConvNeXtConfig describes a ConvNeXt.
type ConvNeXtConfig struct {
	Dim, Hidden int // channels, and those inside of a block
	Blocks      int
	Condition   int // the length of the vector that the blocks depend on; 0 for none
	Causal      bool
}

// newConvNeXtBlock declares a block.
func newConvNeXtBlock(b *Builder, c ConvNeXtConfig) *ConvNeXtBlock {
	l := &ConvNeXtBlock{
		depthwise: NewDepthwise(b.In("dwconv"), c.Dim, convNeXtTaps, c.Causal),
		expand:    NewLinear(b.In("pwconv1"), c.Dim, c.Hidden),
		reduce:    NewLinear(b.In("pwconv2"), c.Hidden, c.Dim),
		skip:      op.NewSlot(),
	}
	if c.Condition > 0 { // all vectors begin alike
		l.style = NewLinear(b.In("norm").In("style"), c.Condition, 2*c.Dim).InitWeight(Constant(0)).InitBias(OnesThenZeros)
	} else {
		l.norm = NewLayerNorm(b.In("norm"), c.Dim)
	}
	gamma := b.param("gamma", Constant(layerScale), c.Dim)
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

// forward runs the block over x, which it takes: [B, T, c] → [B, T, c]. The modulation is
// that of a block that depends on a vector.
func (l *ConvNeXtBlock) forward(r *op.Run, x, modulation tensor.Tensor) tensor.Tensor {
	h := l.depthwise.Forward(r, r.Borrow(x))
	if l.style != nil {
		y := r.AdaptiveLayerNorm(h, modulation)
		r.Free(h)
		h = y
	} else {
		h = l.norm.Forward(r, h)
	}
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
	unit        tensor.Tensor // the modulation that leaves vectors with mean 0 and length 1
}

// NewConvNeXt declares a stack of blocks.
func NewConvNeXt(b *Builder, c ConvNeXtConfig) *ConvNeXt {
	l := &ConvNeXt{first: NewLayerNorm(b.In("norm"), c.Dim), last: NewLayerNorm(b.In("final_layer_norm"), c.Dim)}
	if c.Condition > 0 {
		l.unit = tensor.New(1, 1, 2*c.Condition)
		for i := range c.Condition {
			l.unit.Data[i] = float32(1 / math.Sqrt(float64(c.Condition)))
		}
	}
	for i := range c.Blocks {
		l.blocks = append(l.blocks, newConvNeXtBlock(b.In("convnext").In(i), c))
	}
	return l
}

// Modulations projects vectors [B, 1, condition] that the blocks depend on, once for all
// frames: scale and shift of each block's norm, [B, 1, 2·c]; nil for blocks that depend on
// none. Before that their mean is subtracted and their length made 1: an optimizer, whose
// steps do not depend on the scale of gradients, would move the projections of long vectors
// too far at once.
func (l *ConvNeXt) Modulations(r *op.Run, vectors tensor.Tensor) (modulations []tensor.Tensor) {
	if l.unit.Data == nil {
		return nil
	}
	vectors = r.AdaptiveLayerNorm(vectors, l.unit)
	for _, b := range l.blocks {
		modulations = append(modulations, b.style.Forward(r, nil, r.Borrow(vectors)))
	}
	r.Free(vectors)
	return modulations
}

// Forward runs the stack over x, which it takes: [B, T, c] → [B, T, c]. The modulations are
// those of Modulations.
func (l *ConvNeXt) Forward(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) tensor.Tensor {
	x = l.first.Forward(r, x)
	for i, b := range l.blocks {
		var modulation tensor.Tensor
		if modulations != nil {
			modulation = modulations[i]
		}
		x = b.forward(r, x, modulation)
	}
	return l.last.Forward(r, x)
}
