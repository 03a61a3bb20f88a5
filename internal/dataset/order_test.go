package dataset

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestEachEpochIsAPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "clips")
		seed, epoch := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 1<<40).Draw(t, "epoch")
		order := shuffled(seed, epoch, n)
		if !slices.Equal(order, shuffled(seed, epoch, n)) {
			t.Fatal("two orders of one epoch")
		}
		if n >= 50 && (slices.Equal(order, shuffled(seed, epoch+1, n)) || slices.Equal(order, shuffled(seed+1, epoch, n))) {
			t.Fatal("one order of two epochs, or of two seeds")
		}
		slices.Sort(order)
		for i, c := range order {
			if int(c) != i {
				t.Fatalf("clip %d at %d", c, i)
			}
		}
	})
}

// The order is part of what a resumed run relies on: a new version must not change
// it. The numbers are those of a second implementation, in Python.
func TestOrderStaysAsItIs(t *testing.T) {
	if got, want := shuffled(1234, 0, 8), []int32{3, 0, 2, 4, 7, 6, 1, 5}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if got, want := gain(1234, 2, Clip{Path: "a/b.wav", Start: 3, Samples: 4}, 0, -24, 0), -21.296751657688986; got != want {
		t.Errorf("gain %v, want %v", got, want)
	}
}

func TestPlacesAreEquallyLikely(t *testing.T) {
	const n, epochs = 6, 6000
	var counts [n][n]int
	for epoch := range epochs {
		for i, c := range shuffled(7, epoch, n) {
			counts[i][c]++
		}
	}
	chi := 0.0
	for _, row := range counts {
		for _, k := range row {
			d := float64(k) - epochs/n
			chi += d * d / (epochs / n)
		}
	}
	// 25 degrees of freedom: 52.6 is exceeded once in 1000, and the seed is fixed.
	if chi > 52.6 {
		t.Errorf("chi² %v", chi)
	}
}

func TestGainIsUniformInDB(t *testing.T) {
	const n = 20000
	draws := make([]float64, 0, n)
	sum, product := 0.0, 0.0
	for i := range n {
		c := Clip{Path: "x.wav", Start: int64(i % 100 * 1000), Samples: 5000}
		g := gain(5, i/100, c, 0, -24, 0)
		if g < -24 || g >= 0 {
			t.Fatalf("gain %v", g)
		}
		draws = append(draws, g)
		sum += g
		if i > 0 {
			product += (g + 12) * (draws[i-1] + 12)
		}
	}
	if mean := sum / n; math.Abs(mean+12) > 0.2 { // four standard errors
		t.Errorf("mean %v dB", mean)
	}
	if r := product / n / 48; math.Abs(r) > 0.03 { // 48 = 24²/12
		t.Errorf("neighbors correlate by %v", r)
	}
	slices.Sort(draws)
	worst := 0.0 // Kolmogorov and Smirnov's
	for i, g := range draws {
		worst = max(worst, math.Abs((g+24)/24-float64(i)/n))
	}
	if worst > 1.95/math.Sqrt(n) { // exceeded once in 1000
		t.Errorf("distance %v from the uniform distribution", worst)
	}
	c := Clip{Path: "x.wav", Samples: 5000}
	other := []float64{gain(6, 0, c, 0, -24, 0), gain(5, 1, c, 0, -24, 0), gain(5, 0, c, 1, -24, 0), gain(5, 0, Clip{Path: "y.wav", Samples: 5000}, 0, -24, 0)}
	if slices.Contains(other, gain(5, 0, c, 0, -24, 0)) {
		t.Error("seed, epoch, repetition or path is not in the gain")
	}
	if g := gain(5, 0, c, 0, 0, 0); g != 0 {
		t.Errorf("without a range %v dB", g)
	}
	if g := gain(5, 0, c, 0, -6, -6); g != -6 {
		t.Errorf("with a range of one value %v dB", g)
	}
}
