package kernel

// Softmax replaces x by exp(x - max(x)) / Σ exp(x - max(x)), summed in a fixed
// order.
func Softmax(x []float32) { softmax(x) }
