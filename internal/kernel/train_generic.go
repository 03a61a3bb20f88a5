package kernel

import "math"

// fma32 is x·y+z, rounded once but for a rare last bit: the product is exact in
// float64.
func fma32(x, y, z float32) float32 { return float32(float64(x)*float64(y) + float64(z)) }

func snakeRowsGeneric(dst, x, alpha, inv []float32, stride, rows int) {
	c := len(alpha)
	for r := range rows {
		snakeGeneric(dst[r*stride:][:c], x[r*stride:][:c], alpha, inv)
	}
}

func snakeGradRowsGeneric(dx, dy, x, alpha, inv, a, b []float32, stride, rows int) {
	for r := range rows {
		at := r * stride
		for i, al := range alpha {
			v, d := x[at+i], dy[at+i]
			sin, cos := math.Sincos(float64(float32(al * v)))
			s := float32(sin)
			t := 2 * float32(s*float32(cos))
			dx[at+i] = d * fma32(float32(al*inv[i]), t, 1)
			a[i] = fma32(float32(d*t), v, a[i])
			b[i] = fma32(d, float32(s*s), b[i])
		}
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

func adamWGeneric(p, g, m, v []float32, s AdamWStep) {
	for i, grad := range g {
		grad *= s.GradScale
		mean := fma32(s.Mean, grad-m[i], m[i])
		square := fma32(float32(s.Square*grad), grad, float32(s.Keep*v[i]))
		m[i], v[i] = mean, square
		root := float32(math.Sqrt(float64(square)))
		p[i] = fma32(-s.Rate, mean/fma32(root, s.Bias, s.Eps), float32(s.Decay*p[i]))
	}
}
