package live

import (
	"fmt"
	"slices"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/model"
)

// A Voice is what an engine takes of a voice. It does not change once an engine has it.
type Voice struct {
	Timbre   []float32 // of the codec
	Spectrum []float32 // that Convert filters toward (facodec.Voice.Spectrum); nil: it does not

	reference *model.Reference // frames that Convert takes in place of the speaker's; nil: none
	match     float64          // their share
}

// NewVoice returns what an engine on a codec takes of a voice. match is the share of the voice's
// own frames in what Convert decodes, 0 to 1, as in facodec.Codec.NewVoiceDecoder: to prepare them
// takes as long as to decode them.
func NewVoice(c *facodec.Codec, v *facodec.Voice, match float64) (*Voice, error) {
	if err := codec.CheckMatch(match); err != nil {
		return nil, err
	}
	if err := c.CheckVoice(v); err != nil {
		return nil, err
	}
	prepared := codec.Inner(c).NewVoice(v.Timbre, nil, model.Codes(v.Frames), match)
	live := &Voice{Timbre: v.Timbre, reference: prepared.Reference, match: match}
	if len(v.Spectrum) > 0 {
		_, decoder, err := c.Fingerprints()
		if err != nil {
			return nil, err
		}
		if v.Decoder == decoder {
			live.Spectrum = v.Spectrum
		}
	}
	return live, nil
}

// check refuses a voice that is not of a codec, and returns a copy.
func (v *Voice) check(c *codec.Codec) (*Voice, error) {
	if err := codec.CheckTimbre(v.Timbre, c.Timbre); err != nil {
		return nil, err
	}
	if err := codec.CheckMatch(v.match); err != nil {
		return nil, err
	}
	if n := len(v.Spectrum); n > 0 && n != c.Bins() {
		return nil, fmt.Errorf("live: a spectrum of %d magnitudes, and the codec's has %d", n, c.Bins())
	}
	return &Voice{slices.Clone(v.Timbre), slices.Clone(v.Spectrum), v.reference, v.match}, nil
}

// WithMatch returns the voice with another share of its frames. One that was made without
// frames has none.
func (v *Voice) WithMatch(match float64) *Voice {
	changed := *v
	changed.match = match
	return &changed
}

// Frames returns how many frames of the voice Convert compares each frame with: 0 if none.
func (v *Voice) Frames() int {
	if v.reference == nil {
		return 0
	}
	return v.reference.Frames()
}

// AnyVoice returns a voice of an open codec that costs an engine as much as every other without
// frames.
func AnyVoice(c *facodec.Codec) *Voice {
	v := &Voice{Timbre: make([]float32, c.TimbreLen())}
	if bins := codec.Inner(c).Bins(); bins > 0 {
		v.Spectrum = make([]float32, bins)
	}
	return v
}
