package kernel

import "math"

// Peak returns the largest magnitude of x, 0 for none; NaN counts as larger than infinity.
func Peak(x []float32) float32 {
	// Magnitudes are in the order of their bits, and integers have a maximum without
	// a special case.
	const magnitude = 1<<31 - 1
	var a, b, c, d uint32
	for ; len(x) >= 4; x = x[4:] {
		a = max(a, math.Float32bits(x[0])&magnitude)
		b = max(b, math.Float32bits(x[1])&magnitude)
		c = max(c, math.Float32bits(x[2])&magnitude)
		d = max(d, math.Float32bits(x[3])&magnitude)
	}
	for _, v := range x {
		a = max(a, math.Float32bits(v)&magnitude)
	}
	return math.Float32frombits(max(a, b, c, d))
}
