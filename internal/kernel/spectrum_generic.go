package kernel

import "math"

func magnitudeGeneric(dst, re, im []float32) {
	for i := range dst {
		dst[i] = float32(math.Sqrt(float64(float32(re[i]*re[i]) + float32(im[i]*im[i]))))
	}
}

func sinCosGeneric(sin, cos, x []float32) {
	for i := range sin {
		s, c := math.Sincos(float64(x[i]))
		sin[i], cos[i] = float32(s), float32(c)
	}
}

func spectralDistanceGeneric(got, want []float32, floor, logFactor, linear float32) {
	for i, g := range got {
		w := want[i]
		l := logFactor * float32(math.Log(float64(max(g, floor)))-math.Log(float64(max(w, floor))))
		e := linear * (g - w)
		d := signed(linear, e)
		if g >= floor {
			d += signed(logFactor/g, l)
		}
		got[i] = d
		want[i] = float32(math.Abs(float64(l))) + float32(math.Abs(float64(e)))
	}
}

// signed returns v with the sign of s, 0 where s is 0 or NaN.
func signed(v, s float32) float32 {
	switch {
	case s > 0:
		return v
	case s < 0:
		return -v
	}
	return 0
}

func magnitudeGradGeneric(re, im, d, magnitude []float32) {
	for i, m := range magnitude {
		var g float32
		if m > 0 {
			g = d[i] / m
		}
		re[i] *= g
		im[i] *= g
	}
}

func scaleRowsGeneric(x, factors []float32) {
	for i, f := range factors {
		for j := range x[2*Width*i : 2*Width*(i+1)] {
			x[2*Width*i+j] *= f
		}
	}
}
