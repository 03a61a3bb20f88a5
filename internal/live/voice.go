package live

import (
	"fmt"
	"slices"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
)

// A Voice is what an engine takes of a voice. It does not change once an engine has it.
type Voice struct {
	Timbre   []float32 // of the codec
	Spectrum []float32 // that Convert filters toward (facodec.Voice.Spectrum); nil: it does not
}

// NewVoice returns what an engine on a codec takes of a voice.
func NewVoice(c *facodec.Codec, v *facodec.Voice) (*Voice, error) {
	if err := c.CheckVoice(v); err != nil {
		return nil, err
	}
	live := &Voice{Timbre: v.Timbre}
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
	if n := len(v.Spectrum); n > 0 && n != c.Bins() {
		return nil, fmt.Errorf("live: a spectrum of %d magnitudes, and the codec's has %d", n, c.Bins())
	}
	return &Voice{slices.Clone(v.Timbre), slices.Clone(v.Spectrum)}, nil
}

// AnyVoice returns a voice of an open codec that costs an engine as much as every other.
func AnyVoice(c *facodec.Codec) *Voice {
	v := &Voice{Timbre: make([]float32, c.TimbreLen())}
	if bins := codec.Inner(c).Bins(); bins > 0 {
		v.Spectrum = make([]float32, bins)
	}
	return v
}
