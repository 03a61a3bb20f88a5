package kernel

import "math"

func l1RowsGeneric(dx, x, y, sums []float32, stride, rows int, scale float32) {
	for r := range rows {
		for i := range sums {
			j := r*stride + i
			d := x[j] - y[j]
			sums[i] += float32(math.Abs(float64(d)))
			dx[j] = signed(1, d) * scale
		}
	}
}
