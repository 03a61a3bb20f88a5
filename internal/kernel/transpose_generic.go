package kernel

// transposeGeneric goes in blocks whose cache lines stay in the first-level cache
// on both sides.
func transposeGeneric(dst []float32, ldDst int, src []float32, ldSrc, rows, cols int) {
	const block = 16
	for c0 := 0; c0 < cols; c0 += block {
		c1 := min(c0+block, cols)
		for r0 := 0; r0 < rows; r0 += block {
			r1 := min(r0+block, rows)
			for c := c0; c < c1; c++ {
				to, from := dst[c*ldDst+r0:][:r1-r0], src[r0*ldSrc+c:]
				for r := range to {
					to[r] = from[r*ldSrc]
				}
			}
		}
	}
}
