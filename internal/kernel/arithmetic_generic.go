package kernel

func addGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = v + b[i]
	}
}

func subGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = v - b[i]
	}
}

func mulGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = v * b[i]
	}
}

func scaleGeneric(dst, x []float32, s float32) {
	for i, v := range x {
		dst[i] = s * v
	}
}

func addScaledGeneric(dst, x []float32, s float32) {
	for i, v := range x {
		dst[i] = fma32(s, v, dst[i])
	}
}

func lerpGeneric(dst, x []float32, w float32) {
	for i, v := range x {
		dst[i] = fma32(w, v-dst[i], dst[i])
	}
}

// fma32 is x·y+z, rounded once but for a rare last bit: the product is exact in
// float64.
func fma32(x, y, z float32) float32 { return float32(float64(x)*float64(y) + float64(z)) }
