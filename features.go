package facodec

import (
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
)

// Features are the tokens of an utterance and what its codes stand for, as the
// networks that are trained on them take it.
type Features struct {
	Tokens
	// Quantized is what each part's codes stand for, [latent][frames], row-major: nil
	// for a part without books. The sum is what the decoder's norm sees.
	Quantized [NumParts][]float32
}

// Extract returns the features of an utterance; for files see ExtractFile.
func (c *Codec) Extract(samples []float32) (*Features, error) {
	t, err := c.Encode(samples)
	if err != nil {
		return nil, err
	}
	q, err := c.Quantized(t.Codes)
	if err != nil {
		return nil, err
	}
	return &Features{Tokens: *t, Quantized: q}, nil
}

// Quantized returns what the codes of each part stand for, [latent][frames],
// row-major; nil for a part without books.
func (c *Codec) Quantized(codes Codes) (parts [NumParts][]float32, err error) {
	if err := c.checkCodes(codes); err != nil {
		return parts, err
	}
	r := op.NewRun(c.pool)
	r.Last = true
	for i, x := range c.model.Quantizer.DecodeParts(r, model.Codes(codes)) {
		if x.T > 0 {
			parts[i] = x.ToBCT() // one sequence: [latent, T]
		}
	}
	return parts, nil
}
