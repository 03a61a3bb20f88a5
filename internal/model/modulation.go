package model

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Modulation is what a timbre makes of the decoder: gamma and beta of its input's norm,
// which are linear in the timbre (timbre_linear), [B, 1, 2·latent], and the same for the norms
// of its blocks where these depend on the timbre, too.
type Modulation struct {
	input  tensor.Tensor
	blocks []tensor.Tensor
}

// Modulation projects a timbre vector [latent].
func (c *Codec) Modulation(r *op.Run, timbre []float32) Modulation {
	x := tensor.New(1, 1, len(timbre))
	copy(x.Data, timbre)
	return c.Modulations(r, x)
}

// Modulations projects timbre vectors [B, 1, latent], which it takes.
func (c *Codec) Modulations(r *op.Run, timbres tensor.Tensor) Modulation {
	blocks := c.Decoder.Modulations(r, timbres)
	return Modulation{c.Quantizer.modulate.Forward(r, nil, timbres), blocks}
}

// Free gives back the memory of a modulation.
func (m Modulation) Free(r *op.Run) {
	r.Free(m.input)
	r.Free(m.blocks...)
}

// apply returns the decoder's input for quantized frames x, which it takes:
// LayerNorm(x)·gamma + beta. [B, T, latent] → the same.
func (m Modulation) apply(r *op.Run, x tensor.Tensor) tensor.Tensor {
	return replace(r, x, r.AdaptiveLayerNorm(x, m.input))
}

// Decode returns the waveform of quantized frames z, which it takes, in a voice:
// [B, T, latent] → [B, T·hop, 1].
func (c *Codec) Decode(r *op.Run, z tensor.Tensor, m Modulation) tensor.Tensor {
	return c.Decoder.Forward(r, m.apply(r, z), m.blocks)
}
