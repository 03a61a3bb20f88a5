package facodec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/plural"
)

// Timbre returns the timbre of a voice from one or more clips of it, TimbreLen
// values.
func (c *Codec) Timbre(clips ...[]float32) ([]float32, error) {
	v := c.newVoiceEncoder(wantTimbre)
	if err := v.pushAll(clips); err != nil {
		return nil, err
	}
	return v.Timbre()
}

// Voice returns the voice of one or more clips of it: their timbre, and their spectrum and frames for
// NewVoiceDecoder where the codec can use them.
func (c *Codec) Voice(clips ...[]float32) (*Voice, error) {
	v := c.newVoiceEncoder(wantFrames)
	if err := v.pushAll(clips); err != nil {
		return nil, err
	}
	return v.Voice()
}

func (v *VoiceEncoder) pushAll(clips [][]float32) error {
	for _, clip := range clips {
		if err := v.Push(clip); err != nil {
			return err
		}
		v.EndClip()
	}
	return nil
}

// Encode returns the tokens of an utterance: ceil(len(samples)/HopLength) frames
// and the utterance's own timbre.
func (c *Codec) Encode(samples []float32) (*Tokens, error) {
	a := c.NewAnalyzer()
	codes, err := a.encode(samples)
	if err != nil {
		return nil, err
	}
	timbre, err := a.Timbre()
	if err != nil {
		return nil, err
	}
	return &Tokens{Codes: codes, Timbre: timbre, Samples: len(samples)}, nil
}

// encode encodes an utterance that it is given whole.
func (e *Encoder) encode(samples []float32) (Codes, error) {
	if len(samples) == 0 {
		return Codes{}, fmt.Errorf("no samples: %w", ErrEmpty)
	}
	codes, err := e.Push(samples)
	if err != nil {
		return Codes{}, err
	}
	last, err := e.Flush()
	if err != nil {
		return Codes{}, err
	}
	codes.Append(last)
	return codes, nil
}

// Decode returns the samples of an utterance, t.Samples of them.
func (c *Codec) Decode(t *Tokens) ([]float32, error) {
	if err := c.model.CheckCodes(model.Codes(t.Codes)); err != nil {
		return nil, err
	}
	if n, hop := t.Samples, c.HopLength(); n <= (t.Frames()-1)*hop || n > t.Frames()*hop {
		return nil, fmt.Errorf("%s in %s of %d: %w", plural.Of(n, "sample"), plural.Of(t.Frames(), "frame"), hop, ErrTokens)
	}
	d, err := c.NewDecoder(t.Timbre)
	if err != nil {
		return nil, err
	}
	samples, err := d.Push(t.Codes)
	if err != nil {
		return nil, err
	}
	last, err := d.Flush()
	if err != nil {
		return nil, err
	}
	return append(samples, last...)[:t.Samples], nil
}

// Reconstruct encodes and decodes an utterance: as many samples out as in.
func (c *Codec) Reconstruct(samples []float32) ([]float32, error) {
	t, err := c.Encode(samples)
	if err != nil {
		return nil, err
	}
	return c.Decode(t)
}

// Convert returns an utterance in the voice of timbre: prosody and content of the source
// decoded with that timbre, without the residual. As many samples out as in. ConvertTo can be nearer
// to the voice.
func (c *Codec) Convert(samples, timbre []float32) ([]float32, error) {
	d, err := c.NewDecoder(timbre)
	if err != nil {
		return nil, err
	}
	return c.convert(samples, d)
}

// ConvertTo returns an utterance in a voice, as NewVoiceDecoder does. As many samples out as in.
func (c *Codec) ConvertTo(samples []float32, v *Voice, match float64) ([]float32, error) {
	d, err := c.NewVoiceDecoder(v, match)
	if err != nil {
		return nil, err
	}
	return c.convert(samples, d)
}

func (c *Codec) convert(samples []float32, d *Decoder) ([]float32, error) {
	codes, err := c.NewEncoder().encode(samples)
	if err != nil {
		return nil, err
	}
	out, err := d.Push(codes.Only(conversionParts...))
	if err != nil {
		return nil, err
	}
	last, err := d.Flush()
	if err != nil {
		return nil, err
	}
	return append(out, last...)[:len(samples)], nil
}

// Extract returns the features of an utterance.
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

// Quantized returns the quantized frames of each part's codes, [latent][frames],
// row-major; nil for a part without books. Frames do not depend on each other.
func (c *Codec) Quantized(codes Codes) (parts [NumParts][]float32, err error) {
	if err := c.model.CheckCodes(model.Codes(codes)); err != nil {
		return parts, err
	}
	if err := c.gate.enter(); err != nil {
		return parts, err
	}
	defer c.gate.leave()
	r := op.NewRun(c.model.Pool)
	r.Last = true
	for i, x := range c.model.Quantized(r, model.Codes(codes)) {
		if x.T > 0 {
			parts[i] = x.ToBCT() // one sequence: [latent, T]
		}
	}
	return parts, nil
}
