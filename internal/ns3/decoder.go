package ns3

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// DecoderConfig describes a Decoder.
type DecoderConfig struct {
	Latent int   // channels of the input
	Dim    int   // channels after the first convolution
	Rates  []int // strides of the blocks; each halves the channels
}

// A Decoder turns frames into a waveform in the voice of a timbre; keys
// timbre_linear, model.<i>.* (ns3_codec/facodec.py, FACodecDecoder.inference).
type Decoder struct {
	modulate *nn.Conv // timbre_linear: timbre → gamma, beta
	blocks   layers
	latent   int
}

// NewDecoder declares a decoder under b's prefix.
func NewDecoder(b *nn.Builder, c DecoderConfig) *Decoder {
	l := &Decoder{modulate: nn.NewLinear(b.In("timbre_linear"), c.Latent, 2*c.Latent), latent: c.Latent}
	b = b.In("model")
	l.blocks = layers{newConv(b.In(0), c.Latent, c.Dim, 7, 1)}
	dim := c.Dim
	for i, rate := range c.Rates {
		b := b.In(i + 1).In("block")
		block := layers{newActivation(b.In(0), dim), newUp(b.In(1), dim, dim/2, rate)}
		l.blocks = append(l.blocks, append(block, newResidualUnits(b, 2, dim/2)...))
		dim /= 2
	}
	n := len(l.blocks)
	l.blocks = append(l.blocks, newActivation(b.In(n), dim), newConv(b.In(n+1), dim, 1, 7, 1), tanh{})
	return l
}

// A Modulation is what a timbre makes of the decoder's input: scale and shift of its
// layer norm, [1, 1, 2·latent].
type Modulation tensor.Tensor

// Modulation projects a timbre vector [latent].
func (l *Decoder) Modulation(r *op.Run, timbre []float32) Modulation {
	return Modulation(l.modulate.Forward(r, nil, vector(timbre)))
}

// vector returns values as a tensor [1, 1, len].
func vector(values []float32) tensor.Tensor {
	x := tensor.New(1, 1, len(values))
	copy(x.Data, values)
	return x
}

// Modulate returns LayerNorm(x)·gamma + beta, taking x: [1, T, latent] → the same.
func (l *Decoder) Modulate(r *op.Run, x tensor.Tensor, m Modulation) tensor.Tensor {
	y := r.AdaptiveLayerNorm(x, tensor.Tensor(m))
	r.Free(x)
	return y
}

// Forward decodes modulated frames: [1, T, latent] → [1, T·hop, 1].
func (l *Decoder) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor { return l.blocks.Forward(r, x) }
