package dsp_test

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/dsp"
)

// autocorrelationPitch is another tracker, to compare with: the autocorrelation
// of Hann-windowed frames over that of the window (Boersma 1993), a small bonus
// for short lags against octave errors, the best lag of each frame by itself, and
// a median over five frames. It shares no code and no method with pYIN.
func autocorrelationPitch(x []float32, rate, hop int) []float64 {
	const window, low, high = 1200, 50.0, 600.0
	var hann, own [window]float64
	for i := range hann {
		hann[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/window)
	}
	correlate := func(f []float64, lag int) (sum float64) {
		for i, v := range f[lag:] {
			sum += v * f[i]
		}
		return sum
	}
	minLag, maxLag := int(float64(rate)/high), int(float64(rate)/low)
	for lag := range maxLag + 2 {
		own[lag] = correlate(hann[:], lag)
	}
	var loudest float64
	for _, v := range x {
		loudest = max(loudest, math.Abs(float64(v)))
	}
	var f0 []float64
	r := make([]float64, maxLag+2)
	for centre := 0; centre < len(x); centre += hop {
		frame := make([]float64, window)
		var mean, peak float64
		for i := range frame {
			if at := centre - window/2 + i; at >= 0 && at < len(x) {
				frame[i] = float64(x[at])
				mean += frame[i] / window
			}
		}
		for i := range frame {
			peak = max(peak, math.Abs(frame[i]-mean))
			frame[i] = (frame[i] - mean) * hann[i]
		}
		best, at := 0.45, 0.0 // Praat's threshold of voicing
		if peak > 0.03*loudest {
			for lag := minLag - 1; lag <= maxLag+1; lag++ {
				r[lag] = correlate(frame, lag) / correlate(frame, 0) * own[0] / own[lag]
			}
			for lag := minLag; lag <= maxLag; lag++ {
				strength := r[lag] - 0.02*math.Log2(float64(lag)/float64(minLag))
				if r[lag] > r[lag-1] && r[lag] >= r[lag+1] && strength > best {
					best, at = strength, float64(rate)/float64(lag)
				}
			}
		}
		f0 = append(f0, at)
	}
	smooth := slices.Clone(f0)
	for i := 2; i+2 < len(f0); i++ {
		five := slices.Clone(f0[i-2 : i+3])
		slices.Sort(five)
		smooth[i] = five[2]
	}
	return smooth
}

// TestPitchOfSpeech: two trackers that know nothing of each other agree on the
// recordings, within 5 % on at least 90 % of the frames that both call voiced.
func TestPitchOfSpeech(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "speech", "*.flac"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	p := dsp.NewPitch(dsp.StandardPitch)
	for _, path := range paths {
		x, err := audio.ReadFile(path, 24000)
		if err != nil {
			t.Fatal(err)
		}
		other := autocorrelationPitch(x, 24000, 300)
		track := p.Track(x)
		var both, agree, same int
		var voices []float64
		for i, f := range track {
			if (f.F0 > 0) == (other[i] > 0) {
				same++
			}
			if f.F0 == 0 {
				continue
			}
			voices = append(voices, f.F0)
			if other[i] > 0 {
				both++
				if math.Abs(f.F0/other[i]-1) < 0.05 {
					agree++
				}
			}
		}
		slices.Sort(voices)
		share := float64(agree) / float64(both)
		t.Logf("%s: agreement on %.1f %% of %d frames, on voicing on %.1f %%; %.0f Hz (%.0f to %.0f), voiced %.0f %%", filepath.Base(path),
			100*share, both, 100*float64(same)/float64(len(track)), voices[len(voices)/2], voices[0], voices[len(voices)-1], 100*float64(len(voices))/float64(len(track)))
		if share < 0.9 || both < len(track)/4 || float64(same) < 0.8*float64(len(track)) {
			t.Errorf("%s: agreement on %d of %d frames with a voice, on voicing on %d of %d", path, agree, both, same, len(track))
		}
	}
}
