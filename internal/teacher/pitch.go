package teacher

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
)

// OpenPitch returns the pitch teacher of a training run. path names the file of
// upstream's pitch network (F0_path in its configurations); an empty one asks for
// the built-in tracker. Where there is no such file the tracker takes its place,
// and notice, unless it is nil, is told so once. A file that cannot be read, or that
// holds something else, is an error that names it.
func OpenPitch(path string, notice func(string)) (Pitch, error) {
	if path == "" {
		return newTracker(), nil
	}
	network, err := openPitchNetwork(path)
	switch {
	case err == nil:
		return network, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("pitch network: %w", err)
	}
	if notice != nil {
		notice(fmt.Sprintf("pitch network: there is no file %s; the built-in pitch tracker is used instead", path))
	}
	return newTracker(), nil
}

// trackerVersion changes when dsp.Pitch gives other values for the same
// configuration: TestTrackerVersion fails then.
const trackerVersion = 2

// A tracker is the pitch teacher that needs no download.
type tracker struct{ pitch *dsp.Pitch }

func newTracker() *tracker { return &tracker{dsp.NewPitch(dsp.StandardPitch)} }

// Fingerprint identifies the tracker's version and configuration.
func (t *tracker) Fingerprint() Fingerprint {
	c := t.pitch.PitchConfig
	b := appendInts([]byte("FACODEC pitch tracker"), trackerVersion, c.SampleRate, c.Hop)
	return sha256.Sum256(appendFloats(b, []float64{c.Min, c.Max}))
}

// Pitch returns the f0 of each frame.
func (t *tracker) Pitch(u *Utterance) []float32 { return t.pitch.F0(u.Samples) }

// leveled returns samples brought to a peak of 1, so that a recording's gain has no
// influence; what is no number becomes silence. ok is false where all is silence.
func leveled(samples []float32) (scaled []float32, ok bool) {
	finite := func(v float32) float32 {
		if v-v != 0 {
			return 0
		}
		return v
	}
	var peak float32
	for _, v := range samples {
		peak = max(peak, float32(math.Abs(float64(finite(v)))))
	}
	if peak == 0 {
		return nil, false
	}
	scaled = make([]float32, len(samples))
	for i, v := range samples {
		scaled[i] = finite(v) / peak
	}
	return scaled, true
}

var (
	_ Pitch = (*tracker)(nil)
	_ Pitch = (*pitchNetwork)(nil)
)
