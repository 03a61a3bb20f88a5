// Package filterdesign holds what the design of filters and transforms needs: the sinc, the
// windows of Hann and Kaiser, and the ratio of two sample rates.
package filterdesign

import "math"

// Sinc is sin(πx)/(πx), and 1 at 0.
func Sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// Hann returns the periodic Hann window of n samples, whose first is 0 (scipy.signal.get_window,
// torch.hann_window).
func Hann(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n))
	}
	return w
}

// Kaiser returns the Kaiser window over -1 to 1, I0(beta·√(1-x²))/I0(beta), and 0
// outside. Its edges are 1/I0(beta).
func Kaiser(beta float64) func(x float64) float64 {
	peak := besselI0(beta)
	return func(x float64) float64 {
		if x < -1 || x > 1 {
			return 0
		}
		return besselI0(beta*math.Sqrt(1-x*x)) / peak
	}
}

// besselI0 is the modified Bessel function of the first kind of order 0, by its power
// series: all terms are positive, so it is exact to the last bits for the arguments
// of a window.
func besselI0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-17; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}

// Ratio returns to/from, two positive sample rates, in lowest terms.
func Ratio(from, to int) (up, down int) {
	a, b := from, to
	for b != 0 {
		a, b = b, a%b
	}
	return to / a, from / a
}
