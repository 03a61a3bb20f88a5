package kernel

import "math"

func expGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Exp(float64(v)))
	}
}

func sigmoid1(v float32) float32 { return float32(1 / (1 + math.Exp(-float64(v)))) }

func sigmoidGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = sigmoid1(v)
	}
}

func tanhGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Tanh(float64(v)))
	}
}

func mishGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = v * float32(math.Tanh(softplus(float64(v))))
	}
}

// softplus is log(1+exp(v)) without overflow.
func softplus(v float64) float64 {
	if v > 30 {
		return v
	}
	return math.Log1p(math.Exp(v))
}

func gateGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = float32(math.Tanh(float64(v))) * sigmoid1(b[i])
	}
}

func gluGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = v * sigmoid1(b[i])
	}
}

func leakyReLUGeneric(dst, x []float32, slope float32) {
	for i, v := range x {
		if !(v > 0) {
			v *= slope
		}
		dst[i] = v
	}
}

func leakyReLUGradGeneric(dx, dy, y []float32, slope float32) {
	for i, v := range dy {
		if !(y[i] > 0) {
			v *= slope
		}
		dx[i] = v
	}
}
