package kernel

// Exp computes dst[i] = exp(x[i]). Assembly returns zero for x below -86.64, where
// subnormal numbers are near. dst may be x.
func Exp(dst, x []float32) { exp(dst, x[:len(dst)]) }

// Sigmoid computes dst[i] = 1/(1+exp(-x[i])). dst may be x.
func Sigmoid(dst, x []float32) { sigmoid(dst, x[:len(dst)]) }

// Tanh computes dst[i] = tanh(x[i]). dst may be x.
func Tanh(dst, x []float32) { tanh(dst, x[:len(dst)]) }

// Mish computes dst[i] = x[i]·tanh(log(1+exp(x[i]))). dst may be x.
func Mish(dst, x []float32) { mish(dst, x[:len(dst)]) }

// Log computes dst[i] = log(max(x[i], 2⁻¹²⁶)), the natural logarithm; NaN for infinity. dst
// may be x.
func Log(dst, x []float32) { log(dst, x[:len(dst)]) }

// TanhGrad computes dx[i] = dy[i]·(1 - tanh²(x[i])). dx may be dy or x.
func TanhGrad(dx, dy, x []float32) {
	n := len(dx)
	tanhGrad(dx, dy[:n], x[:n])
}

// MishGrad computes dx[i] = dy[i]·f'(x[i]) for Mish. dx may be dy or x.
func MishGrad(dx, dy, x []float32) {
	n := len(dx)
	mishGrad(dx, dy[:n], x[:n])
}

// GELU computes dst[i] = x[i]·sigmoid(2·√(2/π)·x[i]·(1 + 0.044715·x[i]²)), the usual
// approximation (Hendrycks and Gimpel, arXiv 1606.08415; PyTorch's
// gelu(approximate="tanh")). dst may be x.
func GELU(dst, x []float32) { gelu(dst, x[:len(dst)]) }

// GELUGrad computes dx[i] = dy[i]·f'(x[i]) for GELU. dx may be dy or x.
func GELUGrad(dx, dy, x []float32) {
	n := len(dx)
	geluGrad(dx, dy[:n], x[:n])
}

// Gate computes dst[i] = tanh(a[i])·sigmoid(b[i]), the WaveNet gate. dst may be a
// or b.
func Gate(dst, a, b []float32) { gate(dst, a[:len(dst)], b[:len(dst)]) }

// GLU computes dst[i] = a[i]·sigmoid(b[i]). dst may be a or b.
func GLU(dst, a, b []float32) { glu(dst, a[:len(dst)], b[:len(dst)]) }

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
