package kernel

import "fmt"

// Snake computes dst[i] = x[i] + sin²(alpha[i]·x[i])·inv[i], with inv = 1/(alpha +
// 1e-9): the periodic activation of the codec over one row of channels (BigVGAN,
// arXiv 2206.04658; DAC, dac/nn/layers.py). All slices have dst's length at least;
// dst may be x.
func Snake(dst, x, alpha, inv []float32) {
	n := len(dst)
	snake(dst, x[:n], alpha[:n], inv[:n])
}

// SnakeGrad is the gradient of Snake over one row of channels. With s =
// sin(alpha[i]·x[i]) and c = cos(alpha[i]·x[i]):
//
//	dx[i] = dy[i]·(1 + 2·s·c·alpha[i]·inv[i])
//	a[i] += dy[i]·2·s·c·x[i]
//	b[i] += dy[i]·s²
//
// The gradient of inv is b, that of alpha, as far as it does not go through inv, is
// a·inv. All slices have dx's length at least; dx may be dy or x.
func SnakeGrad(dx, dy, x, alpha, inv, a, b []float32) {
	n := len(dx)
	SnakeGradRows(dx, dy, x, n, 1, n, alpha, inv, a, b)
}

// SnakeGradRows is SnakeGrad for each of rows of c channels that lie stride
// values apart in dx, dy and x. The sums a and b take the rows up one after the
// other, so that several calls for parts of the rows, in order, have the result of
// one call.
func SnakeGradRows(dx, dy, x []float32, stride, rows, c int, alpha, inv, a, b []float32) {
	if checkRows(stride, rows, c, dx, dy, x) {
		snakeGradRows(dx, dy, x, alpha[:c], inv[:c], a[:c], b[:c], stride, rows)
	}
}

// checkRows says whether there is anything to do, and panics where a slice is too
// short for it.
func checkRows(stride, rows, c int, slices ...[]float32) bool {
	if rows <= 0 || c <= 0 {
		return false
	}
	if stride < c && rows > 1 {
		panic(fmt.Sprintf("kernel: rows of %d channels at a stride of %d", c, stride))
	}
	for _, s := range slices {
		if len(s) < (rows-1)*stride+c {
			panic(fmt.Sprintf("kernel: %d values for %d rows of %d at a stride of %d", len(s), rows, c, stride))
		}
	}
	return true
}
