package kernel

import "math"

func snakeGeneric(dst, x, alpha, inv []float32) {
	for i, v := range x {
		s := float32(math.Sin(float64(float32(alpha[i] * v))))
		dst[i] = v + float32(float32(s*s)*inv[i])
	}
}

func tanhGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Tanh(float64(v)))
	}
}

func sigmoid1(v float32) float32 { return float32(1 / (1 + math.Exp(-float64(v)))) }

func sigmoidGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = sigmoid1(v)
	}
}

func expGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Exp(float64(v)))
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

func addGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = v + b[i]
	}
}

func softmaxGeneric(x []float32) {
	if len(x) == 0 {
		return
	}
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	var sum float64
	for i, v := range x {
		x[i] = float32(math.Exp(float64(v - top)))
		sum += float64(x[i])
	}
	inv := float32(1 / sum)
	for i := range x {
		x[i] *= inv
	}
}

func lstmCellGeneric(h, c, gates []float32) {
	for u := 0; u < len(h); u += Width {
		g := gates[4*u:]
		for i := range Width {
			in, forget := sigmoid1(g[i]), sigmoid1(g[Width+i])
			cell, out := float32(math.Tanh(float64(g[2*Width+i]))), sigmoid1(g[3*Width+i])
			v := float32(forget*c[u+i]) + float32(in*cell)
			c[u+i] = v
			h[u+i] = out * float32(math.Tanh(float64(v)))
		}
	}
}
