//go:build !noasm && (amd64 || arm64)

package kernel

// transposeBlock is the number of rows after which a strip of columns gives way
// to the next one: as many pages as the first level of address translation
// holds.
const transposeBlock = 64

// transposeStrips goes in strips as wide as a register. The last strip overlaps the
// one before it where the columns are no multiple of its width, and both write
// the same.
func transposeStrips(dst []float32, ldDst int, src []float32, ldSrc, rows, cols, width int, strip func(dst, src *float32, ldDst, ldSrc, rows int)) {
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
