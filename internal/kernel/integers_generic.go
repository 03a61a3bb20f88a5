package kernel

import "math"

func fromInt16Generic(dst []float32, x []int16) {
	for i, v := range x {
		dst[i] = float32(v)
	}
}

func largestRowsGeneric(largest, x []float32) {
	// Magnitudes are in the order of their bits, and integers have a maximum without
	// a special case.
	for ; len(x) >= Width; x = x[Width:] {
		for i, v := range x[:Width] {
			largest[i] = math.Float32frombits(max(math.Float32bits(largest[i]), math.Float32bits(v)&magnitudeBits))
		}
	}
}

func toInt16Generic(dst []int16, x, factors []float32) {
	for i, v := range x {
		dst[i] = int16(roundEven(v * factors[i%Width]))
	}
}

func pairInt8Generic(dst []int8, a, b, factors []float32) {
	for i, f := range factors {
		dst[2*i], dst[2*i+1] = int8(roundEven(a[i]*f)), int8(roundEven(b[i]*f))
	}
}
