package codec

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"sync"
	"weak"

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
		v.Reference = c.references.of(frames, timbre, func() *model.Reference {
			return c.Networks.(referenceNetworks).NewReference(frames, timbre, c.Pool)
		})
	}
	return v
}

// references are those that were prepared and are still in use, and the last one: to prepare one takes
// as long as to decode its frames, and conversions to a voice come in rows. They hold no memory beside that.
type references struct {
	mu   sync.Mutex
	last *model.Reference
	used map[[sha256.Size]byte]weak.Pointer[model.Reference]
}

// of returns the reference of frames of a voice, and prepares it if it has to be.
func (r *references) of(frames model.Codes, timbre []float32, prepare func() *model.Reference) *model.Reference {
	key := keyOf(frames, timbre)
	r.mu.Lock()
	f := r.used[key].Value()
	r.mu.Unlock()
	if f == nil {
		f = prepare() // others need not wait for it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = f
	maps.DeleteFunc(r.used, func(_ [sha256.Size]byte, p weak.Pointer[model.Reference]) bool { return p.Value() == nil })
	if r.used == nil {
		r.used = map[[sha256.Size]byte]weak.Pointer[model.Reference]{}
	}
	r.used[key] = weak.Make(f)
	return f
}

// keyOf tells voices apart.
func keyOf(frames model.Codes, timbre []float32) (key [sha256.Size]byte) {
	h := sha256.New()
	for _, books := range frames {
		binary.Write(h, binary.LittleEndian, int64(len(books)))
		for _, codes := range books {
			binary.Write(h, binary.LittleEndian, int64(len(codes)))
			binary.Write(h, binary.LittleEndian, codes)
		}
	}
	binary.Write(h, binary.LittleEndian, timbre)
	return [sha256.Size]byte(h.Sum(nil))
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
