package kernel

// L1Rows adds up, for each column of rows that are stride values apart, the absolute
// differences between x and y, and writes their gradient:
//
//	for r := range rows {
//		for i := range sums {
//			j := r*stride + i
//			sums[i] += |x[j] - y[j]|
//			dx[j] = scale·sign(x[j] - y[j])
//		}
//	}
//
// dx may be x or y.
func L1Rows(dx, x, y, sums []float32, stride, rows int, scale float32) {
	if checkRows(stride, rows, len(sums), dx, x, y) {
		l1Rows(dx, x, y, sums, stride, rows, scale)
	}
}
