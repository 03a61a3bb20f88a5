package codec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/parallel"
)

// CheckMatch refuses what is no share.
func CheckMatch(match float64) error {
	if !(match >= 0 && match <= 1) {
		return fmt.Errorf("a match of %g: give 0, the timbre alone, to 1, frames of the reference alone", match)
	}
	return nil
}

// referenceNetworks are Networks whose conversions can have frames of a reference.
type referenceNetworks interface {
	TakesReferences() bool
	NewReference(codes model.Codes, timbre []float32, pool *parallel.Pool) *model.Reference
}

// A referenceStream is a DecoderStream of such networks.
type referenceStream interface {
	SetReference(f *model.Reference, match float64)
}

// TakesReferences reports whether conversions can have frames of a reference.
func (c *Codec) TakesReferences() bool {
	n, ok := c.Networks.(referenceNetworks)
	return ok && n.TakesReferences()
}

// A Voice is what decoders take of a voice.
type Voice struct {
	Timbre    []float32
	Reference *model.Reference // nil: the timbre alone
	Match     float64          // how much of the frames is of the reference
}

// NewVoice prepares a voice with frames of its recordings, none for the timbre alone. The decoder
// must not have been left out.
func (c *Codec) NewVoice(timbre []float32, frames model.Codes, match float64) Voice {
	v := Voice{Timbre: timbre, Match: match}
	if match > 0 && frames.Frames() > 0 && c.TakesReferences() {
		v.Reference = c.Networks.(referenceNetworks).NewReference(frames, timbre, c.Pool)
	}
	return v
}

// NewVoiceDecoder returns a decoder in a voice.
func (c *Codec) NewVoiceDecoder(v Voice) DecoderStream {
	d := c.NewDecoder(v.Timbre, c.Pool)
	if v.Reference != nil {
		d.(referenceStream).SetReference(v.Reference, v.Match)
	}
	return d
}
