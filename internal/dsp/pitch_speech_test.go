package dsp_test

import (
	"flag"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/dsp"
)

var speech = flag.String("pitch.speech", filepath.Join("..", "..", "testdata", "speech"), "folder of FLAC files of one voice each to compare two trackers on")

// A sawtoothPitch is another tracker, to compare with: SWIPE′ (Camacho and Harris,
// "A sawtooth waveform inspired pitch estimator for speech and music", JASA 124,
// 2008) with one window for all candidates and a median over five frames in place
// of interpolation. It looks at spectra alone, frame by frame, and shares neither
// code nor method with the tracker that is tested.
type sawtoothPitch struct {
	fft     *fourier.FFT
	f0      []float64
	kernels [][]float64 // by candidate, over the bins
}

const (
	sawtoothRate   = 24000
	sawtoothFFT    = 4096
	sawtoothWindow = 840
	sawtoothBins   = 700 // to 4.1 kHz
)

func newSawtoothPitch() *sawtoothPitch {
	s := &sawtoothPitch{fft: fourier.NewFFT(sawtoothFFT)}
	for f := 50.0; f <= 620; f *= math.Pow(2, 1.0/48) {
		kernel := make([]float64, sawtoothBins)
		var norm float64
		for k := 1; k < sawtoothBins; k++ {
			q := float64(k) * sawtoothRate / sawtoothFFT / f
			for _, prime := range []float64{1, 2, 3, 5, 7, 11, 13, 17, 19} {
				switch off := math.Abs(q - prime); {
				case off < 0.25:
					kernel[k] = math.Cos(2 * math.Pi * q)
				case off < 0.75:
					kernel[k] += math.Cos(2*math.Pi*q) / 2
				}
			}
			kernel[k] /= math.Sqrt(float64(k))
			norm += max(0, kernel[k]) * max(0, kernel[k])
		}
		for k := range kernel {
			kernel[k] /= math.Sqrt(norm)
		}
		s.f0, s.kernels = append(s.f0, f), append(s.kernels, kernel)
	}
	return s
}

// track returns f0 for every hop, 0 without a voice.
func (s *sawtoothPitch) track(x []float32, hop int) []float64 {
	const (
		voiced = 0.25 // strength of a voice
		silent = 0.01 // root mean square relative to the peak
	)
	var peak float64
	for _, v := range x {
		peak = max(peak, math.Abs(float64(v)))
	}
	frame := make([]float64, sawtoothFFT)
	coeff := make([]complex128, sawtoothFFT/2+1)
	loudness := make([]float64, sawtoothBins)
	strength := make([]float64, len(s.f0))
	var f0 []float64
	for center := 0; center < len(x); center += hop {
		var power, norm float64
		for i := range sawtoothWindow {
			frame[i] = 0
			if at := center - sawtoothWindow/2 + i; at >= 0 && at < len(x) {
				frame[i] = float64(x[at]) * (0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/sawtoothWindow))
				power += frame[i] * frame[i] / sawtoothWindow
			}
		}
		s.fft.Coefficients(coeff, frame)
		for k := range loudness {
			loudness[k] = math.Sqrt(math.Hypot(real(coeff[k]), imag(coeff[k])))
			norm += loudness[k] * loudness[k]
		}
		best := 1
		for c, kernel := range s.kernels {
			strength[c] = 0
			for k, w := range kernel {
				strength[c] += w * loudness[k]
			}
			strength[c] /= math.Sqrt(norm) + 1e-12
			if c > 0 && c < len(s.kernels)-1 && strength[c] > strength[best] {
				best = c
			}
		}
		f := 0.0
		if strength[best] > voiced && math.Sqrt(power) > silent*peak {
			l, m, r := strength[best-1], strength[best], strength[best+1]
			shift := 0.5 * (l - r) / (l - 2*m + r)
			f = s.f0[best] * math.Pow(2, min(max(-1, shift), 1)/48)
		}
		f0 = append(f0, f)
	}
	smooth := slices.Clone(f0)
	for i := 2; i+2 < len(f0); i++ {
		five := slices.Clone(f0[i-2 : i+3])
		slices.Sort(five)
		smooth[i] = five[2]
	}
	return smooth
}

// agreement counts what two trackers say of the same frames.
type agreement struct {
	frames, voicing     int // all, and those on whose voicing both agree
	both, close, octave int // voiced for both; within 5 %; near an octave apart
	inner, innerClose   int // the same away from the edges of voices, by two frames
}

func (a *agreement) add(track []float32, other []float64) {
	for i, f := range track {
		a.frames++
		if (f > 0) == (other[i] > 0) {
			a.voicing++
		}
		if f == 0 || other[i] == 0 {
			continue
		}
		inner := 0
		for j := max(0, i-2); j <= min(i+2, len(track)-1); j++ {
			if track[j] > 0 && other[j] > 0 {
				inner++
			}
		}
		a.both++
		a.inner += inner / 5
		switch off := math.Abs(math.Log2(float64(f) / other[i])); {
		case off < math.Log2(1.05):
			a.close++
			a.innerClose += inner / 5
		case math.Abs(off-1) < 0.1:
			a.octave++
		}
	}
}

func (a *agreement) shares() (voicing, close, inner, octave float64) {
	both := float64(a.both)
	return float64(a.voicing) / float64(a.frames), float64(a.close) / both, float64(a.innerClose) / float64(a.inner), float64(a.octave) / both
}

// TestPitchOfSpeech: two trackers that know nothing of each other agree on the
// recordings: on voicing, on f0 within 5 %, and nearly always on the octave. Where
// voices begin and end the other one's frames are half full of something else, and
// its median reaches over the edge; so inside of voices more is asked for.
func TestPitchOfSpeech(t *testing.T) {
	p, other := dsp.NewPitch(dsp.StandardPitch), newSawtoothPitch()
	folders := map[string]*agreement{}
	var all agreement
	err := filepath.WalkDir(*speech, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".flac" {
			return err
		}
		x, err := audio.ReadFile(path, sawtoothRate)
		if err != nil {
			return err
		}
		track, second := p.F0(x), other.track(x, dsp.StandardPitch.Hop)
		folder := filepath.Dir(path)
		if *speech == folder {
			folder = path // one voice a file
		}
		if folders[folder] == nil {
			folders[folder] = new(agreement)
		}
		folders[folder].add(track, second)
		all.add(track, second)
		return nil
	})
	if err != nil || all.both == 0 {
		t.Fatalf("nothing to compare: %v", err)
	}
	folders["all"] = &all
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		a, least := folders[name], 0.88
		if a == &all {
			least = 0.93
		}
		voicing, close, inner, octave := a.shares()
		t.Logf("%-7s voicing agrees on %.1f %% of %d frames; f0 on %.1f %% of the %d that both call voiced, inside of voices on %.1f %%; an octave apart %.2f %%",
			filepath.Base(name), 100*voicing, a.frames, 100*close, a.both, 100*inner, 100*octave)
		if a.both < a.frames/4 || voicing < 0.8 || close < 0.86 || inner < least || octave > 0.01 {
			t.Errorf("%s: too little agreement: %+v", name, *a)
		}
	}
}
