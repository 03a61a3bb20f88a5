package codec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/parallel"
)

// CheckMatch refuses what is no share.
func CheckMatch(match float64) error {
	if !(match >= 0 && match <= 1) {
		return fmt.Errorf("a match of %g: give 0, none, to 1, frames of the reference alone", match)
	}
	return nil
}

// referenceNetworks are Networks whose conversions can have frames of a reference.
type referenceNetworks interface {
	TakesReferences() bool
	NewReference(codes model.Codes, timbre []float32, pool *parallel.Pool) *model.Reference
	ReferenceBytes(frames int) int64
	Spectrum(codes model.Codes, timbre []float32, pool *parallel.Pool) []float32
	Bins() int
}

// A referenceStream is a DecoderStream of such networks.
type referenceStream interface {
	SetReference(f *model.Reference, match float64)
	SetSpectrum(spectrum []float32)
}

// TakesReferences reports whether conversions can have frames of a reference.
func (c *Codec) TakesReferences() bool {
	n, ok := c.Networks.(referenceNetworks)
	return ok && n.TakesReferences()
}

// A Voice is what decoders take of a voice.
type Voice struct {
	Timbre    []float32
	Spectrum  []float32        // mean log magnitudes; nil: not equalized
	Reference *model.Reference // nil: no frames
	Match     float64          // how much of the frames is of the reference
}

// Spectrum returns the mean log magnitudes of codes of a voice, Bins of them; nil of networks that
// take no references and of codes without a voice. The decoder must not have been left out.
func (c *Codec) Spectrum(timbre []float32, codes model.Codes) []float32 {
	if !c.TakesReferences() || codes.Frames() == 0 {
		return nil
	}
	return c.Networks.(referenceNetworks).Spectrum(codes, timbre, c.Pool)
}

// ReferenceBytes returns how much memory a reference of so many frames takes, 0 where there are none.
func (c *Codec) ReferenceBytes(frames int) int64 {
	if !c.TakesReferences() {
		return 0
	}
	return c.Networks.(referenceNetworks).ReferenceBytes(frames)
}

// Bins returns of how many magnitudes a spectrum is, 0 where there are none.
func (c *Codec) Bins() int {
	if !c.TakesReferences() {
		return 0
	}
	return c.Networks.(referenceNetworks).Bins()
}

// NewVoice prepares a voice with the spectrum and with frames of its recordings, none for the timbre alone.
// The decoder must not have been left out.
func (c *Codec) NewVoice(timbre, spectrum []float32, frames model.Codes, match float64) Voice {
	v := Voice{Timbre: timbre, Spectrum: spectrum, Match: match}
	if match > 0 && frames.Frames() > 0 && c.TakesReferences() {
		v.Reference = c.Networks.(referenceNetworks).NewReference(frames, timbre, c.Pool)
	}
	return v
}

// SetSpectrum changes a decoder's spectrum from the next frame on, nil for none. Decoders without
// references have none.
func SetSpectrum(d DecoderStream, spectrum []float32) {
	if s, ok := d.(referenceStream); ok {
		s.SetSpectrum(spectrum)
	}
}

// SetReference changes of which reference a decoder's frames are from the next one on, nil for
// none, and their share. Decoders without references have none.
func SetReference(d DecoderStream, f *model.Reference, match float64) {
	if s, ok := d.(referenceStream); ok {
		s.SetReference(f, match)
	}
}

// NewVoiceDecoder returns a decoder in a voice.
func (c *Codec) NewVoiceDecoder(v Voice) DecoderStream {
	d := c.NewDecoder(v.Timbre, c.Pool)
	SetReference(d, v.Reference, v.Match)
	if v.Spectrum != nil {
		SetSpectrum(d, v.Spectrum)
	}
	return d
}
