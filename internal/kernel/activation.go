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
