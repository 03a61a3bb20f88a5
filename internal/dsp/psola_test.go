package dsp_test

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/dsp"
)

// TestPSOLA changes the voices of recordings. The pitch must move by the factor, the
// spectral envelope by that of the formants, and the timing must stay.
func TestPSOLA(t *testing.T) {
	pitch := dsp.NewPitch(dsp.StandardPitch)
	rate, hop := 24000, 300
	for _, name := range []string{"en", "ru"} {
		x, err := audio.ReadFile(filepath.Join("..", "..", "testdata", "speech", name+".flac"), rate)
		if err != nil {
			t.Fatal(err)
		}
		f0 := pitch.F0(x)
		same := dsp.PSOLA{SampleRate: rate, Hop: hop, Pitch: 1, Formants: 1}.Apply(x, f0)
		var noise, energy float64
		for i, v := range x {
			noise += math.Pow(float64(v-same[i]), 2)
			energy += float64(v) * float64(v)
		}
		if snr := 10 * math.Log10(energy/noise); snr < 25 {
			t.Errorf("%s: with both factors 1, the output is the input at %.1f dB, want 25", name, snr)
		}
		for _, c := range []struct{ pitch, formants float64 }{{1.6, 1}, {0.65, 1}, {1, 1.2}, {1, 0.85}, {1.5, 1.15}} {
			y := dsp.PSOLA{SampleRate: rate, Hop: hop, Pitch: c.pitch, Formants: c.formants}.Apply(x, f0)
			if len(y) != len(x) {
				t.Fatalf("%s %v: %d samples of %d", name, c, len(y), len(x))
			}
			var ratios []float64
			for i, hz := range pitch.F0(y) {
				if hz > 0 && f0[i] > 0 {
					ratios = append(ratios, float64(hz/f0[i]))
				}
			}
			slices.Sort(ratios)
			if len(ratios) < 50 {
				t.Fatalf("%s %v: %d voiced frames", name, c, len(ratios))
			}
			if got := ratios[len(ratios)/2]; math.Abs(math.Log2(got/c.pitch)) > 0.02 {
				t.Errorf("%s %v: the pitch moved by %.3f", name, c, got)
			}
			if got := envelopeShift(x, y, rate); math.Abs(math.Log2(got/c.formants)) > 0.11 {
				t.Errorf("%s %v: the spectral envelope moved by %.3f", name, c, got)
			}
		}
	}
}

// envelopeShift returns the factor on the frequency under which the mean log spectrum of
// x is most like that of y, in bands that are wider than harmonics are apart.
func envelopeShift(x, y []float32, rate int) float64 {
	a, b := meanBands(x, rate), meanBands(y, rate)
	best, at := math.Inf(-1), 0.0
	for step := -24; step <= 24; step++ {
		var xs, ys []float64
		for i := range b {
			if j := i - step; j >= 0 && j < len(a) {
				xs, ys = append(xs, a[j]), append(ys, b[i])
			}
		}
		if c := correlation(xs, ys); c > best {
			best, at = c, float64(step)
		}
	}
	return math.Exp2(at / bandsPerOctave)
}

const bandsPerOctave = 48

// meanBands returns the log power of overlapping bands, each a third of an octave wide,
// from 500 Hz on.
func meanBands(x []float32, rate int) []float64 {
	const n = 2048
	fft := dsp.NewFFT(n)
	power := make([]float64, n/2+1)
	frame, re, im := make([]float32, n), make([]float32, n/2+1), make([]float32, n/2+1)
	for from := 0; from+n <= len(x); from += n / 2 {
		for i := range frame {
			frame[i] = x[from+i] * float32(0.5-0.5*math.Cos(2*math.Pi*float64(i)/n))
		}
		fft.Forward(re, im, frame, 1)
		for k := range power {
			power[k] += float64(re[k]*re[k] + im[k]*im[k])
		}
	}
	var bands []float64
	for hz := 500.0; hz < 6000; hz *= math.Exp2(1.0 / bandsPerOctave) {
		low, high := hz*math.Exp2(-1.0/6), hz*math.Exp2(1.0/6)
		var sum float64
		for k := int(low * n / float64(rate)); k <= int(high*n/float64(rate)); k++ {
			sum += power[k]
		}
		bands = append(bands, math.Log(sum))
	}
	return bands
}

func correlation(a, b []float64) float64 {
	var ma, mb float64
	for i := range a {
		ma += a[i] / float64(len(a))
		mb += b[i] / float64(len(a))
	}
	var ab, aa, bb float64
	for i := range a {
		ab += (a[i] - ma) * (b[i] - mb)
		aa += (a[i] - ma) * (a[i] - ma)
		bb += (b[i] - mb) * (b[i] - mb)
	}
	return ab / math.Sqrt(aa*bb)
}

func TestPSOLAOddInput(t *testing.T) {
	p := dsp.PSOLA{SampleRate: 24000, Hop: 300, Pitch: 1.8, Formants: 0.8}
	for name, c := range map[string]struct{ x, f0 []float32 }{
		"nothing": {}, "one sample": {[]float32{1}, []float32{100}}, "no pitch values": {make([]float32, 1000), nil},
		"silence with a pitch": {make([]float32, 3000), []float32{200, 200}},
		"pitch out of range":   {make([]float32, 3000), []float32{1e-9, 1e9, float32(math.Inf(1))}},
	} {
		y := p.Apply(c.x, c.f0)
		if len(y) != len(c.x) {
			t.Errorf("%s: %d samples of %d", name, len(y), len(c.x))
		}
		for _, v := range y {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("%s: not finite", name)
			}
		}
	}
}

func BenchmarkPSOLA(b *testing.B) {
	x := make([]float32, 24000)
	f0 := make([]float32, 80)
	for i := range x {
		x[i] = float32(math.Mod(float64(i)/120, 1) - 0.5)
	}
	for i := range f0 {
		f0[i] = 200
	}
	for b.Loop() {
		dsp.PSOLA{SampleRate: 24000, Hop: 300, Pitch: 1.5, Formants: 1.1}.Apply(x, f0)
	}
}
