package kernel

import "math"

// magnitudeBits are those of a float32 but for its sign.
const magnitudeBits = 1<<31 - 1

// Peak returns the largest magnitude of x, 0 for none; NaN counts as larger than infinity.
func Peak(x []float32) float32 {
	var rows [Width]float32
	whole := len(x) / Width * Width
	largestRows(rows[:], x[:whole])
	var top uint32
	for _, v := range x[whole:] {
		top = max(top, math.Float32bits(v)&magnitudeBits)
	}
	for _, v := range rows {
		top = max(top, math.Float32bits(v)&magnitudeBits)
	}
	return math.Float32frombits(top)
}
