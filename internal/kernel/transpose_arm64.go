//go:build !noasm

package kernel

func transposeNEON(dst []float32, ldDst int, src []float32, ldSrc, rows, cols int) {
	if rows < 4 || cols < 4 {
		transposeGeneric(dst, ldDst, src, ldSrc, rows, cols)
		return
	}
	transposeStrips(dst, ldDst, src, ldSrc, rows, cols, 4, transposeStripNEON)
}
