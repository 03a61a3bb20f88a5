package ns3

import (
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// QuantizerConfig describes a Quantizer.
type QuantizerConfig struct {
	Latent                    int
	CodebookSize, CodebookDim int
	Books                     [model.NumParts]int
}

// A Quantizer splits latent frames into prosody, content and residual codes; keys
// quantizer.<part>.layers.<book>.* (ns3_codec/facodec.py, FACodecDecoder.quantize).
type Quantizer struct {
	parts  [model.NumParts]*nn.ResidualVQ // quantizer.0 to quantizer.2
	config QuantizerConfig
}

// partCount is how many parts models of this family have: prosody, content, residual.
const partCount = 3

// NewQuantizer declares a quantizer under b's prefix.
func NewQuantizer(b *nn.Builder, c QuantizerConfig) *Quantizer {
	q := &Quantizer{config: c}
	for part, books := range c.Books[:partCount] {
		q.parts[part] = nn.NewLinearResidualVQ(b.In("quantizer").In(part), c.Latent, books, c.CodebookSize, c.CodebookDim)
	}
	return q
}

// Quantize quantizes prosody features and encoder frames z, both [1, T, latent] and
// both taken. Prosody and content do not see what the other left; the residual is
// what both leave of z.
func (q *Quantizer) Quantize(r *op.Run, prosody, z tensor.Tensor) model.Parts {
	var p model.Parts
	p[model.Prosody] = q.parts[model.Prosody].Forward(r, prosody)
	p[model.Content] = q.parts[model.Content].Forward(r, r.Borrow(z))
	for _, part := range []model.Part{model.Prosody, model.Content} {
		rest := r.Sub(z, p[part].Z)
		r.Free(z)
		z = rest
	}
	p[model.Residual] = q.parts[model.Residual].Forward(r, z)
	return p
}

// Decode returns the sum of the quantized frames of all parts: [1, T, latent]. A
// part without books is left out.
func (q *Quantizer) Decode(r *op.Run, codes model.Codes) tensor.Tensor {
	var z tensor.Tensor
	for _, x := range q.DecodeParts(r, codes) {
		switch {
		case x.Data == nil:
		case z.Data == nil:
			z = x
		default:
			sum := r.Add(z, x)
			r.Free(z, x)
			z = sum
		}
	}
	if z.Data == nil {
		return r.Zeros(1, codes.Frames(), q.config.Latent)
	}
	return z
}

// DecodeParts returns the quantized frames of each part, [1, T, latent]; a part
// without books gives a zero Tensor.
func (q *Quantizer) DecodeParts(r *op.Run, codes model.Codes) (parts [model.NumParts]tensor.Tensor) {
	for part, books := range codes {
		if len(books) > 0 {
			parts[part] = q.parts[part].Decode(r, batch(books))
		}
	}
	return parts
}

// batch makes a batch of one out of codes [book][T].
func batch(books [][]int32) [][][]int32 {
	b := make([][][]int32, len(books))
	for i, codes := range books {
		b[i] = [][]int32{codes}
	}
	return b
}
