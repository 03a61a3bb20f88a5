package train

import (
	"math"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/op"
)

// responseAt is the gain in dB of what apply does to a tone.
func responseAt(frequency, rate float64, apply func(y []float64)) float64 {
	n := int(rate)
	y := make([]float64, n)
	for t := range y {
		y[t] = math.Sin(2 * math.Pi * frequency * float64(t) / rate)
	}
	apply(y)
	var energy float64
	for _, v := range y[n/2:] {
		energy += v * v
	}
	return 10 * math.Log10(energy/(float64(n-n/2)/2)+1e-30)
}

// The filters have the gains that their formulas promise.
func TestBiquads(t *testing.T) {
	const rate = 24000
	eight := func(y []float64) {
		for _, q := range butterworth8 {
			lowPass(4000/float64(rate), q).run(y)
		}
	}
	for _, c := range []struct {
		name      string
		frequency float64
		apply     func(y []float64)
		from, to  float64
	}{
		{"low-pass, passed", 1000, eight, -0.1, 0.1},
		{"low-pass, its edge", 4000, eight, -3.1, -2.9},
		{"low-pass, an octave above", 8000, eight, -1000, -45},
		{"high-pass, passed", 3000, highPass(300/float64(rate), math.Sqrt2/2).run, -0.1, 0.1},
		{"high-pass, its edge", 300, highPass(300/float64(rate), math.Sqrt2/2).run, -3.1, -2.9},
		{"high-pass, two octaves below", 75, highPass(300/float64(rate), math.Sqrt2/2).run, -26, -22},
		{"peak", 1000, peaking(1000/float64(rate), 1, 6).run, 5.95, 6.05},
		{"far from a peak", 10000, peaking(1000/float64(rate), 1, -6).run, -0.3, 0.3},
	} {
		if got := responseAt(c.frequency, rate, c.apply); got < c.from || got > c.to {
			t.Errorf("%s: %.2f dB, want %v to %v", c.name, got, c.from, c.to)
		}
	}
}

// Each augmentation changes a recording where its probability is 1, keeps its length
// and its peak, leaves the input alone, and depends on seed, step and number only.
func TestAugmentation(t *testing.T) {
	x := speech(t, "en")[:24000]
	original := slices.Clone(x)
	random := op.Random{Seed: 5, Step: 6}
	peak := func(x []float32) (p float64) {
		for _, v := range x {
			p = max(p, math.Abs(float64(v)))
		}
		return p
	}
	for name, c := range map[string]config.Augment{
		"room": {Room: 1}, "noise": {Noise: 1}, "equalizer": {Equalizer: 1}, "band": {BandLimit: 1},
		"all": {Room: 1, Noise: 1, Equalizer: 1, BandLimit: 1},
	} {
		a := augmentation{c, 24000}
		y := a.apply(x, random, 3)
		if len(y) != len(x) || slices.Equal(y, x) {
			t.Errorf("%s: %d samples of %d, or nothing has changed", name, len(y), len(x))
		}
		if got, want := peak(y), peak(x); math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: peak %v of %v", name, got, want)
		}
		for _, v := range y {
			if v != v || math.IsInf(float64(v), 0) {
				t.Fatalf("%s: %v", name, v)
			}
		}
		if again := a.apply(x, random, 3); !slices.Equal(again, y) {
			t.Errorf("%s: another result of the same draw", name)
		}
		if other := a.apply(x, random, 4); slices.Equal(other, y) {
			t.Errorf("%s: the same result of another draw", name)
		}
		if !slices.Equal(x, original) {
			t.Fatalf("%s: the input has changed", name)
		}
	}
	if y := (augmentation{config.Augment{}, 24000}).apply(x, random, 3); !slices.Equal(y, x) {
		t.Error("no augmentation changes the recording")
	}
	if y := (augmentation{config.Augment{Room: 1, Noise: 1}, 24000}).apply(make([]float32, 100), random, 3); slices.Max(y) != 0 {
		t.Error("silence is silent no more")
	}
}

// A telephone's band ends where it should: nothing is left above 6 kHz.
func TestBandLimit(t *testing.T) {
	for i := range 20 {
		d := &draws{key: uint64(i)}
		high := responseAt(11000, 24000, func(y []float64) { augmentation{rate: 24000}.limitBand(y, &draws{key: d.key}) })
		if high > -10 {
			t.Errorf("draw %d: %.1f dB at 11 kHz", i, high)
		}
	}
}
