package kernel

import "math"

func snakeGeneric(dst, x, alpha, inv []float32) {
	for i, v := range x {
		s := float32(math.Sin(float64(float32(alpha[i] * v))))
		dst[i] = v + float32(float32(s*s)*inv[i])
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
