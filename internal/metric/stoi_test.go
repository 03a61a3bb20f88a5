package metric

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A stoiCase is a number that pystoi 0.4.1 computed (numpy 2.4.6, scipy 1.17.1)
// from a clip of testdata/speech, its samples at 16 kHz taken as samples at
// Rate, and the same clip changed: in float64, rounded to float32, as change
// does it here.
type stoiCase struct {
	Clip   string
	Rate   int
	Change string
	Amount float64
	STOI   float64 // stoi(x, y, rate)
	ESTOI  float64 // stoi(x, y, rate, extended=True)
}

func (c stoiCase) String() string {
	return fmt.Sprintf("%s at %d Hz, %s %v", c.Clip, c.Rate, c.Change, c.Amount)
}

// change returns what is compared with x: x with uniform noise of an amplitude,
// clipped at a level, smoothed by a mean over some samples, or as it is.
func (c stoiCase) change(t *testing.T, x []float32) []float32 {
	t.Helper()
	y := make([]float32, len(x))
	switch c.Change {
	case "noise":
		return withNoise(x, c.Amount)
	case "clip":
		for i, v := range x {
			y[i] = float32(max(-c.Amount, min(c.Amount, float64(v))))
		}
	case "smooth":
		for i := range x {
			var sum float64
			for _, v := range x[max(0, i+1-int(c.Amount)) : i+1] {
				sum += float64(v)
			}
			y[i] = float32(sum / c.Amount)
		}
	case "none":
		copy(y, x)
	default:
		t.Fatalf("no change %q", c.Change)
	}
	return y
}

// TestSTOIAgainstPystoi: the two agree to rounding.
func TestSTOIAgainstPystoi(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "stoi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []stoiCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 90 {
		t.Fatalf("%d cases", len(cases))
	}
	clips := speech(t, 16000)
	metrics := map[int]*STOI{}
	var worst float64
	for _, c := range cases {
		s := metrics[c.Rate]
		if s == nil {
			if s, err = NewSTOI(c.Rate); err != nil {
				t.Fatal(err)
			}
			metrics[c.Rate] = s
		}
		x := clips[c.Clip]
		y := c.change(t, x)
		for what, v := range map[string][2]float64{
			"STOI":  {s.Measure(x, y), c.STOI},
			"ESTOI": {s.Extended(x, y), c.ESTOI},
		} {
			near(t, fmt.Sprintf("%s of %v", what, c), v[0], v[1], 1e-9)
			worst = max(worst, v[0]-v[1], v[1]-v[0])
		}
	}
	t.Logf("largest difference %.2g", worst)
}

// TestSTOIGain: the level of either wave does not matter.
func TestSTOIGain(t *testing.T) {
	s, err := NewSTOI(24000)
	if err != nil {
		t.Fatal(err)
	}
	for lang, x := range speech(t, 24000) {
		y := withNoise(x, 0.02)
		plain, extended := s.Measure(x, y), s.Extended(x, y)
		for _, gain := range []float64{0.01, 0.5, 7} {
			near(t, lang+" at another gain", s.Measure(x, scaled(y, gain, 0)), plain, 1e-6)
			near(t, lang+", reference at another gain", s.Measure(scaled(x, gain, 0), y), plain, 1e-6)
			near(t, lang+" extended at another gain", s.Extended(x, scaled(y, gain, 0)), extended, 1e-6)
		}
	}
}

// TestSTOISilentFrames: a pause in the reference is left out, whatever is heard
// in it.
func TestSTOISilentFrames(t *testing.T) {
	s, err := NewSTOI(stoiRate)
	if err != nil {
		t.Fatal(err)
	}
	x := speech(t, 16000)["es"]
	y := withNoise(x, 0.01)
	want := s.Measure(x, y)
	// On the grid of frames, so that the frames of the speech stay what they are.
	pause := make([]float32, 40*stoiHop)
	longer := append(append([]float32(nil), pause...), x...)
	noisy := append(withNoise(pause, 0.5), y...)
	if got := s.Measure(longer, noisy); !(got > want-0.01 && got < want+0.01) {
		t.Errorf("with a noisy pause %v, without %v", got, want)
	}
}

func TestSTOIRate(t *testing.T) {
	for _, rate := range []int{-1, 0, 7999, 192001} {
		if _, err := NewSTOI(rate); err == nil {
			t.Errorf("a rate of %d Hz is taken", rate)
		}
		if _, err := NewSpeech(rate); err == nil {
			t.Errorf("a rate of %d Hz is taken", rate)
		}
	}
}
