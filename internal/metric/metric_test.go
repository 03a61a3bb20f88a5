package metric

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

// speech returns the clips by language at a rate in Hz.
func speech(t testing.TB, rate int) map[string][]float32 {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "speech", "*.flac"))
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d clips of speech: %v", len(paths), err)
	}
	clips := map[string][]float32{}
	for _, path := range paths {
		x, err := audio.ReadFile(path, rate)
		if err != nil {
			t.Fatal(err)
		}
		clips[strings.TrimSuffix(filepath.Base(path), ".flac")] = x
	}
	return clips
}

// uniform returns the i-th number of a fixed sequence in [-1, 1), i from 0.
func uniform(i int) float64 {
	z := uint64(i+1) * 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(z>>40)/(1<<23) - 1
}

func withNoise(x []float32, amount float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(float64(v) + amount*uniform(i))
	}
	return y
}

func scaled(x []float32, gain, offset float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(gain*float64(v) + offset)
	}
	return y
}

// near fails the test where got is not within tolerance of want; NaN is near to
// NaN alone.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) && math.IsNaN(want) || got == want {
		return
	}
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v within %v", what, got, want, tolerance)
	}
}

// waveMetrics are the metrics of two waves at 24 kHz and whether more is better.
func waveMetrics(t testing.TB) map[string]waveMetric {
	stoi, err := NewSTOI(24000)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]waveMetric{
		"mel":      {NewMelDistance(24000).Distance, -1},
		"stft":     {NewSTFTDistance().Distance, -1},
		"SI-SDR":   {SISDR, 1},
		"STOI":     {stoi.Measure, 1},
		"extended": {stoi.Extended, 1},
	}
}

type waveMetric struct {
	measure func(a, b []float32) float64
	sign    float64
}

// TestNoise: nothing is better than the reference itself, and the louder the
// noise, the worse is every metric of every clip.
func TestNoise(t *testing.T) {
	best := map[string]float64{"mel": 0, "stft": 0, "SI-SDR": 100, "STOI": 1, "extended": 1}
	clips := speech(t, 24000)
	for name, m := range waveMetrics(t) {
		for lang, x := range clips {
			before := m.measure(x, x)
			near(t, name+" of "+lang+" and itself", before, best[name], 1e-12)
			for _, amount := range []float64{0.001, 0.01, 0.1} {
				now := m.measure(x, withNoise(x, amount))
				if !(m.sign*(before-now) > 0) {
					t.Errorf("%s of %s: %v at noise of %v, %v before", name, lang, now, amount, before)
				}
				before = now
			}
		}
	}
}

// TestBadWaves: what cannot be measured is NaN, in whichever wave the fault is,
// and does not spoil the next measurement.
func TestBadWaves(t *testing.T) {
	good := speech(t, 24000)["en"]
	bad := withNoise(good, 0.01)
	nan, inf := scaled(good, 1, 0), scaled(good, 1, 0)
	nan[777], inf[len(inf)-1] = float32(math.NaN()), float32(math.Inf(-1))
	for name, m := range waveMetrics(t) {
		want := m.measure(good, bad)
		for what, pair := range map[string][2][]float32{
			"empty":               {nil, nil},
			"one sample":          {good[:1], bad[:1]},
			"NaN in reference":    {nan, bad},
			"NaN in degraded":     {good, nan},
			"infinite reference":  {inf, bad},
			"infinite degraded":   {good, inf},
			"one sample is gone":  {good, bad[1:]},
			"one sample too many": {good[1:], bad},
		} {
			near(t, name+", "+what, m.measure(pair[0], pair[1]), math.NaN(), 0)
		}
		if got := m.measure(good, bad); got != want || math.IsNaN(want) {
			t.Errorf("%s: %v, %v at first", name, got, want)
		}
	}
}

// TestSilence: the distances know silence, the ratios do not. Silence in place
// of speech is nothing understood.
func TestSilence(t *testing.T) {
	x := speech(t, 24000)["fr"]
	zero := make([]float32, len(x))
	metrics := waveMetrics(t)
	for name, want := range map[string][3]float64{ // both silent, reference, degraded
		"SI-SDR":   {math.NaN(), math.NaN(), math.NaN()},
		"STOI":     {math.NaN(), math.NaN(), 0},
		"extended": {math.NaN(), math.NaN(), 0},
	} {
		measure := metrics[name].measure
		near(t, name+" of silence", measure(zero, zero), want[0], 0)
		near(t, name+" with a silent reference", measure(zero, x), want[1], 0)
		near(t, name+" of silence for speech", measure(x, zero), want[2], 0)
	}
	for _, name := range []string{"mel", "stft"} {
		measure := metrics[name].measure
		near(t, name+" of silence", measure(zero, zero), 0, 0)
		to, from := measure(zero, x), measure(x, zero)
		if to != from || !(to > measure(x, withNoise(x, 0.01))) {
			t.Errorf("%s: from silence %v, to silence %v", name, to, from)
		}
	}
}

// TestShortest: the distances begin where the longest window can be reflected,
// STOI where a segment is full: 31 frames before the last is dropped.
func TestShortest(t *testing.T) {
	x := speech(t, 24000)["it"][12000:]
	y := withNoise(x, 0.01)
	tight, err := NewSTOI(stoiRate)
	if err != nil {
		t.Fatal(err)
	}
	// Constant loudness, so that no frame is silent.
	tone, hum := make([]float32, 6000), make([]float32, 6000)
	for i := range tone {
		tone[i] = float32(math.Sin(0.3*float64(i)) + 0.1*uniform(i))
		hum[i] = tone[i] + float32(0.1*uniform(i+6000))
	}
	const stoiLeast = 30*stoiHop + stoiWindow + 1
	for name, c := range map[string]struct {
		measure func(a, b []float32) float64
		a, b    []float32
		least   int
	}{
		"mel":      {NewMelDistance(24000).Distance, x, y, 1025},
		"stft":     {NewSTFTDistance().Distance, x, y, 1025},
		"SI-SDR":   {SISDR, x, y, 2},
		"STOI":     {tight.Measure, tone, hum, stoiLeast},
		"extended": {tight.Extended, tone, hum, stoiLeast},
	} {
		if v := c.measure(c.a[:c.least-1], c.b[:c.least-1]); !math.IsNaN(v) {
			t.Errorf("%s of %d samples is %v", name, c.least-1, v)
		}
		if v := c.measure(c.a[:c.least], c.b[:c.least]); math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("%s of %d samples is %v", name, c.least, v)
		}
	}
}

func TestSISDR(t *testing.T) {
	const n = 4800
	sine, cosine, both := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range sine {
		s, c := math.Sincos(2 * math.Pi * float64(i) / 48)
		sine[i], cosine[i], both[i] = float32(s), float32(c), float32(s+0.1*c)
	}
	near(t, "a tenth of an orthogonal wave", SISDR(sine, both), 20, 1e-5)
	near(t, "an orthogonal wave alone", SISDR(sine, cosine), -100, 0)
	near(t, "a scaled copy", SISDR(sine, scaled(sine, 3, 0)), 100, 0)
	near(t, "a constant reference", SISDR(scaled(sine, 0, 0.3), both), math.NaN(), 0)
	near(t, "a constant for speech", SISDR(sine, scaled(sine, 0, 0.3)), math.NaN(), 0)
	for lang, x := range speech(t, 24000) {
		y := withNoise(x, 0.01)
		want := SISDR(x, y)
		for _, gain := range []float64{0.001, 0.3, -1, 20} {
			near(t, lang+" at another gain", SISDR(x, scaled(y, gain, 0)), want, 1e-4)
			near(t, lang+", reference at another gain", SISDR(scaled(x, gain, 0), y), want, 1e-4)
		}
		near(t, lang+" with an offset", SISDR(x, scaled(y, 1, 0.2)), want, 1e-4)
		// 20 dB less noise is 20 dB more.
		near(t, lang+" with less noise", SISDR(x, withNoise(x, 0.001)), want+20, 0.1)
	}
}

func BenchmarkWaves(b *testing.B) {
	x := speech(b, 24000)["en"]
	y := withNoise(x, 0.01)
	for name, m := range waveMetrics(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m.measure(x, y)
			}
			b.ReportMetric(float64(len(x))/24000/(b.Elapsed().Seconds()/float64(b.N)), "x")
		})
	}
}
