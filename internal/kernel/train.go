package kernel

import (
	"fmt"
	"math"
)

// SnakeRows is Snake over rows of len(alpha) channels that lie stride values
// apart in dst and in x. dst may be x.
func SnakeRows(dst, x []float32, stride, rows int, alpha, inv []float32) {
	c := len(alpha)
	if checkRows(stride, rows, c, dst, x) {
		snakeRows(dst, x, alpha, inv[:c], stride, rows)
	}
}

// SnakeGrad is the gradient of Snake over one row of channels. With
// s = sin(alpha[i]·x[i]) and c = cos(alpha[i]·x[i]):
//
//	dx[i] = dy[i]·(1 + 2·s·c·alpha[i]·inv[i])
//	a[i] += dy[i]·2·s·c·x[i]
//	b[i] += dy[i]·s²
//
// The gradient of inv is b, that of alpha, as far as it does not go through
// inv, is a·inv. All slices have dx's length at least; dx may be dy or x.
func SnakeGrad(dx, dy, x, alpha, inv, a, b []float32) {
	n := len(dx)
	SnakeGradRows(dx, dy, x, n, 1, n, alpha, inv, a, b)
}

// SnakeGradRows is SnakeGrad for each of rows of c channels that lie stride
// values apart in dx, dy and x. The sums a and b take the rows up one after the
// other, so that several calls for parts of the rows, in their order, give what
// one call gives.
func SnakeGradRows(dx, dy, x []float32, stride, rows, c int, alpha, inv, a, b []float32) {
	if checkRows(stride, rows, c, dx, dy, x) {
		snakeGradRows(dx, dy, x, alpha[:c], inv[:c], a[:c], b[:c], stride, rows)
	}
}

// checkRows says whether there is anything to do, and panics where a slice is
// too short for it.
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

// LeakyReLU computes dst[i] = x[i] where x[i] > 0, else slope·x[i]. dst may be x.
func LeakyReLU(dst, x []float32, slope float32) { leakyReLU(dst, x[:len(dst)], slope) }

// LeakyReLUGrad is the gradient of LeakyReLU from its output y:
// dx[i] = dy[i] where y[i] > 0, else slope·dy[i], as in PyTorch at 0 too. Slope
// is positive. A NaN in dy propagates; one in y alone counts as not positive, as
// in PyTorch. dx may be dy or y.
func LeakyReLUGrad(dx, dy, y []float32, slope float32) {
	n := len(dx)
	leakyReLUGrad(dx, dy[:n], y[:n], slope)
}

// An AdamWStep holds the factors of one step of AdamW, rounded to float32 once
// from what NewAdamWStep computes in float64.
type AdamWStep struct {
	GradScale float32 // factor of the gradient, by which its norm is clipped
	Decay     float32 // 1 - lr·weightDecay: what is left of a parameter
	Mean      float32 // 1 - β1: the gradient's part in its running mean
	Keep      float32 // β2: what is left of the running mean square
	Square    float32 // 1 - β2: the squared gradient's part in it
	Bias      float32 // 1/√(1-β2^step): the root's correction for the start at 0
	Eps       float32 // added to the corrected root
	Rate      float32 // lr/(1-β1^step), the mean's correction included
}

// NewAdamWStep returns the factors of the step-th step, counted from 1.
func NewAdamWStep(lr, beta1, beta2, eps, weightDecay float64, step int, gradScale float64) AdamWStep {
	return AdamWStep{
		GradScale: float32(gradScale),
		Decay:     float32(1 - lr*weightDecay),
		Mean:      float32(1 - beta1),
		Keep:      float32(beta2),
		Square:    float32(1 - beta2),
		Bias:      float32(1 / math.Sqrt(1-math.Pow(beta2, float64(step)))),
		Eps:       float32(eps),
		Rate:      float32(lr / (1 - math.Pow(beta1, float64(step)))),
	}
}

// AdamW advances the parameters p by one step along the gradient g, with its
// running mean m and mean square v (Loshchilov and Hutter, arXiv 1711.05101; in
// the order of torch.optim.AdamW for a single tensor, without amsgrad):
//
//	g  = GradScale·g
//	p  = Decay·p
//	m += Mean·(g - m)
//	v  = Keep·v + Square·g·g
//	p -= Rate·m/(√v·Bias + Eps)
//
// The slices have one length. g is left as it is.
func AdamW(p, g, m, v []float32, s AdamWStep) {
	n := len(p)
	adamW(p, g[:n], m[:n], v[:n], s)
}
