package model

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// small returns a codec of every layer and odd sizes that takes milliseconds.
func small(causal bool, lstm int) *config.Config {
	c := config.Default()
	m := &c.Model
	m.Causal, m.LSTM = causal, lstm
	m.LatentDim, m.CodebookSize, m.CodebookDim = 40, 50, 5
	m.ProsodyHidden, m.ProsodyLayers, m.TimbreHidden = 24, 3, 20
	m.DAC.EncoderDim, m.DAC.DecoderDim = 4, 48
	return c
}

// speechlike returns n samples that keep every code book busy.
func speechlike(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n)
	var low float32
	for i := range x {
		low = 0.97*low + 0.2*(rng.Float32()-0.5)
		x[i] = low
	}
	return x
}

// chunked calls push with pieces of x, of sizes that next gives, and says of the
// last that it is the last.
func chunked(n int, next func() int, push func(from, to int, last bool)) {
	for from := 0; ; {
		to := min(n, from+next())
		push(from, to, to == n)
		if from = to; from == n {
			return
		}
	}
}

// sizes are the chunk sizes of the contract, in units of a frame, and random
// ones that need not be whole frames.
func sizes(hop int) map[string]func() int {
	rng := rand.New(rand.NewPCG(3, 4))
	all := map[string]func() int{
		"random samples": func() int { return rng.IntN(3 * hop) },
		"random frames":  func() int { return rng.IntN(20) * hop },
	}
	for _, frames := range []int{1, 2, 3, 7, 10, 64} {
		all[fmt.Sprint(frames, " frames")] = func() int { return frames * hop }
	}
	return all
}

// TestChunksAreExact proves the contract on small networks: codes and samples
// do not depend on how the input is cut, nor on the number of threads.
func TestChunksAreExact(t *testing.T) {
	for _, c := range []struct {
		causal bool
		lstm   int
	}{{true, 2}, {true, 0}, {false, 0}, {false, 1}} {
		for _, precision := range []nn.Precision{nn.Exact, nn.Fast} {
			t.Run(fmt.Sprintf("causal=%v lstm=%d %s", c.causal, c.lstm, precision), func(t *testing.T) {
				for _, n := range []int{1, 2, 299, 300, 301, 1024, 1025, 2999, 3000, 3001, 20000 + 17} {
					checkContract(t, small(c.causal, c.lstm), precision, n, []int{1, 2, 3})
				}
			})
		}
	}
}

// TestChunksAreExactFullSize is the same on the standard codec.
func TestChunksAreExactFullSize(t *testing.T) {
	if os.Getenv("FACODEC_HEAVY") == "" {
		t.Skip("set FACODEC_HEAVY=1 to run this on full-size networks")
	}
	for _, precision := range []nn.Precision{nn.Exact, nn.Fast} {
		checkContract(t, config.Default(), precision, 70*300+17, []int{1, 2, 3})
	}
}

func checkContract(t *testing.T, c *config.Config, precision nn.Precision, n int, threads []int) {
	t.Helper()
	wave := speechlike(n)
	var wantCodes Codes
	var wantWave, wantTimbre []float32
	for i, count := range threads {
		pool := parallel.New(count)
		defer pool.Close()
		codec := loadRandomAt(t, precision, CodecConfigOf(c), 7, pool)
		hop := codec.Hop()
		timbre := timbreOf(codec, pool, wave)
		codes := codec.NewEncoderStream(pool).Push(wave, true)
		out := codec.NewDecoderStream(timbre, pool).Push(codes, true)
		if i == 0 {
			wantCodes, wantWave, wantTimbre = codes, out, timbre
			if frames := (n + hop - 1) / hop; codes.Frames() != frames || len(out) != frames*hop {
				t.Fatalf("%d samples gave %d codes and %d samples", n, codes.Frames(), len(out))
			}
			for _, v := range out {
				if v != v {
					t.Fatal("NaN in the output")
				}
			}
		}
		if !reflect.DeepEqual(codes, wantCodes) || !slices.Equal(out, wantWave) || !slices.Equal(timbre, wantTimbre) {
			t.Errorf("%d samples: %d threads give another result than %d", n, count, threads[0])
		}
		if count != 2 {
			continue
		}
		encoder, decoder := codec.NewEncoderStream(pool), codec.NewDecoderStream(timbre, pool)
		for name, next := range sizes(hop) {
			encoder.Reset()
			decoder.Reset()
			var got Codes
			chunked(n, next, func(from, to int, last bool) { got.Append(encoder.Push(wave[from:to], last)) })
			if !reflect.DeepEqual(got, wantCodes) {
				t.Errorf("%d samples in chunks of %s: other codes", n, name)
			}
			var samples []float32
			chunked(codes.Frames(), func() int { return (next() + hop - 1) / hop }, func(from, to int, last bool) {
				samples = append(samples, decoder.Push(codes.Slice(from, to), last)...)
			})
			if !slices.Equal(samples, wantWave) {
				t.Errorf("%d samples in chunks of %s: other samples", n, name)
			}
			s := codec.NewTimbreStream(pool)
			chunked(n, next, func(from, to int, _ bool) { s.Push(wave[from:to]) })
			s.EndClip()
			if !slices.Equal(s.Timbre(), wantTimbre) {
				t.Errorf("%d samples in chunks of %s: another timbre", n, name)
			}
		}
	}
}

// TestOneCallIsAStream compares the streams with each network run once over the
// whole utterance.
func TestOneCallIsAStream(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	for _, causal := range []bool{true, false} {
		codec := loadRandom(t, CodecConfigOf(small(causal, 2)), 3, pool)
		wave := speechlike(130*300 + 50) // more than two of a stream's blocks
		r := op.NewRun(pool)
		r.Last = true
		z := codec.Encoder.Forward(r, column(wave))
		parts := codec.Quantizer.Quantize(r, codec.Quantizer.ProsodyFeatures(r, prosodyMel(codec, wave)), z)
		codes := codec.NewEncoderStream(pool).Push(wave, true)
		if !reflect.DeepEqual(codes, parts.Codes()) {
			t.Errorf("causal=%v: the stream's codes are not those of the whole utterance", causal)
		}
		timbre := timbreOf(codec, pool, wave)
		q := codec.Quantizer
		r.Reset()
		r.Last = true
		y := codec.Decode(r, q.Decode(r, codes), codec.Modulation(r, timbre))
		if got := codec.NewDecoderStream(timbre, pool).Push(codes, true); !slices.Equal(got, y.ToBCT()) {
			t.Errorf("causal=%v: the stream's samples are not those of the whole utterance", causal)
		}
	}
}

// TestRedecoderChunksAreExact proves the contract for the redecoder, which is
// not causal: every layer waits for the rows it looks ahead to.
func TestRedecoderChunksAreExact(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	c := config.DefaultRedecoder()
	c.Model.LatentDim, c.Model.CodebookSize, c.Model.DAC.DecoderDim, c.Redecoder.WavenetEmbedDim = 24, 30, 48, 20
	redecoder := NewRedecoder(RedecoderConfigOf(c))
	loadParams(t, redecoder.Params(), "", 5, func(src weights.Source, region *tensor.Region) error {
		return redecoder.Load(src, region, pool)
	})
	rng := rand.New(rand.NewPCG(5, 6))
	timbre := make([]float32, 24)
	for i := range timbre {
		timbre[i] = rng.Float32() - 0.5
	}
	for _, frames := range []int{1, 2, 5, 33, 150} {
		content := make([]int32, frames)
		for i := range content {
			content[i] = rng.Int32N(30)
		}
		codes := Codes{Content: [][]int32{content}}
		r := op.NewRun(pool)
		r.Last = true
		z := redecoder.Latents(r, nil, single(r, codes[Content]), frames, redecoder.Condition(r, timbre))
		want := redecoder.Decode(r, z).ToBCT()
		if len(want) != frames*300 {
			t.Fatalf("%d frames gave %d samples", frames, len(want))
		}
		s := redecoder.NewStream(timbre, pool)
		for name, next := range sizes(1) {
			s.Reset()
			var got []float32
			chunked(frames, next, func(from, to int, last bool) { got = append(got, s.Push(codes.Slice(from, to), last)...) })
			if !slices.Equal(got, want) {
				t.Errorf("%d frames in chunks of %s: other samples", frames, name)
			}
		}
	}
}

// TestLongVoiceIsWindowed checks that past a minute the timbre is the mean of
// windows, weighted by their frames.
func TestLongVoiceIsWindowed(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	codec := loadRandom(t, CodecConfigOf(small(true, 0)), 3, pool)
	hop, rate := codec.Hop(), codec.FrameRate()
	wave := speechlike(95*rate*hop + 100)
	s := codec.NewTimbreStream(pool)
	s.Push(wave)
	if held := len(s.rows) / codec.Mel.Mels; held > (timbreWhole+1)*rate {
		t.Errorf("%d frames held", held)
	}
	s.EndClip()
	if want := 95 * rate; s.frames != want {
		t.Errorf("%d frames in the mean, want %d", s.frames, want)
	}
	// The windows are 30 s, 30 s and 35 s.
	var rows []float32
	mel := codec.NewTimbreStream(pool)
	mel.mel.Push(wave, true, func(frame []float32) { rows = append(rows, frame...) })
	want := make([]float64, len(s.sum))
	at := 0
	for _, n := range []int{30 * rate, 30 * rate, 35 * rate} {
		mel.rows, mel.sum, mel.frames = rows[at*codec.Mel.Mels:], make([]float64, len(want)), 0
		mel.window(n)
		for i, v := range mel.sum {
			want[i] += v
		}
		at += n
	}
	for i := range want {
		if float32(want[i]/float64(95*rate)) != s.Timbre()[i] {
			t.Fatalf("timbre[%d] is %v, want %v", i, s.Timbre()[i], want[i]/float64(95*rate))
		}
	}
}
