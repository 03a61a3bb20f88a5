package kernel

// Max returns the largest value of x, -Inf for none, and anything where there is a NaN.
func Max(x []float32) float32 { return maximum(x) }
