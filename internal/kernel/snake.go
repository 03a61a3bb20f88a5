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

// SnakeGradRows is the gradient of Snake for rows of c channels that are stride values
// apart in dx, dy and x:
//
//	for r := range rows {
//		for i := range c {
//			j := r*stride + i
//			s, c := sin(alpha[i]*x[j]), cos(alpha[i]*x[j])
//			a[i] += dy[j]*2*s*c*x[j]
//			b[i] += dy[j]*s*s
//			dx[j] = dy[j]*(1 + 2*s*c*alpha[i]*inv[i])
//		}
//	}
//
// The gradient of inv is b, and that of alpha, apart from its part through inv, is
// a·inv. The rows are added to a and b one after the other, so that several calls
// for parts of the rows, in order, have the result of one call. dx may be dy or x.
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
