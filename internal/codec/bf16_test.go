package codec

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
)

// The bounds that a precision holds against exact: noise in what the decoder makes of the
// same codes, and codes of the first books that differ.
const (
	maxNoise    = -35.0 // dB
	minSameCode = 0.98
)

// A likeness says how near a precision comes to exact.
type likeness struct {
	first, all float64 // codes that are the same, of the first books and of all
	noise      float64 // in dB, of the same codes decoded in the same voice
	mel        float64 // distance of the log-mels of these, in bits
	timbre     float64 // noise of the timbre, in dB
	whole      float64 // in dB, from samples to samples
}

// compare reconstructs clips with both codecs.
func compare(exact, near *Codec, clips [][]float32) (l likeness) {
	var first, firstSame, all, allSame int
	var noise, signal, timbreNoise, timbreSignal, wholeNoise float64
	mel := metric.NewMelDistance(exact.SampleRate)
	for _, x := range clips {
		reconstruct := func(c *Codec) (model.Codes, []float32, []float32) {
			a := c.NewAnalyzer(c.Pool)
			codes := a.Push(x, true)
			timbre := a.Timbre()
			return codes, timbre, c.NewDecoder(timbre, c.Pool).Push(codes, true)
		}
		want, timbre, y := reconstruct(exact)
		got, gotTimbre, z := reconstruct(near)
		same := near.NewDecoder(timbre, near.Pool).Push(want, true)
		for part, books := range want {
			for i, book := range books {
				for j, v := range book {
					equal := 0
					if got[part][i][j] == v {
						equal = 1
					}
					all, allSame = all+1, allSame+equal
					if i == 0 {
						first, firstSame = first+1, firstSame+equal
					}
				}
			}
		}
		add := func(noise, signal *float64, a, b []float32) {
			for i, v := range a {
				d := float64(v - b[i])
				*noise += d * d
				*signal += float64(v) * float64(v)
			}
		}
		add(&noise, &signal, y, same)
		var again float64
		add(&wholeNoise, &again, y, z)
		add(&timbreNoise, &timbreSignal, timbre, gotTimbre)
		l.mel += mel.Distance(y, same) / float64(len(clips))
	}
	l.first, l.all = float64(firstSame)/float64(first), float64(allSame)/float64(all)
	l.noise, l.timbre = 10*math.Log10(noise/signal), 10*math.Log10(timbreNoise/timbreSignal)
	l.whole = 10 * math.Log10(wholeNoise/signal)
	return l
}

// speech returns the beginnings of the recordings of testdata/speech.
func speech(t *testing.T, seconds float64, rate int) (clips [][]float32) {
	paths, _ := filepath.Glob("../../testdata/speech/*.flac")
	for _, path := range paths {
		x, err := audio.ReadFile(path, rate)
		if err != nil {
			t.Fatal(err)
		}
		clips = append(clips, x[:min(len(x), int(seconds*float64(rate)))])
	}
	return clips
}

// builtIn returns the path of the built-in model.
func builtIn(t *testing.T) string {
	paths, err := filepath.Glob("../../defaultmodel/facodec-*.safetensors")
	if err != nil || len(paths) != 1 {
		t.Fatalf("built-in models: %q, %v", paths, err)
	}
	return paths[0]
}

// TestPrecisionOnSpeech compares on recorded speech, with the trained model and, at full size, with
// random weights of both families.
func TestPrecisionOnSpeech(t *testing.T) {
	origins := map[string]func(o Options) (*Codec, error){
		"built-in": func(o Options) (*Codec, error) { return Open(OnDisk(builtIn(t)), o) },
	}
	if os.Getenv("FACODEC_HEAVY") != "" {
		origins["FAcodec, random"] = func(o Options) (*Codec, error) { return OpenRandom(1, o) }
		origins["NaturalSpeech 3, random"] = func(o Options) (*Codec, error) {
			o.Family = NaturalSpeech3
			return OpenRandom(1, o)
		}
	}
	for name, open := range origins {
		for _, precision := range []nn.Precision{nn.BF16, nn.Int8} {
			t.Run(name+", "+string(precision), func(t *testing.T) {
				exact, err := open(Options{Precision: nn.Exact})
				if err != nil {
					t.Fatal(err)
				}
				defer exact.Close()
				near, err := open(Options{Precision: precision})
				if err != nil {
					t.Fatal(err)
				}
				defer near.Close()
				l := compare(exact, near, speech(t, 1, exact.SampleRate))
				t.Logf("%.2f %% of first-book codes and %.2f %% of all; the same codes decoded: %.1f dB, mel distance %.4f; timbre %.1f dB; whole %.1f dB; weights %d MB",
					100*l.first, 100*l.all, l.noise, l.mel, l.timbre, l.whole, near.region.Bytes()>>20)
				if !(l.noise <= maxNoise) || l.first < minSameCode {
					t.Errorf("wants %v dB and %v of the codes", maxNoise, minSameCode)
				}
				if l.noise < -100 && name != "built-in" { // whose decoder is exact at every precision
					t.Error("it is exact")
				}
			})
		}
	}
}

// TestInChunks: whole utterances, chunks of any size and any number of threads give
// the same codes and samples.
func TestInChunks(t *testing.T) {
	for _, precision := range []nn.Precision{nn.Fast, nn.BF16, nn.Int8} {
		t.Run(string(precision), func(t *testing.T) { testInChunks(t, precision) })
	}
}

func testInChunks(t *testing.T, precision nn.Precision) {
	c := config.Default()
	m := &c.Model
	m.LatentDim, m.CodebookSize, m.CodebookDim = 72, 50, 5
	m.ProsodyHidden, m.ProsodyLayers, m.TimbreHidden = 24, 3, 20
	m.DAC.EncoderDim, m.DAC.DecoderDim = 9, 144
	open := func(threads int) *Codec {
		c, err := OpenRandom(3, Options{Precision: precision, Config: c, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	one, two := open(1), open(2)
	x := speech(t, 0.7, one.SampleRate)[0]
	whole := one.NewAnalyzer(one.Pool)
	codes := whole.Push(x, true)
	timbre := whole.Timbre()
	y := one.NewDecoder(timbre, one.Pool).Push(codes, true)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 5, 40} {
		for _, c := range []*Codec{one, two} {
			var got model.Codes
			e := c.NewEncoder(c.Pool)
			for from := 0; from < len(x); {
				to := min(len(x), from+1+rng.IntN(2*size*c.Hop))
				got.Append(e.Push(x[from:to], to == len(x)))
				from = to
			}
			if !reflect.DeepEqual(got, codes) {
				t.Fatalf("other codes from chunks of about %d frames, %d threads", size, c.Pool.Threads())
			}
			var samples []float32
			d := c.NewDecoder(timbre, c.Pool)
			for from := 0; from < got.Frames(); {
				to := min(got.Frames(), from+1+rng.IntN(2*size))
				samples = append(samples, d.Push(got.Slice(from, to), to == got.Frames())...)
				from = to
			}
			if !slices.Equal(samples, y) {
				t.Fatalf("other samples from chunks of about %d frames, %d threads", size, c.Pool.Threads())
			}
		}
	}
}
