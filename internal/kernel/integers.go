package kernel

// Weights as integers: how they are made, and made float32 again.

// roundEven rounds a value below 2²² to the nearest integer.
func roundEven(v float32) int32 {
	const magic = 3 << 22 // whose unit in the last place is 1
	return int32(float32(v+magic) - magic)
}
