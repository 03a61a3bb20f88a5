package kernel

// LSTMCell advances len(h) LSTM units by one step, from their pre-activations:
//
//	c = sigmoid(f)·c + sigmoid(i)·tanh(g);  h = sigmoid(o)·tanh(c)
//
// The gates of units 16j to 16j+15 lie together, gates[64j:] holding 16 values each
// of i, f, g and o, so that the units of a panel group need no other group's
// product. len(h) is a multiple of 16.
func LSTMCell(h, c, gates []float32) {
	n := len(h)
	if n%Width != 0 {
		panic("kernel: LSTM units not a multiple of the panel width")
	}
	lstmCell(h, c[:n], gates[:4*n])
}
