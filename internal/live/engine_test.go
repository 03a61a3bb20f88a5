package live

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/codectest"
)

func openCodec(t testing.TB, options ...facodec.Option) *facodec.Codec {
	t.Helper()
	options = append([]facodec.Option{facodec.WithThreads(1), facodec.WithConfig(codectest.WriteFile(t, "c.json", codectest.Config))}, options...)
	c, err := facodec.OpenRandom(3, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func voiceOf(t testing.TB, c *facodec.Codec, seed uint64) *Voice {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	voice := make([]float32, c.TimbreLen())
	for i := range voice {
		voice[i] = float32(rng.NormFloat64())
	}
	return &Voice{Timbre: voice}
}

// manual is a clock that a test sets.
type manual struct{ now time.Duration }

func (m *manual) clock() time.Duration { return m.now }

func newEngine(t testing.TB, c *facodec.Codec, o Options) *Engine {
	t.Helper()
	e, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// run sends samples through an engine in pieces of the sizes that piece returns.
func run(t testing.TB, e *Engine, samples []float32, piece func() int) (out []float32) {
	t.Helper()
	buf := make([]float32, 1000)
	drain := func() {
		for e.Process() {
		}
		for n := e.Read(buf); n > 0; n = e.Read(buf) {
			out = append(out, buf[:n]...)
		}
	}
	for len(samples) > 0 {
		n := min(len(samples), piece())
		if err := e.Write(samples[:n]); err != nil {
			t.Fatal(err)
		}
		samples = samples[n:]
		drain()
	}
	e.End()
	drain()
	return out
}

// TestConvertIsConvert: bit for bit, for pieces of any size, in every mode.
func TestConvertIsConvert(t *testing.T) {
	c := openCodec(t)
	rng := rand.New(rand.NewPCG(1, 1))
	voice := voiceOf(t, c, 1)
	for _, n := range []int{1, 299, 300, 3299, 3300, 3301, 24000} {
		x := codectest.Vowel(n, 24000)
		converted, err := c.Convert(x, voice.Timbre)
		if err != nil {
			t.Fatal(err)
		}
		tokens, _ := c.Encode(x)
		tokens.Timbre = voice.Timbre
		reconstructed, err := c.Decode(tokens)
		if err != nil {
			t.Fatal(err)
		}
		for mode, want := range map[Mode][]float32{Convert: converted, Reconstruct: reconstructed, Bypass: x} {
			for name, piece := range map[string]func() int{
				"frames": func() int { return 300 }, "20 ms": func() int { return 480 }, "any": func() int { return 1 + rng.IntN(3000) }, "whole": func() int { return n },
			} {
				e := newEngine(t, c, Options{Voice: voice, Mode: mode, Clock: (&manual{}).clock})
				if got := run(t, e, x, piece); !slices.Equal(got, want) {
					t.Fatalf("%v of %d samples, pieces %s: %d samples came out, or others", mode, n, name, len(got))
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
	c := openCodec(t)
	voice := voiceOf(t, c, 1)
	if _, err := New(c, Options{}); !errors.Is(err, ErrVoice) {
		t.Errorf("no voice: %v", err)
	}
	if _, err := New(c, Options{Voice: &Voice{Timbre: voice.Timbre[1:]}}); !errors.Is(err, facodec.ErrTokens) {
		t.Errorf("a voice of another length: %v", err)
	}
	e := newEngine(t, c, Options{Mode: Bypass})
	if err := e.Set(Convert, nil); !errors.Is(err, ErrVoice) {
		t.Errorf("no voice: %v", err)
	}
	if err := e.Write(make([]float32, 3*24000)); !errors.Is(err, ErrFull) {
		t.Errorf("three seconds at once: %v", err)
	}
	e.End()
	if err := e.Write([]float32{0}); !errors.Is(err, ErrEnded) {
		t.Errorf("after the end: %v", err)
	}
}

// TestBlock: blocks of any size return the samples of single frames, and are behind by the
// duration of the frames that wait.
func TestBlock(t *testing.T) {
	c := openCodec(t)
	voice := voiceOf(t, c, 1)
	x := codectest.Vowel(24000, 24000)
	want, err := c.Convert(x, voice.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	frame := seconds(float64(c.HopLength()) / float64(c.SampleRate()))
	one := newEngine(t, c, Options{Voice: voice}).Stats().Algorithm
	for _, block := range []int{1, 2, 4, MaxBlock} {
		e := newEngine(t, c, Options{Voice: voice, Block: block, MaxWait: NeverSkip})
		if got := e.Stats().Algorithm - one; (got - time.Duration(block-1)*frame).Abs() > time.Microsecond {
			t.Errorf("blocks of %d frames: %v more delay", block, got)
		}
		got := run(t, e, x, func() int { return 100 })
		if !slices.Equal(got, want) {
			t.Errorf("blocks of %d frames: other samples than Convert's", block)
		}
		if s := e.Stats(); s.Frame.Median <= 0 || s.RealTimeFactor <= 0 || math.Abs(s.RealTimeFactor*float64(block)*frame.Seconds()-s.Frame.Median.Seconds()) > s.Frame.Max.Seconds() {
			t.Errorf("blocks of %d frames: %+v", block, s)
		}
	}
	for _, block := range []int{-1, MaxBlock + 1} {
		if _, err := New(c, Options{Voice: voice, Block: block}); err == nil {
			t.Errorf("blocks of %d frames are taken", block)
		}
	}
	if frames, factor, err := ChooseBlock(c, nil); frames != 1 || factor <= 0 || err != nil {
		t.Errorf("%d frames at %g, %v", frames, factor, err)
	}
}

// TestBlockInTime: with the least delay, and a clock by which a block takes no time, none is
// late.
func TestBlockInTime(t *testing.T) {
	c := openCodec(t)
	x := codectest.Vowel(24000, 24000)
	for _, block := range []int{1, 4} {
		clock := &manual{}
		d, err := NewDuplex(c, DuplexOptions{Options: Options{Voice: voiceOf(t, c, 1), Block: block, Clock: clock.clock}, OneClock: true, Margin: NoMargin})
		if err != nil {
			t.Fatal(err)
		}
		pass(t, d, clock, x, 240, 240, always)
		if s := d.Stats(); s.Late > 0 || s.Dropouts > 0 {
			t.Errorf("blocks of %d frames: %+v", block, s)
		}
	}
}

// TestVoiceWithFrames: what is converted live with frames of a voice is what ConvertTo returns, at
// the share that was set last, and Reconstruct has none of them.
func TestVoiceWithFrames(t *testing.T) {
	c, x := speech(t)
	y, err := audio.ReadFile("../../testdata/speech/it.flac", 24000)
	if err != nil {
		t.Fatal(err)
	}
	x = x[:36000]
	v, err := c.Voice(y[:36000])
	if err != nil {
		t.Fatal(err)
	}
	voice, err := NewVoice(c, v, 0.7)
	if err != nil || voice.Frames() != v.Frames.Frames() || voice.Frames() == 0 {
		t.Fatalf("%d frames of %d, %v", voice.Frames(), v.Frames.Frames(), err)
	}
	piece := func() int { return 777 }
	converted := map[float64][]float32{}
	for _, match := range []float64{0, 0.3, 0.7} {
		if converted[match], err = c.ConvertTo(x, v, match); err != nil {
			t.Fatal(err)
		}
		if got := run(t, newEngine(t, c, Options{Voice: voice.WithMatch(match), Block: 2, Clock: (&manual{}).clock}), x, piece); !slices.Equal(got, converted[match]) {
			t.Errorf("match %g: not what ConvertTo returns", match)
		}
		e := newEngine(t, c, Options{Voice: voice, Clock: (&manual{}).clock})
		if err := e.Set(Convert, voice.WithMatch(match)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(run(t, e, x, piece), converted[match]) {
			t.Errorf("match %g, set before the first sample: not what ConvertTo returns", match)
		}
	}
	if slices.Equal(converted[0], converted[0.7]) {
		t.Error("the frames change nothing")
	}
	if voice, err := NewVoice(c, v, 0); err != nil || voice.Frames() != 0 {
		t.Errorf("match 0: %d frames, %v", voice.Frames(), err)
	}
	reconstruct := func(v *Voice) []float32 {
		return run(t, newEngine(t, c, Options{Voice: v, Mode: Reconstruct, Clock: (&manual{}).clock}), x, piece)
	}
	if !slices.Equal(reconstruct(voice), reconstruct(&Voice{Timbre: v.Timbre})) {
		t.Error("Reconstruct depends on the frames")
	}
	if frames, factor, err := ChooseBlock(c, voice); frames < 1 || factor <= 0 || err != nil {
		t.Errorf("%d frames at %g, %v", frames, factor, err)
	}
}

// TestVoiceWithSpectrum: what is converted live to an enrolled voice is what ConvertTo returns, and
// Reconstruct has nothing of its spectrum.
func TestVoiceWithSpectrum(t *testing.T) {
	c, err := defaultmodel.Open(facodec.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, x := speech(t)
	x = x[:36000]
	v, err := c.Voice(x[12000:])
	if err != nil {
		t.Fatal(err)
	}
	voice, err := NewVoice(c, v, 0)
	if err != nil || len(voice.Spectrum) == 0 {
		t.Fatalf("a spectrum of %d magnitudes, %v", len(voice.Spectrum), err)
	}
	want, err := c.ConvertTo(x, v, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, newEngine(t, c, Options{Voice: voice, Clock: (&manual{}).clock}), x, func() int { return 777 }); !slices.Equal(got, want) {
		t.Error("not what ConvertTo returns")
	}
	reconstruct := func(v *Voice) []float32 {
		return run(t, newEngine(t, c, Options{Voice: v, Mode: Reconstruct, Clock: (&manual{}).clock}), x, func() int { return 480 })
	}
	if !slices.Equal(reconstruct(voice), reconstruct(&Voice{Timbre: v.Timbre})) {
		t.Error("Reconstruct depends on the spectrum")
	}
	e := newEngine(t, c, Options{Voice: &Voice{Timbre: v.Timbre}, Clock: (&manual{}).clock})
	if err := e.Set(Convert, voice); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(run(t, e, x, func() int { return 480 }), want) {
		t.Error("not what ConvertTo returns, of a voice that was set")
	}
	for _, match := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := NewVoice(c, v, match); err == nil {
			t.Errorf("a match of %g is taken", match)
		}
		if _, err := New(c, Options{Voice: voice.WithMatch(match)}); err == nil {
			t.Errorf("a match of %g is taken by an engine", match)
		}
	}
	if voice.Frames() != 0 {
		t.Errorf("%d frames that nobody asked for", voice.Frames())
	}
	other := *v
	other.Decoder[0]++
	if voice, err := NewVoice(c, &other, 0); err != nil || voice.Spectrum != nil {
		t.Errorf("of another decoder: %d magnitudes, %v", len(voice.Spectrum), err)
	}
	if _, err := New(c, Options{Voice: &Voice{Timbre: v.Timbre, Spectrum: voice.Spectrum[1:]}}); err == nil {
		t.Error("a spectrum of another length")
	}
}
