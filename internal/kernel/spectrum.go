package kernel

import "fmt"

// Magnitude computes dst[i] = √(re[i]² + im[i]²). dst may be re or im.
func Magnitude(dst, re, im []float32) { magnitude(dst, re[:len(dst)], im[:len(dst)]) }

// SinCos computes sin[i] = sin(x[i]) and cos[i] = cos(x[i]), to 1e-6 for arguments of up to
// ten thousand; beyond a million the results are only bounded by 1.1. sin may be x.
func SinCos(sin, cos, x []float32) {
	n := len(sin)
	sinCos(sin, cos[:n], x[:n])
}

// SpectralDistance compares magnitudes, or bands of them, that are not negative, with those
// wanted. It overwrites want with the losses and got with their derivatives:
//
//	for i := range got {
//		l, e := logFactor*(log(max(got[i], floor)) - log(max(want[i], floor))), linear*(got[i] - want[i])
//		d := sign(e)*linear
//		if got[i] >= floor {
//			d += sign(l)*logFactor/got[i]
//		}
//		got[i], want[i] = d, |l| + |e|
//	}
//
// The factors are not negative, and floor is a positive normal number.
func SpectralDistance(got, want []float32, floor, logFactor, linear float32) {
	spectralDistance(got, want[:len(got)], floor, logFactor, linear)
}

// MagnitudeGrad takes the derivative d with respect to Magnitude back to re and im,
// which it overwrites:
//
//	for i := range re {
//		g := d[i]/magnitude[i], or 0 where magnitude[i] is 0
//		re[i], im[i] = g*re[i], g*im[i]
//	}
func MagnitudeGrad(re, im, d, magnitude []float32) {
	n := len(re)
	magnitudeGrad(re, im[:n], d[:n], magnitude[:n])
}

// ScaleRows multiplies rows of 2·Width values, which lie one behind the other, by a factor
// each: x[i] *= factors[i/(2·Width)].
func ScaleRows(x, factors []float32) {
	if len(x) < 2*Width*len(factors) {
		panic(fmt.Sprintf("kernel: %d values for %d rows of %d", len(x), len(factors), 2*Width))
	}
	scaleRows(x, factors)
}
