package ns3

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// speechlike returns n samples that keep every codebook busy.
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

// chunked calls push with pieces of n, of sizes that next gives, and says of the last
// that it is the last, which at times has nothing in it.
func chunked(n int, next func() int, push func(from, to int, last bool)) {
	for from := 0; ; {
		to := min(n, from+next())
		last := to == n && (from == n || to%2 == 0)
		push(from, to, last)
		if from = to; last {
			return
		}
	}
}

// sizes are chunk sizes in samples; in units of unit and random ones.
func sizes(unit int) map[string]func() int {
	rng := rand.New(rand.NewPCG(3, 4))
	all := map[string]func() int{
		"random samples": func() int { return rng.IntN(3*unit + 1) },
		"random frames":  func() int { return rng.IntN(20) * unit },
	}
	for _, frames := range []int{1, 7, 64} {
		all[fmt.Sprint(frames, " frames")] = func() int { return frames * unit }
	}
	return all
}

// TestChunksAreExact proves the contract on small networks: codes, timbre and samples
// do not depend on how the input is cut, nor on the number of threads.
func TestChunksAreExact(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("v2=%v", v2), func(t *testing.T) {
			one, three := parallel.New(1), parallel.New(3)
			defer one.Close()
			defer three.Close()
			codec := loadRandom(t, small(v2), 7, three)
			for _, n := range []int{1, 151, 200, 201, 412, 413, 5000, 14*Hop + 17, 70*Hop + 17} {
				checkChunks(t, codec, speechlike(n), one, three)
			}
		})
	}
}

func checkChunks(t *testing.T, codec *Codec, wave []float32, one, three *parallel.Pool) {
	t.Helper()
	n := len(wave)
	s := codec.NewAnalysisStream(one)
	codes := s.Push(wave, true)
	timbre := s.Timbre()
	samples := codec.NewDecoderStream(timbre, one).Push(codes, true)
	frames := (n + Hop - 1) / Hop
	if codes.Frames() != frames || len(samples) != frames*Hop {
		t.Fatalf("%d samples gave %d frames and %d samples", n, codes.Frames(), len(samples))
	}
	if err := codes.Check(codec.Quantizer.config.Books, codec.Quantizer.config.CodebookSize); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(samples, func(v float32) bool { return v != v }) {
		t.Fatal("NaN in the output")
	}
	s, clips, decoder := codec.NewAnalysisStream(three), codec.NewTimbreStream(three), codec.NewDecoderStream(timbre, three)
	for name, next := range sizes(Hop) {
		s.Reset()
		decoder.Reset()
		clips.timbre.Reset()
		var gotCodes model.Codes
		chunked(n, next, func(from, to int, last bool) {
			gotCodes.Append(s.Push(wave[from:to], last))
			clips.Push(wave[from:to])
		})
		clips.EndClip()
		if !reflect.DeepEqual(gotCodes, codes) {
			t.Errorf("%d samples in chunks of %s: other codes", n, name)
		}
		if !slices.Equal(s.Timbre(), timbre) || !slices.Equal(clips.Timbre(), timbre) {
			t.Errorf("%d samples in chunks of %s: another timbre", n, name)
		}
		var got []float32
		chunked(frames, func() int { return (next() + Hop - 1) / Hop }, func(from, to int, last bool) {
			got = append(got, decoder.Push(codes.Slice(from, to), last)...)
		})
		if !slices.Equal(got, samples) {
			t.Errorf("%d samples in chunks of %s: other samples", n, name)
		}
	}
}

// TestOneCallIsAStream compares the streams with each network run once over the whole
// utterance.
func TestOneCallIsAStream(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	for _, v2 := range []bool{false, true} {
		codec := loadRandom(t, small(v2), 3, pool)
		wave := speechlike(130*Hop + 50) // more than two of a stream's blocks
		r := wholeRun(pool)
		z := codec.Encoder.Forward(r, column(padded(wave)))
		timbre := make([]float32, z.C)
		for i, v := range op.Mean(codec.Timbre.Forward(r, r.Borrow(z), nil))[0] {
			timbre[i] = float32(v)
		}
		prosody := r.Borrow(z)
		if v2 {
			prosody = codec.Prosody.Forward(r, codec.ProsodyFeatures(r, codec.Mel.stream().Push(padded(wave), true)), nil)
		}
		codes := codec.Quantizer.Quantize(r, prosody, z).Codes()
		s := codec.NewAnalysisStream(pool)
		if got := s.Push(wave, true); !reflect.DeepEqual(got, codes) || !slices.Equal(s.Timbre(), timbre) {
			t.Errorf("v2=%v: the stream's codes or timbre are not those of the whole utterance", v2)
		}
		d := codec.Decoder
		y := d.Forward(r, d.Modulate(r, codec.Quantizer.Decode(r, codes), d.Modulation(r, timbre)))
		if got := codec.NewDecoderStream(timbre, pool).Push(codes, true); !slices.Equal(got, y.ToBCT()) {
			t.Errorf("v2=%v: the stream's samples are not those of the whole utterance", v2)
		}
	}
}

// TestNothing: an utterance without samples has no frames, and no timbre.
func TestNothing(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	for _, v2 := range []bool{false, true} {
		codec := loadRandom(t, small(v2), 3, pool)
		s := codec.NewAnalysisStream(pool)
		if n := s.Push(nil, true).Frames(); n != 0 || slices.ContainsFunc(s.Timbre(), func(v float32) bool { return v != 0 }) {
			t.Errorf("%d frames, timbre %v", n, s.Timbre())
		}
		if got := codec.NewDecoderStream(s.Timbre(), pool).Push(model.Codes{}, true); len(got) != 0 {
			t.Errorf("%d samples", len(got))
		}
	}
}

// TestDelay: version 1 gives codes, and the decoder samples, as soon as what they
// depend on has been seen: 5277 samples behind a frame's first, and 28 frames behind a
// sample's (what info states).
func TestDelay(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	codec := loadRandom(t, small(false), 5, pool)
	wave := speechlike(100 * Hop)
	s := codec.NewEncoderStream(pool)
	var codes model.Codes
	for i := range wave {
		codes.Append(s.Push(wave[i:i+1], false))
		if want := max(0, (i-EncoderLookahead)/Hop+1); i >= EncoderLookahead && codes.Frames() != want {
			t.Fatalf("%d frames after %d samples, want %d", codes.Frames(), i+1, want)
		} else if i < EncoderLookahead && codes.Frames() > 0 {
			t.Fatalf("a frame after %d samples", i+1)
		}
	}
	codes.Append(s.Push(nil, true))
	decoder := codec.NewDecoderStream(make([]float32, 16), pool)
	total := 0
	for i := range codes.Frames() {
		total += len(decoder.Push(codes.Slice(i, i+1), false))
		if done := total / Hop; done > max(0, i+1-DecoderLookahead) || done < i-DecoderLookahead {
			t.Fatalf("%d samples after %d frames", total, i+1)
		}
	}
}

// TestRedecoderChunksAreExact proves the contract for the redecoder.
func TestRedecoderChunksAreExact(t *testing.T) {
	one, three := parallel.New(1), parallel.New(3)
	defer one.Close()
	defer three.Close()
	redecoder := loadRandomRedecoder(t, smallRedecoder(), 5, three)
	rng := rand.New(rand.NewPCG(5, 6))
	timbre := make([]float32, 16)
	for i := range timbre {
		timbre[i] = rng.Float32() - 0.5
	}
	for _, frames := range []int{1, 2, 33, 150} {
		books := func(n int) (codes [][]int32) {
			for range n {
				book := make([]int32, frames)
				for i := range book {
					book[i] = rng.Int32N(50)
				}
				codes = append(codes, book)
			}
			return codes
		}
		codes := model.Codes{books(1), books(2), books(3)}
		r, d := wholeRun(one), redecoder.Decoder
		x := redecoder.Prosody(r, redecoder.Embed(r, model.Prosody, codes[model.Prosody]), redecoder.Condition(r, timbre))
		x = r.Add(x, redecoder.Embed(r, model.Content, codes[model.Content]))
		want := d.Forward(r, d.Modulate(r, x, d.Modulation(r, timbre))).ToBCT()
		s := redecoder.NewStream(timbre, three)
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

// TestWindows: a long utterance is seen in windows with what stands beside them, the
// same whatever the pieces, and no more of it is held than that.
func TestWindows(t *testing.T) {
	const window, context, whole = windowSeconds * FrameRate, contextSeconds * FrameRate, wholeSeconds * FrameRate
	pool := parallel.New(1)
	defer pool.Close()
	type seen struct{ from, to, first, n int } // frames seen, and those used
	for _, test := range []struct {
		frames, context int
		want            []seen
	}{
		{0, context, nil},
		{1, context, []seen{{0, 1, 0, 1}}},
		{whole, context, []seen{{0, whole, 0, whole}}},
		{whole + 1, context, []seen{
			{0, window + context, 0, window}, {window - context, whole + 1, window, window + 1}}},
		{95 * FrameRate, context, []seen{
			{0, 45 * FrameRate, 0, window}, {15 * FrameRate, 75 * FrameRate, 30 * FrameRate, window},
			{45 * FrameRate, 95 * FrameRate, 60 * FrameRate, 35 * FrameRate}}},
		{95 * FrameRate, 0, []seen{
			{0, 30 * FrameRate, 0, window}, {30 * FrameRate, 60 * FrameRate, 30 * FrameRate, window},
			{60 * FrameRate, 95 * FrameRate, 60 * FrameRate, 35 * FrameRate}}},
	} {
		x := tensor.New(1, test.frames, 2)
		for i := range test.frames {
			x.Row(0, i)[0] = float32(i)
		}
		for _, size := range []int{1 << 20, 1, 801} {
			var got []seen
			w := newWindowed(pool, 2, 0, func(r *op.Run, x tensor.Tensor) tensor.Tensor {
				got = append(got, seen{from: int(x.Row(0, 0)[0]), to: int(x.Row(0, x.T-1)[0]) + 1})
				return x
			})
			w.context = test.context
			most := 0
			for from := 0; ; from += size {
				to := min(test.frames, from+size)
				last := to == test.frames
				w.Push(x.Slice(from, to), last, func(y tensor.Tensor) {
					at := &got[len(got)-1]
					at.first, at.n = int(y.Row(0, 0)[0]), y.T
					if int(y.Row(0, y.T-1)[0]) != at.first+at.n-1 {
						t.Errorf("rows %v to %v of %d", y.Row(0, 0)[0], y.Row(0, y.T-1)[0], y.T)
					}
				})
				most = max(most, cap(w.rows)/tensor.Stride(2))
				if last {
					break
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%d frames in pieces of %d: %v, want %v", test.frames, size, got, test.want)
			}
			if most > 2*(whole+window+context) {
				t.Errorf("%d frames in pieces of %d: memory for %d", test.frames, size, most)
			}
		}
	}
}
