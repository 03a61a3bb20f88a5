package facodec

import (
	"fmt"
	"slices"

	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/model"
)

// A Decoder turns codes into samples as they arrive, in one voice.
type Decoder struct {
	codec       *Codec
	gates       gates
	stream      codec.DecoderStream
	contentOnly bool                     // a redecoder's
	newDecoder  func() (*Decoder, error) // of the same model in the same voice
}

// NewDecoder starts an utterance in the voice of timbre, TimbreLen values.
func (c *Codec) NewDecoder(timbre []float32) (*Decoder, error) {
	if err := c.model.Need(codec.Decoder); err != nil {
		return nil, err
	}
	if err := codec.CheckTimbre(timbre, c.TimbreLen()); err != nil {
		return nil, err
	}
	return c.newDecoder(codec.Voice{Timbre: slices.Clone(timbre)})
}

func (c *Codec) newDecoder(v codec.Voice) (*Decoder, error) {
	d := &Decoder{codec: c, gates: gates{&c.gate}, newDecoder: func() (*Decoder, error) { return c.newDecoder(v) }}
	if err := d.gates.enter(); err != nil {
		return nil, err
	}
	defer d.gates.leave()
	d.stream = c.model.NewVoiceDecoder(v)
	return d, nil
}

// Push adds frames and returns the samples that are complete. All pieces of an
// utterance hold the same parts.
func (d *Decoder) Push(codes Codes) ([]float32, error) {
	if codes.Frames() == 0 {
		return nil, nil
	}
	if err := d.codec.model.CheckCodes(model.Codes(codes)); err != nil {
		return nil, err
	}
	if d.contentOnly && len(codes[Content]) == 0 {
		return nil, fmt.Errorf("no content codes for a redecoder: %w", ErrTokens)
	}
	if err := d.gates.enter(); err != nil {
		return nil, err
	}
	defer d.gates.leave()
	return d.stream.Push(model.Codes(codes), false), nil
}

// Flush ends the utterance and returns its last samples; in all, HopLength
// samples for every frame. The next Push starts another utterance.
func (d *Decoder) Flush() ([]float32, error) {
	if err := d.gates.enter(); err != nil {
		return nil, err
	}
	defer d.gates.leave()
	samples := d.stream.Push(model.Codes{}, true)
	d.stream.Reset()
	return samples, nil
}

// Reset drops the utterance.
func (d *Decoder) Reset() {
	if d.gates.enter() == nil {
		defer d.gates.leave()
		d.stream.Reset()
	}
}
