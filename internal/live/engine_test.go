package live

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	facodec "github.com/facodec-go/facodec"
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
	if frames, factor, err := ChooseBlock(c); frames != 1 || factor <= 0 || err != nil {
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
	voice, err := NewVoice(c, v)
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
	other := *v
	other.Decoder[0]++
	if voice, err := NewVoice(c, &other); err != nil || voice.Spectrum != nil {
		t.Errorf("of another decoder: %d magnitudes, %v", len(voice.Spectrum), err)
	}
	if _, err := New(c, Options{Voice: &Voice{Timbre: v.Timbre, Spectrum: voice.Spectrum[1:]}}); err == nil {
		t.Error("a spectrum of another length")
	}
}
