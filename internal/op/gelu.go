package op

import "github.com/facodec-go/facodec/internal/kernel"

// GELU is x·Φ(x) with the Gaussian's distribution function in its usual
// approximation (Hendrycks and Gimpel, arXiv 1606.08415; PyTorch's
// gelu(approximate="tanh")): x·sigmoid(2·√(2/π)·(x + 0.044715·x³)).
var GELU Activation = &pointwiseActivation{gelu, geluGrad}

const (
	geluScale = 1.5957691216057308 // 2·√(2/π)
	geluCubic = 0.044715
)

func gelu(dst, x []float32) {
	geluArgument(dst, x)
	kernel.Sigmoid(dst, dst)
	kernel.Mul(dst, dst, x)
}

func geluArgument(dst, x []float32) {
	x = x[:len(dst)]
	for i, v := range x {
		dst[i] = geluScale * v * (1 + geluCubic*v*v)
	}
}

// geluGrad: with u the argument and s = sigmoid(u), f' = s + x·s·(1-s)·u'.
func geluGrad(dx, dy, x []float32) {
	geluArgument(dx, x)
	kernel.Sigmoid(dx, dx)
	x, dy = x[:len(dx)], dy[:len(dx)]
	for i, s := range dx {
		v := x[i]
		slope := geluScale * (1 + 3*geluCubic*v*v)
		dx[i] = dy[i] * (s + v*s*(1-s)*slope)
	}
}
