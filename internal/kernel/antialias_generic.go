package kernel

func upsampleRowsGeneric(dst, x, h []float32, ldDst, ldX, rows, cols int) {
	for r := range rows {
		for c := range cols {
			even, odd := x[r*ldX+c]*h[11], x[(r+1)*ldX+c]*h[10]
			for k := 1; k < AntiAliasTaps/2; k++ {
				even = fma32(h[11-2*k], x[(r+k)*ldX+c], even)
				odd = fma32(h[10-2*k], x[(r+k+1)*ldX+c], odd)
			}
			dst[2*r*ldDst+c], dst[(2*r+1)*ldDst+c] = even, odd
		}
	}
}

func downsampleRowsGeneric(dst, x, h []float32, ldDst, ldX, rows, cols int) {
	for r := range rows {
		for c := range cols {
			v := x[2*r*ldX+c] * h[0]
			for k := 1; k < AntiAliasTaps; k++ {
				v = fma32(h[k], x[(2*r+k)*ldX+c], v)
			}
			dst[r*ldDst+c] = v
		}
	}
}
