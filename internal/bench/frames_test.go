package bench

import (
	"fmt"
	"testing"

	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
)

// small is a codec of the standard layers that takes milliseconds.
const small = `{"model_params": {"latent_dim": 24, "codebook_size": 32, "codebook_dim": 4, "prosody_hidden_dim": 16,
	"prosody_layers": 2, "timbre_hidden_dim": 16, "DAC": {"encoder_dim": 2, "decoder_dim": 32}}}`

// opened returns codecs by name, until the test ends.
func opened(t *testing.T, threads int, precision nn.Precision) map[string]*codec.Codec {
	t.Helper()
	o := codec.Options{Threads: threads, Precision: precision}
	builtIn, err := codec.Open(codec.InMemory(defaultmodel.FileName, defaultmodel.Checkpoint()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(builtIn.Close)
	if o.Config, err = config.Parse("small.json", []byte(small)); err != nil {
		t.Fatal(err)
	}
	standard, err := codec.OpenRandom(1, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standard.Close)
	return map[string]*codec.Codec{"standard": standard, "default": builtIn}
}

// TestFramesAllocateNothing: once a stream has settled, converting another frame, or
// another few, takes no memory.
func TestFramesAllocateNothing(t *testing.T) {
	for _, how := range []struct {
		threads   int
		precision nn.Precision
	}{{1, nn.Exact}, {2, nn.Exact}, {2, nn.BF16}, {2, nn.Fast}} {
		for name, c := range opened(t, how.threads, how.precision) {
			for _, frames := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s, %d threads, %s, %d frames a call", name, how.threads, how.precision, frames), func(t *testing.T) {
					size := frames * c.Hop
					samples := Vowel(size, c.SampleRate)
					e, d := c.NewEncoder(c.Pool), c.NewDecoder(make([]float32, c.Timbre), c.Pool)
					var codes model.Codes
					var out []float32
					call := func() {
						codes.Clear()
						e.Append(&codes, samples, false)
						out = d.Append(out[:0], codes.Only(model.ConversionParts...), false)
					}
					for range 60 {
						call()
					}
					if n := testing.AllocsPerRun(50, call); n != 0 {
						t.Errorf("%v allocations in a call", n)
					}
					if len(out) != size {
						t.Errorf("%d samples of %d", len(out), size)
					}
				})
			}
		}
	}
}

func TestFrames(t *testing.T) {
	c := opened(t, 2, nn.Exact)["standard"]
	for _, frames := range []int{1, 4} {
		r := Frames(c, frames, 0.5)
		if r.Frames != frames || r.RealTimeFactor <= 0 || r.Median <= 0 || r.P99 < r.Median {
			t.Errorf("%d frames a call: %+v", frames, r)
		}
	}
}
