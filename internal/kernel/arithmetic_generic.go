package kernel

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

func scaledGeneric(dst, x []float32, s float32) {
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

// dotGeneric takes a multiple of dotSums elements.
func dotGeneric(sums *[dotSums]float64, a, b []float32) {
	for ; len(a) > 0; a, b = a[dotSums:], b[dotSums:] {
		x, y := (*[dotSums]float32)(a), (*[dotSums]float32)(b)
		for i := range sums {
			sums[i] += float64(x[i]) * float64(y[i])
		}
	}
}
