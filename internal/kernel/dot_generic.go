package kernel

// dotGeneric takes a multiple of dotSums elements.
func dotGeneric(sums *[dotSums]float64, a, b []float32) {
	for ; len(a) > 0; a, b = a[dotSums:], b[dotSums:] {
		x, y := (*[dotSums]float32)(a), (*[dotSums]float32)(b)
		for i := range sums {
			sums[i] += float64(x[i]) * float64(y[i])
		}
	}
}
