//go:build !noasm

package kernel

func snakeRows(dst, x, alpha, inv []float32, stride, rows int) {
	switch current {
	case levelAVX512:
		snakeRowsAVX512(dst, x, alpha, inv, 4*stride, rows)
	case levelAVX2:
		snakeRowsAVX2(dst, x, alpha, inv, 4*stride, rows)
	default:
		snakeRowsGeneric(dst, x, alpha, inv, stride, rows)
	}
}

func snakeGradRows(dx, dy, x, alpha, inv, a, b []float32, stride, rows int) {
	switch current {
	case levelAVX512:
		snakeGradRowsAVX512(dx, dy, x, alpha, inv, a, b, 4*stride, rows)
	case levelAVX2:
		snakeGradRowsAVX2(dx, dy, x, alpha, inv, a, b, 4*stride, rows)
	default:
		snakeGradRowsGeneric(dx, dy, x, alpha, inv, a, b, stride, rows)
	}
}

func leakyReLU(dst, x []float32, slope float32) {
	switch current {
	case levelAVX512:
		leakyReLUAVX512(dst, x, slope)
	case levelAVX2:
		leakyReLUAVX2(dst, x, slope)
	default:
		leakyReLUGeneric(dst, x, slope)
	}
}

func leakyReLUGrad(dx, dy, y []float32, slope float32) {
	switch current {
	case levelAVX512:
		leakyReLUGradAVX512(dx, dy, y, slope)
	case levelAVX2:
		leakyReLUGradAVX2(dx, dy, y, slope)
	default:
		leakyReLUGradGeneric(dx, dy, y, slope)
	}
}

func sub(dst, a, b []float32) {
	switch current {
	case levelAVX512:
		subAVX512(dst, a, b)
	case levelAVX2:
		subAVX2(dst, a, b)
	default:
		subGeneric(dst, a, b)
	}
}

func mul(dst, a, b []float32) {
	switch current {
	case levelAVX512:
		mulAVX512(dst, a, b)
	case levelAVX2:
		mulAVX2(dst, a, b)
	default:
		mulGeneric(dst, a, b)
	}
}

func scaled(dst, x []float32, s float32) {
	switch current {
	case levelAVX512:
		scaledAVX512(dst, x, s)
	case levelAVX2:
		scaledAVX2(dst, x, s)
	default:
		scaledGeneric(dst, x, s)
	}
}

func addScaled(dst, x []float32, s float32) {
	switch current {
	case levelAVX512:
		addScaledAVX512(dst, x, s)
	case levelAVX2:
		addScaledAVX2(dst, x, s)
	default:
		addScaledGeneric(dst, x, s)
	}
}

func lerp(dst, x []float32, w float32) {
	switch current {
	case levelAVX512:
		lerpAVX512(dst, x, w)
	case levelAVX2:
		lerpAVX2(dst, x, w)
	default:
		lerpGeneric(dst, x, w)
	}
}

func dot(sums *[dotSums]float64, a, b []float32) {
	switch current {
	case levelAVX512:
		dotAVX512(&sums[0], a, b)
	case levelAVX2:
		dotAVX2(&sums[0], a, b)
	default:
		dotGeneric(sums, a, b)
	}
}

func adamW(p, g, m, v []float32, s AdamWStep) {
	switch current {
	case levelAVX512:
		adamWAVX512(p, g, m, v, s.GradScale, s.Decay, s.Mean, s.Keep, s.Square, s.Bias, s.Eps, s.Rate)
	case levelAVX2:
		adamWAVX2(p, g, m, v, s.GradScale, s.Decay, s.Mean, s.Keep, s.Square, s.Bias, s.Eps, s.Rate)
	default:
		adamWGeneric(p, g, m, v, s)
	}
}
