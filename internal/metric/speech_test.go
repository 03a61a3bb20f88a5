package metric

import (
	"maps"
	"math"
	"slices"
	"testing"
)

func TestSpeech(t *testing.T) {
	s, err := NewSpeech(24000)
	if err != nil {
		t.Fatal(err)
	}
	x := speech(t, 24000)["ru"]
	y := withNoise(x, 0.02)
	names := slices.Sorted(slices.Values(SpeechNames()))
	for what, pair := range map[string][2][]float32{
		"empty":          {nil, nil},
		"one sample":     {x[:1], y[:1]},
		"lengths differ": {x, y[1:]},
		"NaN":            {x, append(slices.Clone(y[1:]), float32(math.NaN()))},
	} {
		values := s.Compare(pair[0], pair[1])
		if got := slices.Sorted(maps.Keys(values)); !slices.Equal(got, names) {
			t.Errorf("%s: metrics %v", what, got)
		}
		for name, v := range values {
			// One sample is one frame, unvoiced in both.
			if what == "one sample" && name == NameF0VoicingError {
				near(t, name, v, 0, 0)
				continue
			}
			near(t, name+", "+what, v, math.NaN(), 0)
		}
	}
	for name, v := range s.Compare(x, x) {
		want := map[string]float64{NameSISDR: 100, NameSTOI: 1, NameESTOI: 1, NameF0Correlation: 1}[name]
		near(t, name+" of equal waves", v, want, 1e-12)
	}
	values := s.Compare(x, y)
	t.Log(values)
	table := NewTable(SpeechNames()...)
	if err := table.Add("ru", values); err != nil {
		t.Fatal(err)
	}
	for _, name := range SpeechNames() {
		if table.Summary(name).Failed > 0 {
			t.Errorf("%s is undefined", name)
		}
	}
	// Noise 20 dB under the voice leaves the pitch to be found.
	if values[NameF0Cents] > 20 || values[NameF0Correlation] < 0.95 {
		t.Errorf("f0 under noise: %v cents, correlation %v", values[NameF0Cents], values[NameF0Correlation])
	}

	// The f0 of speech that is played faster is higher by the same factor.
	fast, err := NewSpeech(30000)
	if err != nil {
		t.Fatal(err)
	}
	slow := median(s.f0(x))
	near(t, "f0 at 30 kHz over that at 24 kHz", median(fast.f0(x))/slow, 1.25, 0.02)
}

// median returns that of the voiced frames.
func median(f0 []float64) float64 {
	f0 = slices.DeleteFunc(slices.Clone(f0), func(f float64) bool { return f == 0 })
	slices.Sort(f0)
	return f0[len(f0)/2]
}
