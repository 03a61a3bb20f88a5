package live

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codectest"
)

// pass sends samples through a duplex with one clock, piece by piece, and returns what was
// played, without the delay.
func pass(t testing.TB, d *Duplex, clock *manual, x []float32, inPiece, outPiece int, process func(at int) bool) []float32 {
	t.Helper()
	delay := int(math.Round(d.Delay().Seconds() * float64(outPiece) / float64(inPiece) * float64(d.engine.InRate())))
	var played []float32
	out := make([]float32, outPiece)
	in := make([]float32, inPiece)
	want := len(x)/inPiece*outPiece + delay
	for at := 0; len(played) < want; at += inPiece {
		clear(in)
		if at < len(x) {
			copy(in, x[at:])
		}
		clock.now += seconds(float64(inPiece) / float64(d.engine.InRate()))
		if err := d.Capture(in); err != nil {
			t.Fatal(err)
		}
		for process(at) && d.Process() {
		}
		d.Play(out)
		played = append(played, out...)
	}
	return played[delay:want]
}

func always(int) bool { return true }

// TestDuplexIsConvert: with one clock, what is played is what Convert returns, bit for bit
// and from the first sample on if the delay leaves time for the first frames, which come
// together; with the least delay, from the first that come in time.
func TestDuplexIsConvert(t *testing.T) {
	c := openCodec(t)
	voice := voiceOf(t, c, 1)
	x := codectest.Vowel(24000, 24000)
	want, err := c.Convert(slices.Concat(x, make([]float32, 24000)), voice.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []int{1, 240, 480, 1200} {
		clock := &manual{}
		d, err := NewDuplex(c, DuplexOptions{Options: Options{Voice: voice, Clock: clock.clock}, Delay: 200 * time.Millisecond, OneClock: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := pass(t, d, clock, x, piece, piece, always); !slices.Equal(got, want[:24000]) {
			t.Errorf("pieces of %d: not what Convert returns", piece)
		}
		if s := d.Stats(); s.Late != 0 || s.Dropouts != 0 || s.Delay != 200*time.Millisecond {
			t.Errorf("pieces of %d: %+v", piece, s)
		}
		least, err := NewDuplex(c, DuplexOptions{Options: Options{Voice: voice, Clock: clock.clock}, OneClock: true, Margin: NoMargin})
		if err != nil {
			t.Fatal(err)
		}
		got := pass(t, least, clock, x, piece, piece, always)
		if s := least.Stats(); s.Late != 0 {
			t.Errorf("pieces of %d: %d times late with a delay of %v", piece, s.Late, least.Delay())
		}
		const first = 3600 + 1200 // ten frames and two, a piece
		if !slices.Equal(got[first:], want[first:24000]) {
			t.Errorf("pieces of %d, delay %v: not what Convert returns", piece, least.Delay())
		}
	}
}

// TestLateFrame stops processing for a while: what is due meanwhile is made up and counted,
// what comes too late is not played, and then everything is where it was.
func TestLateFrame(t *testing.T) {
	c := openCodec(t)
	voice := voiceOf(t, c, 1)
	x := codectest.Vowel(48000, 24000)
	want, err := c.Convert(x, voice.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	clock := &manual{}
	d, err := NewDuplex(c, DuplexOptions{Options: Options{Voice: voice, Clock: clock.clock, MaxWait: NeverSkip}, Delay: 200 * time.Millisecond, OneClock: true})
	if err != nil {
		t.Fatal(err)
	}
	got := pass(t, d, clock, x, 240, 240, func(at int) bool { return at < 24000 || at >= 24000+9600 })
	s := d.Stats()
	if s.Late != 1 || s.Missing < 0.15 || s.Missing > 0.3 {
		t.Errorf("%d times late, %v s made up", s.Late, s.Missing)
	}
	if !slices.Equal(got[:23000], want[:23000]) || !slices.Equal(got[33600:], want[33600:]) {
		t.Error("other samples before or after")
	}
	if slices.Equal(got[23000:33600], want[23000:33600]) {
		t.Error("nothing was late")
	}
}

// snr returns how far x is from want, in dB.
func snr(x, want []float32) float64 {
	var signal, noise float64
	for i, v := range want {
		signal += float64(v) * float64(v)
		noise += (float64(x[i]) - float64(v)) * (float64(x[i]) - float64(v))
	}
	return 10 * math.Log10(signal/max(noise, 1e-30))
}

// TestRates: devices of other rates than the codec's hear what Convert returns, resampled.
func TestRates(t *testing.T) {
	c := openCodec(t)
	voice := voiceOf(t, c, 1)
	for _, rates := range [][2]int{{48000, 48000}, {44100, 44100}, {16000, 48000}, {96000, 24000}, {24000, 16000}} {
		in, out := rates[0], rates[1]
		x := codectest.Vowel(in, in)
		resample := func(x []float32, from, to int) []float32 {
			r, err := audio.NewResampler(from, to)
			if err != nil {
				t.Fatal(err)
			}
			return r.Flush(r.Process(nil, x))
		}
		converted, err := c.Convert(resample(slices.Concat(x, make([]float32, in)), in, 24000), voice.Timbre)
		if err != nil {
			t.Fatal(err)
		}
		want := resample(converted, 24000, out)
		clock := &manual{}
		d, err := NewDuplex(c, DuplexOptions{Options: Options{InRate: in, OutRate: out, Voice: voice, Clock: clock.clock}, Delay: 250 * time.Millisecond, OneClock: true})
		if err != nil {
			t.Fatal(err)
		}
		got := pass(t, d, clock, x, in/100, out/100, always)
		// Random weights decode to noise up to the Nyquist frequency, of which the two
		// resamplers cut off a little more and a little less: compared is what lies well below.
		low := func(x []float32) []float32 { return resample(x, out, max(8000, min(out, 24000)/2)) }
		a, b := low(got), low(want[:len(got)])
		if db := snr(a[200:len(a)-200], b[200:len(b)-200]); db < 60 {
			t.Errorf("%d to %d Hz: %.1f dB", in, out, db)
		}
	}
}

// TestInterpolator: a tone at any step.
func TestInterpolator(t *testing.T) {
	for _, step := range []float64{1, 1.0001, 0.9997, 0.5, 24000 / 44100.0, 3} {
		p := newInterpolator(step)
		f := 0.4 / max(1, step) // cycles in an input sample
		n := 4000
		need := p.need(n, step)
		x := make([]float32, need)
		for i := range x {
			x[i] = float32(math.Sin(2 * math.Pi * f * float64(i)))
		}
		p.push(x)
		got := make([]float32, n)
		p.fill(got, step)
		want := make([]float32, n)
		for i := range want {
			want[i] = float32(math.Sin(2 * math.Pi * f * step * float64(i)))
		}
		if db := snr(got[200:], want[200:]); db < 85 {
			t.Errorf("step %v: %.1f dB", step, db)
		}
	}
}

// TestDelayOfTheCodec: a delay in which nothing can be computed is refused.
func TestDelayOfTheCodec(t *testing.T) {
	c := openCodec(t)
	_, err := NewDuplex(c, DuplexOptions{Options: Options{Mode: Bypass}, Delay: 20 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "a delay of 20ms is less than the") {
		t.Errorf("error %v", err)
	}
}
