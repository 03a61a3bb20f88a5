package facodec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
)

// An Encoder turns an utterance into codes as it arrives.
type Encoder struct {
	codec  *Codec
	stream *model.EncoderStream
	total  int
}

// NewEncoder starts an utterance.
func (c *Codec) NewEncoder() *Encoder {
	return &Encoder{codec: c, stream: c.model.NewEncoderStream(c.pool)}
}

// Push adds samples, any number of them, and returns the codes of the frames
// that are complete. Frame t is complete once the signal is known to 25 ms past
// its start, the first ten together. Samples that are not finite are refused and
// none of the piece is taken.
func (e *Encoder) Push(samples []float32) (Codes, error) {
	if err := e.codec.need(networkEncoder); err != nil {
		return Codes{}, err
	}
	if err := checkSamples(samples); err != nil {
		return Codes{}, err
	}
	e.total += len(samples)
	return Codes(e.stream.Push(samples, false)), nil
}

// Flush ends the utterance and returns its last codes: in all, one frame for
// every hop of samples and one for what remains. The next Push starts another
// utterance.
func (e *Encoder) Flush() Codes {
	if e.total == 0 {
		return Codes{}
	}
	codes := Codes(e.stream.Push(nil, true))
	e.Reset()
	return codes
}

// Samples returns how many samples the utterance has so far.
func (e *Encoder) Samples() int { return e.total }

// Reset drops the utterance.
func (e *Encoder) Reset() {
	e.stream.Reset()
	e.total = 0
}

// A Decoder turns codes into samples as they arrive, in one voice.
type Decoder struct {
	codec   *Codec
	stream  synthesizer
	content bool // a redecoder's, which speaks content alone
}

// synthesizer is what decodes: the codec's decoder or a redecoder.
type synthesizer interface {
	Push(codes model.Codes, last bool) []float32
	Reset()
}

// NewDecoder starts an utterance in the voice of timbre, LatentDim values.
func (c *Codec) NewDecoder(timbre []float32) (*Decoder, error) {
	if err := c.need(networkDecoder); err != nil {
		return nil, err
	}
	if err := checkTimbre(timbre, c.LatentDim()); err != nil {
		return nil, err
	}
	return &Decoder{codec: c, stream: c.model.NewDecoderStream(timbre, c.pool)}, nil
}

// Push adds frames and returns the samples that are complete. All pieces of an
// utterance hold the same parts.
func (d *Decoder) Push(codes Codes) ([]float32, error) {
	if codes.Frames() == 0 {
		return nil, nil
	}
	if err := d.codec.checkCodes(codes); err != nil {
		return nil, err
	}
	if d.content && len(codes[Content]) == 0 {
		return nil, fmt.Errorf("no content codes for a redecoder: %w", ErrTokens)
	}
	return d.stream.Push(model.Codes(codes), false), nil
}

// Flush ends the utterance and returns its last samples; in all, HopLength
// samples for every frame. The next Push starts another utterance.
func (d *Decoder) Flush() []float32 {
	samples := d.stream.Push(model.Codes{}, true)
	d.stream.Reset()
	return samples
}

// Reset drops the utterance.
func (d *Decoder) Reset() { d.stream.Reset() }

// A VoiceEncoder finds the timbre of a voice from clips of it, as they arrive.
type VoiceEncoder struct {
	codec  *Codec
	stream *model.TimbreStream
	total  int
}

// NewVoiceEncoder starts a voice, with no clip.
func (c *Codec) NewVoiceEncoder() *VoiceEncoder {
	return &VoiceEncoder{codec: c, stream: c.model.NewTimbreStream(c.pool)}
}

// Push adds samples to a clip. Samples that are not finite are refused and none
// of the piece is taken.
func (v *VoiceEncoder) Push(samples []float32) error {
	if err := checkSamples(samples); err != nil {
		return err
	}
	v.total += len(samples)
	v.stream.Push(samples)
	return nil
}

// EndClip ends a clip. What is pushed next is another clip of the same voice.
func (v *VoiceEncoder) EndClip() { v.stream.EndClip() }

// Timbre returns the timbre of the clips that have ended, LatentDim values: the
// mean over all of their frames. Of more than a minute it is the mean over
// windows of 30 seconds.
func (v *VoiceEncoder) Timbre() ([]float32, error) {
	if v.total == 0 {
		return nil, fmt.Errorf("no samples of the voice: %w", ErrEmpty)
	}
	return v.stream.Timbre(), nil
}
