package kernel

// Snake computes dst[i] = x[i] + sin²(alpha[i]·x[i])·inv[i], with
// inv = 1/(alpha + 1e-9): the periodic activation of the codec over one row of
// channels (BigVGAN, arXiv 2206.04658; DAC, dac/nn/layers.py). All slices have
// dst's length at least; dst may be x.
func Snake(dst, x, alpha, inv []float32) {
	n := len(dst)
	snake(dst, x[:n], alpha[:n], inv[:n])
}

// Tanh computes dst[i] = tanh(x[i]). dst may be x.
func Tanh(dst, x []float32) { tanh(dst, x[:len(dst)]) }

// Sigmoid computes dst[i] = 1/(1+exp(-x[i])). dst may be x.
func Sigmoid(dst, x []float32) { sigmoid(dst, x[:len(dst)]) }

// Exp computes dst[i] = exp(x[i]). Assembly gives zero for x below -86.64, where
// subnormal numbers are near. dst may be x.
func Exp(dst, x []float32) { exp(dst, x[:len(dst)]) }

// Mish computes dst[i] = x[i]·tanh(log(1+exp(x[i]))). dst may be x.
func Mish(dst, x []float32) { mish(dst, x[:len(dst)]) }

// Gate computes dst[i] = tanh(a[i])·sigmoid(b[i]), the WaveNet gate. dst may be
// a or b.
func Gate(dst, a, b []float32) { gate(dst, a[:len(dst)], b[:len(dst)]) }

// GLU computes dst[i] = a[i]·sigmoid(b[i]). dst may be a or b.
func GLU(dst, a, b []float32) { glu(dst, a[:len(dst)], b[:len(dst)]) }

// Add computes dst[i] = a[i] + b[i]. dst may be a or b.
func Add(dst, a, b []float32) { add(dst, a[:len(dst)], b[:len(dst)]) }

// Softmax replaces x by exp(x - max(x)) / Σ exp(x - max(x)), summed in a fixed
// order.
func Softmax(x []float32) { softmax(x) }

// LSTMCell advances len(h) LSTM units by one step, from their pre-activations:
//
//	c = sigmoid(f)·c + sigmoid(i)·tanh(g);  h = sigmoid(o)·tanh(c)
//
// The gates of units 16j to 16j+15 lie together, gates[64j:] holding 16 values
// each of i, f, g and o, so that the units of a panel group need no other
// group's product. len(h) is a multiple of 16.
func LSTMCell(h, c, gates []float32) {
	n := len(h)
	if n%Width != 0 {
		panic("kernel: LSTM units not a multiple of the panel width")
	}
	lstmCell(h, c[:n], gates[:4*n])
}
