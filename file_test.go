package facodec

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codectest"
)

// atLevel writes a clip scaled by gain, as floats.
func atLevel(t *testing.T, name string, x []float32, gain float64) string {
	t.Helper()
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(gain * float64(v))
	}
	path, _ := codectest.WAV(t, name, y)
	return path
}

// TestNormalize: the output follows the level of the source and nothing else:
// to the bit for powers of two, and else but for rounding, down to -42 dB.
func TestNormalize(t *testing.T) {
	c := smallCodec(t)
	x := codectest.Vowel(12000, 24000)
	peak := slices.Max(x)
	for _, v := range x {
		peak = max(peak, -v)
	}
	voice, err := c.EnrollFiles(t.Context(), []string{atLevel(t, "voice.wav", codectest.Vowel(9000, 24000), 0.01)}, EnrollOptions{Normalize: true})
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.NewDecoder(voice.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	decoded := func(source string, convert bool) []float32 {
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
		want := decoded(atLevel(t, "x.wav", x, 1), convert)
		for _, power := range []int{-7, -1, 2} {
			gain := math.Ldexp(1, power)
			for i, v := range decoded(atLevel(t, "x.wav", x, gain), convert) {
				if v != float32(gain)*want[i] {
					t.Fatalf("convert %v, gain 2^%d: sample %d is %v, want %v", convert, power, i, v, float32(gain)*want[i])
				}
			}
		}
		for _, gain := range []float64{0.01, 0.3} {
			var fault, power float64
			for i, v := range decoded(atLevel(t, "x.wav", x, gain), convert) {
				e := float64(v) - gain*float64(want[i])
				fault += e * e
				power += gain * gain * float64(want[i]) * float64(want[i])
			}
			if fault > 1e-6*power {
				t.Errorf("convert %v, gain %v: error %.1f dB", convert, gain, 10*math.Log10(fault/power))
			}
		}
	}

	// What is encoded has peak 1; without Normalize it has its own.
	scaledUp := make([]float32, len(x))
	for i, v := range x {
		scaledUp[i] = v * (1 / peak)
	}
	tokens, err := c.Encode(scaledUp)
	if err != nil {
		t.Fatal(err)
	}
	for _, normalize := range []bool{true, false} {
		voice, err := c.EnrollFiles(t.Context(), []string{atLevel(t, "x.wav", x, 1)}, EnrollOptions{Normalize: normalize})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(voice.Timbre, tokens.Timbre) != normalize {
			t.Errorf("normalize %v: timbre of another level", normalize)
		}
	}
	same, err := c.EnrollFiles(t.Context(), []string{atLevel(t, "x.wav", x, 0.25)}, EnrollOptions{Normalize: true})
	if err != nil || !slices.Equal(same.Timbre, tokens.Timbre) {
		t.Errorf("a voice at peak 1 has another timbre (error %v)", err)
	}
}
