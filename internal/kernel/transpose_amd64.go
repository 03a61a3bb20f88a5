//go:build !noasm

package kernel

func transposeAVX512(dst []float32, ldDst int, src []float32, ldSrc, rows, cols int) {
	if rows < 16 || cols < 16 {
		transposeAVX2(dst, ldDst, src, ldSrc, rows, cols)
		return
	}
	transposeStrips(dst, ldDst, src, ldSrc, rows, cols, 16, transposeStripAVX512)
}

func transposeAVX2(dst []float32, ldDst int, src []float32, ldSrc, rows, cols int) {
	if rows < 8 || cols < 8 {
		transposeGeneric(dst, ldDst, src, ldSrc, rows, cols)
		return
	}
	transposeStrips(dst, ldDst, src, ldSrc, rows, cols, 8, transposeStripAVX2)
}
