package live

import (
	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/model"
)

// A Voice is what an engine needs of a voice: without a timbre it is none.
type Voice = codec.Voice

// NewVoice prepares a voice for engines on c, with a share of its frames (facodec.Codec.NewVoiceDecoder).
func NewVoice(c *facodec.Codec, v *facodec.Voice, match float64) (Voice, error) {
	m := codec.Inner(c)
	if m == nil {
		return Voice{}, errNoCodec
	}
	if err := codec.CheckMatch(match); err != nil {
		return Voice{}, err
	}
	if err := c.CheckVoice(v); err != nil {
		return Voice{}, err
	}
	return m.NewVoice(v.Timbre, model.Codes(v.Frames), match), nil
}

// typicalSeconds is how much of its recordings a typical voice has.
const typicalSeconds = 10

// TypicalVoice returns a voice of no one, for measuring how long a conversion takes.
func TypicalVoice(c *facodec.Codec) Voice { return typicalVoice(codec.Inner(c)) }

func typicalVoice(m *codec.Codec) Voice {
	timbre := make([]float32, m.Timbre)
	if !m.TakesReferences() {
		return Voice{Timbre: timbre}
	}
	var frames model.Codes
	for part, books := range m.Books {
		for range books {
			frames[part] = append(frames[part], make([]int32, typicalSeconds*m.SampleRate/m.Hop))
		}
	}
	return m.NewVoice(timbre, frames, codec.DefaultMatch)
}
