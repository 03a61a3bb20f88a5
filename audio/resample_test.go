package audio

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/facodec-go/facodec/internal/kernel"
)

func resample(t testing.TB, from, to int, src []float32) []float32 {
	t.Helper()
	r, err := NewResampler(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return r.Flush(r.Process(nil, src))
}

// ratePairs are ratios that a table holds row by row and, from 44101 on, ratios
// that need interpolated rows.
var ratePairs = [][2]int{
	{44100, 24000}, {16000, 24000}, {48000, 24000}, {22050, 24000}, {11025, 24000},
	{24000, 44100}, {24000, 16000}, {192000, 8000}, {8000, 192000},
	{44101, 24000}, {24000, 44101}, {8001, 24000}, {191999, 8000}, {24000, 24001},
}

// The middle of a resampled tone is the same tone at the other rate: gain, phase
// (zero delay), and images are all in the one error.
func TestResampledToneIsTheTone(t *testing.T) {
	for _, pair := range ratePairs {
		from, to := pair[0], pair[1]
		nyquist := float64(min(from, to)) / 2
		worst := math.Inf(-1)
		for _, fraction := range []float64{0.001, 0.1, 0.37, 0.72, 0.9} {
			freq := fraction * nyquist
			got := resample(t, from, to, tone(from/8, freq, from))
			edge := 2 + to*200/min(from, to)
			var power float64
			for j := edge; j < len(got)-edge; j++ {
				diff := float64(got[j]) - math.Sin(2*math.Pi*freq*float64(j)/float64(to))
				power += diff * diff
			}
			worst = max(worst, decibels(power/float64(len(got)-2*edge)))
		}
		t.Logf("%d to %d Hz: error %.1f dB", from, to, worst)
		if worst > -140 {
			t.Errorf("%d to %d Hz: tones differ by %.1f dB", from, to, worst)
		}
	}
}

// What lies above the lower Nyquist frequency is gone, not folded back.
func TestResamplingDoesNotAlias(t *testing.T) {
	for _, pair := range ratePairs {
		from, to := pair[0], pair[1]
		if from <= to {
			continue
		}
		worst := math.Inf(-1)
		for _, fraction := range []float64{1.007, 1.03, 1.21, 1.5, 1.79} {
			freq := fraction * float64(to) / 2
			if freq >= float64(from)/2 {
				continue
			}
			got := resample(t, from, to, tone(from/8, freq, from))
			const edge = 210 // outputs that see the tone begin or end
			var power float64
			for _, y := range got[edge : len(got)-edge] {
				power += float64(y) * float64(y)
			}
			worst = max(worst, decibels(power/float64(len(got)-2*edge)))
		}
		t.Logf("%d to %d Hz: aliases at %.1f dB", from, to, worst)
		if worst > -140 {
			t.Errorf("%d to %d Hz: aliases at %.1f dB", from, to, worst)
		}
	}
}

// The response of the 44.1 to 24 kHz filter itself, from its coefficients.
func TestFilterResponse(t *testing.T) {
	f := newFilter(44100, 24000)
	// All phases together are the filter at 44100*up Hz.
	response := func(freq float64) float64 {
		var re, im float64
		for j := range f.period {
			p := f.panels[j/kernel.Width]
			for _, part := range slices.Concat(p.groups...) {
				for k := range part.weights.K {
					time := float64(p.first+part.at+k-f.before(j)) - f.phase(j)
					sin, cos := math.Sincos(2 * math.Pi * freq / 44100 * time)
					h := float64(part.weights.Data[part.weights.Index(0, k, j%kernel.Width)]) / float64(f.period)
					re, im = re+h*cos, im+h*sin
				}
			}
		}
		return 20 * math.Log10(math.Hypot(re, im))
	}
	for freq := 0.0; freq <= 10800; freq += 300 {
		if dB := response(freq); math.Abs(dB) > 0.0001 {
			t.Errorf("%.0f Hz: %.6f dB in the pass band", freq, dB)
		}
	}
	worst := math.Inf(-1)
	for freq := 12080.0; freq < 22050; freq += 83 {
		worst = max(worst, response(freq))
	}
	t.Logf("at 10.8 kHz %.7f dB, at 11.0 kHz %.4f dB, at 12 kHz %.1f dB, from 12.08 kHz %.1f dB",
		response(10800), response(11000), response(12000), worst)
	if worst > -140 {
		t.Errorf("stop band at %.1f dB", worst)
	}
}

// However the input is cut, the output is the same to the bit, of the exact length,
// and the internal buffer stays small.
func TestChunkedResamplingEqualsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pair := rapid.SampledFrom(append(ratePairs, [2]int{24000, 24000})).Draw(t, "rates")
		from, to := pair[0], pair[1]
		n := rapid.IntRange(0, 2000).Draw(t, "n")
		src := make([]float32, n)
		seed := uint32(rapid.Uint16().Draw(t, "seed"))
		for i := range src {
			seed = seed*1664525 + 1013904223
			src[i] = float32(int32(seed)) / (1 << 31)
		}
		r, err := NewResampler(from, to)
		if err != nil {
			t.Fatal(err)
		}
		whole := r.Flush(r.Process(nil, src))
		if want := (n*to + from - 1) / from; len(whole) != want || ResampledLen(int64(n), from, to) != int64(want) {
			t.Fatalf("%d samples from %d to %d: got %d, want %d", n, from, to, len(whole), want)
		}
		var parts []float32 // the same Resampler again: Flush ended the first stream
		for rest := src; ; {
			size := min(len(rest), rapid.IntRange(0, 700).Draw(t, "size"))
			parts = r.Process(parts, rest[:size])
			if rest = rest[size:]; len(rest) == 0 {
				break
			}
		}
		parts = r.Flush(parts)
		if len(parts) != len(whole) {
			t.Fatalf("in parts %d samples, whole %d", len(parts), len(whole))
		}
		for i := range parts {
			if parts[i] != whole[i] {
				t.Fatalf("sample %d: in parts %v, whole %v", i, parts[i], whole[i])
			}
		}
		if again := r.Flush(nil); len(again) != 0 {
			t.Fatalf("a second Flush gave %d samples", len(again))
		}
	})
}

func TestResamplerBlocksOfALongInput(t *testing.T) {
	src := tone(3*blockFrames+17, 440, 44100)
	r, err := NewResampler(44100, 24000)
	if err != nil {
		t.Fatal(err)
	}
	whole := r.Flush(r.Process(nil, src))
	if cap(r.hist) > 4*blockFrames {
		t.Errorf("history of %d samples for one call", cap(r.hist))
	}
	var parts []float32
	for _, x := range src {
		parts = r.Process(parts, []float32{x})
	}
	mustEqual(t, "one by one", r.Flush(parts), whole)
}

func TestEqualRatesCopy(t *testing.T) {
	src := []float32{0, 0.1, -1, 3, float32(math.Copysign(0, -1)), 1e-40}
	mustEqual(t, "copy", resample(t, 44101, 44101, src), src)
}

func TestResamplerRates(t *testing.T) {
	for _, pair := range [][2]int{{7999, 24000}, {24000, 192001}, {0, 24000}, {24000, -1}} {
		if _, err := NewResampler(pair[0], pair[1]); !errors.Is(err, ErrRate) {
			t.Errorf("NewResampler%v: %v", pair, err)
		} else {
			checkMessage(t, err, "8000", "192000", "Hz")
		}
	}
}

// Whatever the ratio, the table is of bounded size: the promise of NewResampler.
func TestFilterTablesAreBounded(t *testing.T) {
	for _, pair := range append(ratePairs, [2]int{192000, 8001}, [2]int{8000, 191999}, [2]int{191999, 191998}, [2]int{44100, 44000}) {
		if f := newFilter(pair[0], pair[1]); f.bytes() > 16<<20 {
			t.Errorf("%v: a table of %d bytes", pair, f.bytes())
		}
	}
}

func TestFiltersAreShared(t *testing.T) {
	first := filterFor(44100, 24000)
	filterFor(16000, 24000)
	if filterFor(44100, 24000) != first {
		t.Error("two filters for the same rates")
	}
	if a, b := filterFor(44100, 24000), filterFor(24000, 44100); a.up != b.down || a.up == b.up {
		t.Error("one filter for different rates")
	}
}

func BenchmarkResample(b *testing.B) {
	for _, pair := range [][2]int{{44100, 24000}, {16000, 24000}, {48000, 24000}, {44101, 24000}, {192000, 24000}} {
		b.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(b *testing.B) {
			r, err := NewResampler(pair[0], pair[1])
			if err != nil {
				b.Fatal(err)
			}
			src := tone(pair[0]/10, 440, pair[0])
			dst := r.Process(nil, src)
			for b.Loop() {
				dst = r.Process(dst[:0], src)
			}
			b.ReportMetric(0.1*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
			b.ReportAllocs()
		})
	}
}

func BenchmarkFilterTable(b *testing.B) {
	for _, pair := range [][2]int{{44100, 24000}, {16000, 24000}, {44101, 24000}} {
		b.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(b *testing.B) {
			for b.Loop() {
				newFilter(pair[0], pair[1])
			}
		})
	}
}

// TestResamplerPeriod: a Resampler that begins a few periods later gives the same outputs.
func TestResamplerPeriod(t *testing.T) {
	for _, pair := range append(ratePairs, [2]int{24000, 24000}) {
		r, err := NewResampler(pair[0], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		in, out := r.Period()
		if in*pair[1] != out*pair[0] {
			t.Errorf("%v: a period of %d inputs and %d outputs", pair, in, out)
		}
		if in > 50000 {
			continue // slow, and of one kind with 44101 to 24000
		}
		slower := min(pair[0], pair[1])
		src := tone(3*in+1000*pair[0]/slower, 440, pair[0])
		whole := r.Flush(r.Process(nil, src))
		late := r.Flush(r.Process(nil, src[2*in:]))
		skip := 220 * pair[1] / slower // outputs that see before the beginning
		mustEqual(t, fmt.Sprint(pair), late[skip:], whole[2*out+skip:])
	}
}
