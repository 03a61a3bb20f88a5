//go:build !noasm

package kernel

// transposeBlock is the number of rows after which a strip of columns gives way
// to the next one: as many pages as the first level of address translation
// holds.
const transposeBlock = 64

// transpose goes in strips as wide as a register. The last strip overlaps the
// one before it where the columns are no multiple of its width, and both write
// the same.
func transpose(dst []float32, ldDst int, src []float32, ldSrc, rows, cols int) {
	strip, width := transposeStripAVX2, 8
	if current == levelAVX512 && rows >= 16 && cols >= 16 {
		strip, width = transposeStripAVX512, 16
	}
	if current == levelGeneric || rows < width || cols < width {
		transposeGeneric(dst, ldDst, src, ldSrc, rows, cols)
		return
	}
	for r := 0; r < rows; {
		n := rows - r
		if n >= transposeBlock+width {
			n = transposeBlock
		}
		for c := 0; c < cols; c += width {
			c := min(c, cols-width)
			strip(&dst[c*ldDst+r], &src[r*ldSrc+c], 4*ldDst, 4*ldSrc, n)
		}
		r += n
	}
}
