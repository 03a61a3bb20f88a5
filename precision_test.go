package facodec_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/codectest"
)

// The bounds of facodec.Fast against facodec.Exact, on speech.
const (
	fastNoise = -60   // dB below the decoded sound
	fastCodes = 0.999 // of the codes, equal
)

// smallCodes is fastCodes of the small codec, whose random entries lie closer together than
// those of a codec of the standard size: 3 of 2,880 codes, one frame, differ.
const smallCodes = 0.998

// TestFastBound measures them with a small codec, the built-in model and, where
// FACODEC_HEAVY is set, the standard codec with random weights.
func TestFastBound(t *testing.T) {
	small := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	models := map[string]func(...facodec.Option) (*facodec.Codec, error){
		"small": func(o ...facodec.Option) (*facodec.Codec, error) { return facodec.Open(small, o...) },
	}
	files, seconds := 3, 2
	if os.Getenv("FACODEC_HEAVY") != "" {
		files, seconds = 100, 4
		models["built-in"] = defaultmodel.Open
		models["standard"] = func(o ...facodec.Option) (*facodec.Codec, error) { return facodec.OpenRandom(1, o...) }
	}
	paths, err := filepath.Glob("testdata/speech/*.flac")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no speech: %v", err)
	}
	for name, open := range models {
		t.Run(name, func(t *testing.T) {
			codecs := map[string]*facodec.Codec{}
			for _, precision := range []string{facodec.Exact, facodec.Fast} {
				c, err := open(facodec.WithPrecision(precision))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				codecs[precision] = c
			}
			exact, fast := codecs[facodec.Exact], codecs[facodec.Fast]
			if fast.Precision() != facodec.Fast || exact.Precision() != facodec.Exact {
				t.Fatalf("precisions %s and %s", exact.Precision(), fast.Precision())
			}
			equal, all := 0, 0
			var noise, sound float64
			for _, path := range paths[:min(files, len(paths))] {
				samples, err := audio.ReadFile(path, exact.SampleRate())
				if err != nil {
					t.Fatal(err)
				}
				samples = samples[:min(len(samples), seconds*exact.SampleRate())]
				want, err := exact.Encode(samples)
				if err != nil {
					t.Fatal(err)
				}
				got, err := fast.Encode(samples)
				if err != nil {
					t.Fatal(err)
				}
				for part := range want.Codes {
					for book := range want.Codes[part] {
						for i, code := range want.Codes[part][book] {
							all++
							if got.Codes[part][book][i] == code {
								equal++
							}
						}
					}
				}
				a, err := exact.Decode(want)
				if err != nil {
					t.Fatal(err)
				}
				b, err := fast.Decode(want)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range a {
					noise += float64(v-b[i]) * float64(v-b[i])
					sound += float64(v) * float64(v)
				}
			}
			least := fastCodes
			if name == "small" {
				least = smallCodes
			}
			level := 10 * math.Log10(noise/sound)
			t.Logf("%.1f dB, %d of %d codes equal", level, equal, all)
			if !(level <= fastNoise) || float64(equal) < least*float64(all) {
				t.Errorf("%.1f dB, at most %d; %d of %d codes equal, at least %.1f %%", level, fastNoise, equal, all, 100*least)
			}
		})
	}
}

// TestSameCodesSameSound: the built-in model's phases add up over an utterance, and so would
// whatever a precision changed in them: the same codes are the same samples at every precision.
func TestSameCodesSameSound(t *testing.T) {
	samples, err := audio.ReadFile("testdata/speech/en.flac", 24000)
	if err != nil {
		t.Fatal(err)
	}
	var tokens *facodec.Tokens
	var want []float32
	for _, precision := range []string{facodec.Exact, facodec.Fast, facodec.BF16, facodec.Int8} {
		c, err := defaultmodel.Open(facodec.WithPrecision(precision))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if tokens == nil {
			if tokens, err = c.Encode(samples); err != nil {
				t.Fatal(err)
			}
		}
		got, err := c.Decode(tokens)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: another waveform", precision)
		}
	}
}
