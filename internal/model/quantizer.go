package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// QuantizerConfig describes a Quantizer.
type QuantizerConfig struct {
	Latent                    int
	Books                     [NumParts]int
	CodebookSize, CodebookDim int
	Mels                      int // of the log-mel that the timbre encoder sees
	ProsodyMels               int // of which the prosody branch sees the lowest
	ProsodyHidden             int
	ProsodyLayers             int
	TimbreHidden              int
	Causal                    bool
}

// A Quantizer splits latent frames into prosody, content and residual codes and
// decodes them with a timbre; keys as in upstream's
// modules/quantize.py, FAquantizer.
type Quantizer struct {
	melIn    *nn.Conv                 // melspec_linear
	melStack *nn.WN                   // melspec_encoder
	melOut   *nn.Conv                 // melspec_linear2
	parts    [NumParts]*nn.ResidualVQ // prosody_quantizer, content_quantizer, residual_quantizer
	timbre   *TimbreEncoder
	modulate *nn.Conv // timbre_linear: timbre → gamma, beta
	latent   int
}

// NewQuantizer declares a quantizer under b's prefix.
func NewQuantizer(b *nn.Builder, c QuantizerConfig) *Quantizer {
	q := &Quantizer{
		melIn:    nn.NewSConv(b.In("melspec_linear"), nn.ConvConfig{In: c.ProsodyMels, Out: c.ProsodyHidden, K: 1, NoWeightNorm: true}),
		melStack: nn.NewWN(b.In("melspec_encoder"), nn.WNConfig{Hidden: c.ProsodyHidden, Layers: c.ProsodyLayers, Causal: c.Causal}),
		melOut:   nn.NewSConv(b.In("melspec_linear2"), nn.ConvConfig{In: c.ProsodyHidden, Out: c.Latent, K: 1, NoWeightNorm: true}),
		latent:   c.Latent,
	}
	for part, books := range c.Books {
		name := b.In(Part(part).String() + "_quantizer")
		q.parts[part] = nn.NewResidualVQ(name, c.Latent, books, c.CodebookSize, c.CodebookDim)
	}
	q.timbre = NewTimbreEncoder(b.In("timbre_encoder"), TimbreConfig{Mels: c.Mels, Hidden: c.TimbreHidden, Out: c.Latent})
	q.modulate = nn.NewLinear(b.In("timbre_linear"), c.Latent, 2*c.Latent).InitBias(nn.OnesThenZeros)
	b.Buffer("to_mel.spectrogram.window")
	b.Buffer("to_mel.mel_scale.fb")
	return q
}

// BookNames returns what the books are called, in the order of Codes.Books.
func (c QuantizerConfig) BookNames() []string { return BookNames(c.Books) }

// ProsodyFeatures turns the lowest bins of the log-mel into what the prosody
// book quantizes: [B, T, prosody mels] → [B, T, latent].
func (q *Quantizer) ProsodyFeatures(r *op.Run, mel tensor.Tensor) tensor.Tensor {
	x := q.melIn.Forward(r, nil, mel)
	x = q.melStack.Forward(r, x, nil)
	return q.melOut.Forward(r, nil, x)
}

// Parts are the quantized parts of an utterance or chunk.
type Parts [NumParts]nn.Quantized

// Z returns the quantized frames of each part.
func (p Parts) Z() (z [NumParts]tensor.Tensor) {
	for part, q := range p {
		z[part] = q.Z
	}
	return z
}

// Free gives back the memory of the parts.
func (p Parts) Free(r *op.Run) {
	for _, q := range p {
		q.Free(r)
	}
}

// Quantize quantizes prosody features and encoder frames z, both [B, T, latent]
// and both taken: prosody from its features, content from z, and the residual
// from what these two leave of z.
func (q *Quantizer) Quantize(r *op.Run, features, z tensor.Tensor) Parts {
	return q.quantize(r, features, z, func(part Part, x tensor.Tensor) nn.Quantized { return q.parts[part].Forward(r, x) })
}

// quantize is Quantize with what quantizes each part's input.
func (q *Quantizer) quantize(r *op.Run, features, z tensor.Tensor, quantize func(Part, tensor.Tensor) nn.Quantized) (p Parts) {
	p[Prosody] = quantize(Prosody, features)
	p[Content] = quantize(Content, r.Borrow(z))
	p[Residual] = quantize(Residual, q.rest(r, z, p))
	return p
}

// rest returns what prosody and content leave of z, which it takes. The residual's
// gradient does not reach them.
func (q *Quantizer) rest(r *op.Run, z tensor.Tensor, p Parts) tensor.Tensor {
	for _, part := range ConversionParts {
		z = replace(r, z, r.Sub(z, r.Detach(p[part].Z)))
	}
	return z
}

// addAll returns the sum of two or more tensors of one shape. Zero Tensors, of parts
// without books, are left out.
func addAll(r *op.Run, all ...tensor.Tensor) tensor.Tensor {
	var x []tensor.Tensor
	for _, one := range all {
		if one.Data != nil {
			x = append(x, one)
		}
	}
	z := r.Add(x[0], x[1])
	for _, next := range x[2:] {
		z = replace(r, z, r.Add(z, next))
	}
	return z
}

// Decode returns the sum of the quantized frames of all parts: [1, T, latent].
// Parts without books are left out.
func (q *Quantizer) Decode(r *op.Run, codes Codes) tensor.Tensor {
	var z tensor.Tensor
	for _, part := range q.DecodeParts(r, codes) {
		switch {
		case part.Data == nil:
		case z.Data == nil:
			z = part
		default:
			sum := r.Add(z, part)
			r.Free(z, part)
			z = sum
		}
	}
	if z.Data == nil {
		return r.Zeros(1, codes.Frames(), q.latent)
	}
	return z
}

// DecodeParts returns the quantized frames of each part, [1, T, latent]; a part
// without books gives a zero Tensor.
func (q *Quantizer) DecodeParts(r *op.Run, codes Codes) (parts [NumParts]tensor.Tensor) {
	for part, books := range codes {
		if len(books) > 0 {
			batch := single(r, books)
			parts[part] = q.parts[part].Decode(r, batch)
			r.FreeBooks(batch)
		}
	}
	return parts
}

// single copies codes [book][T] into a batch of one, for r.FreeBooks.
func single(r *op.Run, books [][]int32) [][][]int32 {
	batch := r.NewBooks(len(books))
	for i, b := range books {
		batch[i] = r.NewCodes(1, len(b))
		copy(batch[i][0], b)
	}
	return batch
}
