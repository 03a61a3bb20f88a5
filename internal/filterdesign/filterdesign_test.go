package filterdesign

import (
	"math"
	"testing"
)

func TestSinc(t *testing.T) {
	for x, want := range map[float64]float64{0: 1, 0.5: 2 / math.Pi, -0.5: 2 / math.Pi, 1: 0, 7: 0} {
		if got := Sinc(x); math.Abs(got-want) > 1e-16 {
			t.Errorf("sinc(%v) = %v, want %v", x, got, want)
		}
	}
}

// TestKaiser compares with the Bessel function's integral,
// I0(x) = 1/π ∫ exp(x·cos θ) dθ over 0 to π, for which the mean of equally spaced
// points is exact to the last bits.
func TestKaiser(t *testing.T) {
	i0 := func(x float64) float64 {
		const points = 200
		var sum float64
		for i := range points {
			sum += math.Exp(x * math.Cos(math.Pi*(float64(i)+0.5)/points))
		}
		return sum / points
	}
	for _, beta := range []float64{0, 1, 5.65, 8.6, 14.77} {
		window := Kaiser(beta)
		for _, x := range []float64{0, 0.1, -0.5, 0.75, 0.99, 1, -1} {
			want := i0(beta*math.Sqrt(1-x*x)) / i0(beta)
			if got := window(x); math.Abs(got-want) > 1e-13*want {
				t.Errorf("Kaiser(%v, %v) = %v, want %v", x, beta, got, want)
			}
		}
		if got := [2]float64{window(1.0000001), window(-2)}; got != [2]float64{} {
			t.Errorf("outside, beta %v: %v", beta, got)
		}
	}
}

func TestRatio(t *testing.T) {
	for _, c := range [][4]int{{44100, 24000, 80, 147}, {24000, 24000, 1, 1}, {16000, 24000, 3, 2}, {24001, 24000, 24000, 24001}} {
		if up, down := Ratio(c[0], c[1]); up != c[2] || down != c[3] {
			t.Errorf("%d to %d Hz: %d/%d", c[0], c[1], up, down)
		}
	}
}
