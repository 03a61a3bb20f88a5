package facodec

import "fmt"

// Timbre returns the timbre of a voice from one or more clips of it, LatentDim
// values.
func (c *Codec) Timbre(clips ...[]float32) ([]float32, error) {
	v := c.NewVoiceEncoder()
	for _, clip := range clips {
		if err := v.Push(clip); err != nil {
			return nil, err
		}
		v.EndClip()
	}
	return v.Timbre()
}

// Encode returns the tokens of an utterance: ceil(len(samples)/HopLength) frames
// and the utterance's own timbre.
func (c *Codec) Encode(samples []float32) (*Tokens, error) {
	codes, err := c.encode(samples)
	if err != nil {
		return nil, err
	}
	timbre, err := c.Timbre(samples)
	if err != nil {
		return nil, err
	}
	return &Tokens{Codes: codes, Timbre: timbre, Samples: len(samples)}, nil
}

func (c *Codec) encode(samples []float32) (Codes, error) {
	if len(samples) == 0 {
		return Codes{}, fmt.Errorf("no samples: %w", ErrEmpty)
	}
	e := c.NewEncoder()
	codes, err := e.Push(samples)
	if err != nil {
		return Codes{}, err
	}
	codes.Append(e.Flush())
	return codes, nil
}

// Decode returns the samples of an utterance, t.Samples of them.
func (c *Codec) Decode(t *Tokens) ([]float32, error) {
	if err := c.checkCodes(t.Codes); err != nil {
		return nil, err
	}
	if n, hop := t.Samples, c.HopLength(); n <= (t.Frames()-1)*hop || n > t.Frames()*hop {
		return nil, fmt.Errorf("%d samples in %d frames of %d: %w", n, t.Frames(), hop, ErrTokens)
	}
	d, err := c.NewDecoder(t.Timbre)
	if err != nil {
		return nil, err
	}
	samples, err := d.Push(t.Codes)
	if err != nil {
		return nil, err
	}
	return append(samples, d.Flush()...)[:t.Samples], nil
}

// Reconstruct encodes and decodes an utterance: as many samples out as in.
func (c *Codec) Reconstruct(samples []float32) ([]float32, error) {
	t, err := c.Encode(samples)
	if err != nil {
		return nil, err
	}
	return c.Decode(t)
}

// Convert speaks an utterance in the voice of timbre: prosody and content of the
// source, without its residual, under the norm of the other voice. As many
// samples out as in.
func (c *Codec) Convert(samples, timbre []float32) ([]float32, error) {
	d, err := c.NewDecoder(timbre)
	if err != nil {
		return nil, err
	}
	codes, err := c.encode(samples)
	if err != nil {
		return nil, err
	}
	codes[Residual] = nil
	out, err := d.Push(codes)
	if err != nil {
		return nil, err
	}
	return append(out, d.Flush()...)[:len(samples)], nil
}
