package live

import (
	"math"
	"slices"
	"testing"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/codectest"
)

// speech returns a recording at 24 kHz and the built-in model.
func speech(t testing.TB) (*facodec.Codec, []float32) {
	t.Helper()
	x, err := audio.ReadFile("../../testdata/speech/en.flac", 24000)
	if err != nil {
		t.Fatal(err)
	}
	c, err := defaultmodel.Open(facodec.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, x
}

// steepest returns the largest change of slope from a sample to the next: what a click is
// heard by.
func steepest(x []float32) (most float64) {
	for i := 2; i < len(x); i++ {
		most = max(most, math.Abs(float64(x[i])-2*float64(x[i-1])+float64(x[i-2])))
	}
	return most
}

// TestSwitch changes voice and mode in the middle of speech: no sample more or less, what
// was before as if nothing had been switched, and no click.
func TestSwitch(t *testing.T) {
	c, x := speech(t)
	x = x[14400:28800]
	voices := []*Voice{voiceOf(t, c, 1), voiceOf(t, c, 2)}
	own, err := c.Timbre(x)
	if err != nil {
		t.Fatal(err)
	}
	copy(voices[0].Timbre, own)
	for i := range voices[1].Timbre {
		voices[1].Timbre[i] = own[i] * 0.7
	}
	y, err := audio.ReadFile("../../testdata/speech/it.flac", 24000)
	if err != nil {
		t.Fatal(err)
	}
	enrolled, err := c.Voice(y)
	if err != nil {
		t.Fatal(err)
	}
	matched, err := NewVoice(c, enrolled, 0.7)
	if err != nil {
		t.Fatal(err)
	}
	const frames, fewer = 2, 3 // voices with frames of their own
	voices = append(voices, matched, matched.WithMatch(0.2))
	type state struct {
		mode  Mode
		voice int
	}
	made := map[state][]float32{}
	whole := func(s state) []float32 {
		if made[s] == nil {
			made[s] = run(t, newEngine(t, c, Options{Voice: voices[s.voice], Mode: s.mode, Clock: (&manual{}).clock}), x, func() int { return 480 })
		}
		return made[s]
	}
	for _, change := range [][2]state{
		{{Convert, 0}, {Convert, 1}}, {{Convert, 0}, {Reconstruct, 0}}, {{Convert, 0}, {Bypass, 0}}, {{Bypass, 0}, {Convert, 1}}, {{Reconstruct, 1}, {Convert, 0}},
		{{Convert, 0}, {Convert, frames}}, {{Convert, frames}, {Convert, 0}}, {{Convert, frames}, {Convert, fewer}}, {{Convert, frames}, {Reconstruct, 0}}, {{Bypass, 0}, {Convert, frames}},
	} {
		from, to := change[0], change[1]
		e := newEngine(t, c, Options{Voice: voices[from.voice], Mode: from.mode, Clock: (&manual{}).clock})
		at, out := 0, 0
		got := run(t, e, x, func() int {
			if at += 480; at == 7200 {
				out = e.base
				if err := e.Set(to.mode, voices[to.voice]); err != nil {
					t.Fatal(err)
				}
			}
			return 480
		})
		before, after := whole(from), whole(to)
		if len(got) != len(x) || !slices.Equal(got[:out], before[:out]) {
			t.Fatalf("%v: %d samples of %d, or other ones before the change", change, len(got), len(x))
		}
		if to.mode == Bypass && !slices.Equal(got[out+300:], after[out+300:]) {
			t.Errorf("%v: the input did not come through", change)
		}
		if slices.Equal(got[out:], before[out:]) {
			t.Errorf("%v: nothing changed", change)
		}
		near := func(x []float32) []float32 { return x[out-1200 : out+2400] }
		if click, own := steepest(near(got)), max(steepest(near(before)), steepest(near(after))); click > 1.5*own {
			t.Errorf("%v: slope changes by %.3f, in the voices themselves by %.3f", change, click, own)
		}
	}
}

// TestSkip lets input wait too long: what was skipped is concealed where it belongs, and
// nothing is longer or shorter for it.
func TestSkip(t *testing.T) {
	c := openCodec(t)
	voice := voiceOf(t, c, 1)
	x := codectest.Vowel(48000, 24000)
	for _, mode := range []Mode{Convert, Bypass} {
		clock := &manual{}
		e := newEngine(t, c, Options{Voice: voice, Mode: mode, MaxWait: 100 * time.Millisecond, Clock: clock.clock})
		var got []float32
		buf := make([]float32, 4800)
		drain := func() {
			for e.Process() {
			}
			for n := e.Read(buf); n > 0; n = e.Read(buf) {
				got = append(got, buf[:n]...)
			}
		}
		const from, to = 24000, 26400 // are skipped, but for the last frame
		for at := 0; at < len(x); at += 2400 {
			if err := e.Write(x[at : at+2400]); err != nil {
				t.Fatal(err)
			}
			if at == from {
				clock.now += 200 * time.Millisecond
			}
			drain()
			clock.now += 100 * time.Millisecond
		}
		e.End()
		drain()
		if len(got) != len(x) {
			t.Fatalf("%v: %d samples of %d", mode, len(got), len(x))
		}
		s := e.Stats()
		if s.Dropouts != 1 || math.Abs(s.Skipped-(to-from)/24000.0) > 0.03 {
			t.Errorf("%v: %d dropouts, %v s", mode, s.Dropouts, s.Skipped)
		}
		if mode == Bypass {
			if !slices.Equal(got, x) {
				t.Error("bypass: not the input")
			}
			continue
		}
		skipped := int(math.Round(s.Skipped * 24000))
		want, err := c.Convert(slices.Concat(x[:from], x[from+skipped:]), voice.Timbre)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[:from], want[:from]) {
			t.Error("other samples before the gap")
		}
		after := from + skipped + e.convert.conceal.blend
		if !slices.Equal(got[after:], want[after-skipped:]) {
			t.Error("other samples after the gap")
		}
		silent := got[from+e.convert.conceal.fade+e.convert.conceal.hold : from+skipped]
		if peak := slices.Max(silent); peak != 0 {
			t.Errorf("the end of a long gap has %v", peak)
		}
	}
}

// TestNoAllocation: nothing is allocated for a frame, in any mode and at any rate.
func TestNoAllocation(t *testing.T) {
	c := openCodec(t)
	voice := voiceOf(t, c, 1)
	for _, rate := range []int{24000, 48000, 44100} {
		for _, mode := range []Mode{Convert, Bypass} {
			clock := &manual{}
			d, err := NewDuplex(c, DuplexOptions{Options: Options{InRate: rate, OutRate: rate, Voice: voice, Mode: mode, Clock: clock.clock}})
			if err != nil {
				t.Fatal(err)
			}
			piece := make([]float32, rate/100)
			step := func() {
				clock.now += 10 * time.Millisecond
				d.Capture(piece)
				for d.Process() {
				}
				d.Play(piece)
			}
			for range 300 {
				step()
			}
			if n := testing.AllocsPerRun(200, step); n != 0 {
				t.Errorf("%d Hz, %v: %v allocations for 10 ms", rate, mode, n)
			}
		}
	}
}
