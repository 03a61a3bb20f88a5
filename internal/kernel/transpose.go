package kernel

import "fmt"

// Transpose computes dst[c·ldDst+r] = src[r·ldSrc+c] for r in rows and c in
// cols. Only these elements are read and written; dst and src do not overlap. Rows
// of src may overlap each other, as the frames of a signal do.
func Transpose(dst []float32, ldDst int, src []float32, ldSrc, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	switch {
	case ldSrc < 0 || len(src) < (rows-1)*ldSrc+cols:
		panic(fmt.Sprintf("kernel: %d values to transpose for %d rows of %d at a stride of %d", len(src), rows, cols, ldSrc))
	case cols > 1 && ldDst < rows || len(dst) < (cols-1)*ldDst+rows:
		panic(fmt.Sprintf("kernel: %d values for the transpose, %d rows of %d at a stride of %d", len(dst), cols, rows, ldDst))
	}
	transpose(dst, ldDst, src, ldSrc, rows, cols)
}
