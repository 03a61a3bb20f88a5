package metric

import (
	"slices"

	"github.com/facodec-go/facodec/internal/dsp"
)

// The names under which Speech.Compare returns its metrics.
const (
	NameMel            = "mel"              // MelDistance, lower is better
	NameSTFT           = "stft"             // STFTDistance, lower is better
	NameSISDR          = "si_sdr"           // SISDR in dB, higher is better
	NameSTOI           = "stoi"             // STOI.Measure, higher is better
	NameESTOI          = "estoi"            // STOI.Extended, higher is better
	NameF0Correlation  = "f0_correlation"   // PitchError.Correlation, higher is better
	NameF0Cents        = "f0_cents"         // PitchError.Cents, lower is better
	NameF0CentsRMS     = "f0_cents_rms"     // PitchError.CentsRMS, lower is better
	NameF0GrossError   = "f0_gross_error"   // PitchError.Gross, lower is better
	NameF0VoicingError = "f0_voicing_error" // PitchError.Voicing, lower is better
)

var speechNames = []string{
	NameMel, NameSTFT, NameSISDR, NameSTOI, NameESTOI,
	NameF0Correlation, NameF0Cents, NameF0CentsRMS, NameF0GrossError, NameF0VoicingError,
}

// SpeechNames returns the names of all metrics of Speech, for NewTable.
func SpeechNames() []string { return slices.Clone(speechNames) }

// Speech measures everything that this package knows of two waves. The f0 tracks
// are those of dsp.Pitch on both waves. It serves one goroutine at a time.
type Speech struct {
	mel   *MelDistance
	stft  *STFTDistance
	stoi  *STOI
	pitch *dsp.Pitch
}

// NewSpeech prepares the metrics for waves of a rate in Hz, audio.MinRate to
// audio.MaxRate.
func NewSpeech(rate int) (*Speech, error) {
	stoi, err := NewSTOI(rate)
	if err != nil {
		return nil, err
	}
	pitch := dsp.StandardPitch
	pitch.Hop = pitch.Hop * rate / pitch.SampleRate
	pitch.SampleRate = rate
	return &Speech{
		mel:   NewMelDistance(rate),
		stft:  NewSTFTDistance(),
		stoi:  stoi,
		pitch: dsp.NewPitch(pitch),
	}, nil
}

// Compare returns every metric of SpeechNames; those that are undefined for
// these waves are NaN.
func (s *Speech) Compare(reference, degraded []float32) map[string]float64 {
	p := ComparePitch[float64](nil, nil)
	if canCompare(reference, degraded, 1) {
		p = ComparePitch(s.f0(reference), s.f0(degraded))
	}
	return map[string]float64{
		NameMel:            s.mel.Distance(reference, degraded),
		NameSTFT:           s.stft.Distance(reference, degraded),
		NameSISDR:          SISDR(reference, degraded),
		NameSTOI:           s.stoi.Measure(reference, degraded),
		NameESTOI:          s.stoi.Extended(reference, degraded),
		NameF0Correlation:  p.Correlation,
		NameF0Cents:        p.Cents,
		NameF0CentsRMS:     p.CentsRMS,
		NameF0GrossError:   p.Gross,
		NameF0VoicingError: p.Voicing,
	}
}

func (s *Speech) f0(x []float32) []float64 {
	frames := s.pitch.Track(x)
	f0 := make([]float64, len(frames))
	for i, f := range frames {
		f0[i] = f.F0
	}
	return f0
}
