//go:build !amd64 || noasm

package kernel

func transpose(dst []float32, ldDst int, src []float32, ldSrc, rows, cols int) {
	transposeGeneric(dst, ldDst, src, ldSrc, rows, cols)
}
