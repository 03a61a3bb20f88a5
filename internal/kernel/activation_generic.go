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

func logGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Log(float64(max(v, 0x1p-126)))) + (v - v)
		if v < 0x1p-126 { // -∞ - -∞ is NaN
			dst[i] = float32(math.Log(0x1p-126))
		}
	}
}

func tanhGradGeneric(dx, dy, x []float32) {
	for i, v := range x {
		t := math.Tanh(float64(v))
		dx[i] = dy[i] * float32(1-t*t)
	}
}

// mishGradGeneric: with t = tanh(softplus(x)), f' = t + x·(1-t²)·sigmoid(x).
func mishGradGeneric(dx, dy, x []float32) {
	for i, v := range x {
		e := math.Exp(-math.Abs(float64(v)))
		sigmoid, softplus := 1/(1+e), math.Log1p(e)
		if v > 0 {
			softplus += float64(v)
		} else {
			sigmoid = 1 - sigmoid
		}
		t := math.Tanh(softplus)
		dx[i] = dy[i] * float32(t+float64(v)*(1-t*t)*sigmoid)
	}
}

const (
	geluScale = 1.5957691216057308 // 2·√(2/π)
	geluCubic = 0.044715
)

func geluGeneric(dst, x []float32) {
	for i, v := range x {
		u := float64(geluScale * v * (1 + geluCubic*v*v))
		dst[i] = float32(1/(1+math.Exp(-u))) * v
	}
}

// geluGradGeneric: with u the argument and s = sigmoid(u), f' = s + x·s·(1-s)·u'.
func geluGradGeneric(dx, dy, x []float32) {
	for i, v := range x {
		x := float64(v)
		s := 1 / (1 + math.Exp(-geluScale*x*(1+geluCubic*x*x)))
		dx[i] = dy[i] * float32(s+x*s*(1-s)*geluScale*(1+3*geluCubic*x*x))
	}
}
