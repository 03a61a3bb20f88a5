package facodec

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

// atLevel writes a clip with its peak at a level in dBFS, as floats.
func atLevel(t *testing.T, name string, x []float32, gain float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	w, err := audio.Create(path, 24000, audio.F32)
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(gain * float64(v))
	}
	if err := w.Write(y); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNormalize: what is spoken follows the level of the source and nothing else:
// to the bit for powers of two, and else but for rounding, down to -42 dB.
func TestNormalize(t *testing.T) {
	c := smallCodec(t)
	x := vowel(12000, 24000)
	peak := slices.Max(x)
	for _, v := range x {
		peak = max(peak, -v)
	}
	voice, err := c.NormalizedVoiceOfFiles(t.Context(), atLevel(t, "voice.wav", vowel(9000, 24000), 0.01))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.NewDecoder(voice.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	speak := func(source string, convert bool) []float32 {
		out, o := filepath.Join(t.TempDir(), "out.wav"), FileOptions{SampleFormat: audio.F32, Normalize: true}
		if convert {
			_, err = c.ConvertFile(t.Context(), source, out, d, o)
		} else {
			_, err = c.ReconstructFile(t.Context(), source, out, o)
		}
		if err != nil {
			t.Fatal(err)
		}
		y, err := audio.ReadFile(out, 24000)
		if err != nil {
			t.Fatal(err)
		}
		return y
	}
	for _, convert := range []bool{false, true} {
		want := speak(atLevel(t, "x.wav", x, 1), convert)
		for _, power := range []int{-7, -1, 2} {
			gain := math.Ldexp(1, power)
			for i, v := range speak(atLevel(t, "x.wav", x, gain), convert) {
				if v != float32(gain)*want[i] {
					t.Fatalf("convert %v, gain 2^%d: sample %d is %v, want %v", convert, power, i, v, float32(gain)*want[i])
				}
			}
		}
		for _, gain := range []float64{0.01, 0.3} {
			var fault, power float64
			for i, v := range speak(atLevel(t, "x.wav", x, gain), convert) {
				e := float64(v) - gain*float64(want[i])
				fault += e * e
				power += gain * gain * float64(want[i]) * float64(want[i])
			}
			if fault > 1e-6*power {
				t.Errorf("convert %v, gain %v: error %.1f dB", convert, gain, 10*math.Log10(fault/power))
			}
		}
	}

	// What is encoded has peak 1; without --normalize it has its own.
	scaledUp := make([]float32, len(x))
	for i, v := range x {
		scaledUp[i] = v * (1 / peak)
	}
	tokens, err := c.Encode(scaledUp)
	if err != nil {
		t.Fatal(err)
	}
	for _, normalize := range []bool{true, false} {
		clip, err := c.measureFile(t.Context(), atLevel(t, "x.wav", x, 1), FileOptions{Normalize: normalize})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(clip.timbre, tokens.Timbre) != normalize {
			t.Errorf("normalize %v: timbre of another level", normalize)
		}
	}
	// An extract, an enrolled voice and the library agree.
	same, err := c.NormalizedVoiceOfFiles(t.Context(), atLevel(t, "x.wav", x, 0.25))
	if err != nil || !slices.Equal(same.Timbre, tokens.Timbre) {
		t.Errorf("a voice at peak 1 has another timbre (error %v)", err)
	}
}

// TestNormalizeSilence: nothing to scale is no error, and no infinity.
func TestNormalizeSilence(t *testing.T) {
	c := smallCodec(t)
	for _, gain := range []float64{0, 0x1p-140} {
		source := atLevel(t, "x.wav", vowel(2000, 24000), gain)
		if got, err := c.gainOf(t.Context(), source, FileOptions{Normalize: true}); err != nil || got != 1 {
			t.Errorf("gain %v, %v", got, err)
		}
	}
}
