package kernel

import "math"

func toBF16Generic(dst []BFloat16, x []float32) {
	for i, v := range x {
		dst[i] = roundBF16(v)
	}
}

// roundBF16 adds a half of the last place that stays, or a bit less where that is
// even.
func roundBF16(v float32) BFloat16 {
	u := math.Float32bits(v)
	if v != v {
		return BFloat16(u>>16 | 0x40) // a quiet NaN
	}
	return BFloat16((u + 0x7fff + u>>16&1) >> 16)
}

func fromBF16Generic(dst []float32, x []BFloat16) {
	for i, v := range x {
		dst[i] = floatBF16(v)
	}
}

func floatBF16(v BFloat16) float32 { return math.Float32frombits(uint32(v) << 16) }

func pairBF16Generic(dst []BFloat16, a, b []float32) {
	for i, v := range a {
		dst[2*i], dst[2*i+1] = roundBF16(v), roundBF16(b[i])
	}
}

func snakeBF16Generic(dst []BFloat16, x, alpha, inv []float32) {
	var y [Width]float32
	for i := 0; i < len(x); i += Width {
		snakeGeneric(y[:], x[i:i+Width], alpha[i:i+Width], inv[i:i+Width])
		toBF16Generic(dst[i:i+Width], y[:])
	}
}

func splitBF16Generic(high, low []BFloat16, x []float32) {
	for i, v := range x {
		high[i] = roundBF16(v)
		low[i] = roundBF16(v - floatBF16(high[i]))
	}
}

func snakeSplitBF16Generic(high, low []BFloat16, x, alpha, inv []float32) {
	var y [Width]float32
	for i := 0; i < len(x); i += Width {
		snakeGeneric(y[:], x[i:i+Width], alpha[i:i+Width], inv[i:i+Width])
		splitBF16Generic(high[i:i+Width], low[i:i+Width], y[:])
	}
}
