package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// transposes writes the transposition of a strip of columns.
func transposes(c *build.Context) {
	forEachISA(c, func(f *vectors) { f.transposeStrip() })
}

// transposeStrip goes down a strip as wide as a register in square tiles. The
// last tile overlaps the one above it where the rows are no multiple of its
// height: what both write is the same.
func (f *vectors) transposeStrip() {
	n := f.lanes()
	f.beginPart("transposeStrip", "func(dst, src *float32, ldDst, ldSrc, rows int)", "computes", "",
		"\tfor r := range rows {",
		fmt.Sprintf("\t\tfor c := range %d {", n),
		"\t\t\tdst[c*ldDst+r] = src[r*ldSrc+c]",
		"\t\t}",
		"\t}", "", fmt.Sprintf("for at least %d rows, with strides in bytes instead of elements.", n))
	dst, src := f.Load(f.Param("dst"), f.GP64()), f.Load(f.Param("src"), f.GP64())
	ldDst, ldSrc := f.Load(f.Param("ldDst"), f.GP64()), f.Load(f.Param("ldSrc"), f.GP64())
	left := f.Load(f.Param("rows"), f.GP64())
	f.Label("loop")
	from, to := f.GP64(), f.GP64()
	f.MOVQ(src, from)
	rows := make([]vec, n)
	for i := range rows {
		rows[i] = f.copy(operand.Mem{Base: from})
		if i < n-1 {
			f.ADDQ(ldSrc, from)
		}
	}
	f.MOVQ(dst, to)
	for i, v := range f.transposed(rows) {
		f.VMOVUPS(v, operand.Mem{Base: to})
		if i < n-1 {
			f.ADDQ(ldDst, to)
		}
	}
	// The step to the next tile is its height, or the rows that are left.
	f.SUBQ(operand.Imm(uint64(n)), left)
	f.JEQ(operand.LabelRef("done"))
	step := f.GP64()
	f.MOVQ(operand.U32(uint32(n)), step)
	f.CMPQ(left, step)
	f.CMOVQLT(left, step)
	f.LEAQ(operand.Mem{Base: dst, Index: step, Scale: 4}, dst)
	most := f.GP64()
	f.MOVQ(operand.U32(uint32(n)), most)
	f.CMPQ(left, most)
	f.CMOVQLT(most, left)
	f.IMULQ(ldSrc, step)
	f.ADDQ(step, src)
	f.JMP(operand.LabelRef("loop"))
	f.Label("done")
	f.end()
}

// transposed returns the columns of a square tile. In groups of four rows,
// elements are brought together in the quarters of the registers, then the
// quarters.
func (f *vectors) transposed(rows []vec) []vec {
	n := len(rows)
	pair := func(instruction func(b, a, r operand.Op), a, b vec) vec {
		r := f.vec()
		instruction(b, a, r)
		return r
	}
	low, high := func(b, a, r operand.Op) { f.VUNPCKLPS(b, a, r) }, func(b, a, r operand.Op) { f.VUNPCKHPS(b, a, r) }
	low2, high2 := func(b, a, r operand.Op) { f.VUNPCKLPD(b, a, r) }, func(b, a, r operand.Op) { f.VUNPCKHPD(b, a, r) }
	// Quarter q of groups[g][j] is column 4q+j of rows 4g to 4g+3.
	groups := make([][4]vec, n/4)
	for g := range groups {
		r := rows[4*g:]
		a, b := pair(low, r[0], r[1]), pair(high, r[0], r[1])
		c, d := pair(low, r[2], r[3]), pair(high, r[2], r[3])
		groups[g] = [4]vec{pair(low2, a, c), pair(high2, a, c), pair(low2, b, d), pair(high2, b, d)}
	}
	columns := make([]vec, n)
	quarters := func(select8 uint64) func(b, a, r operand.Op) {
		return func(b, a, r operand.Op) {
			if f.wide {
				f.VSHUFF32X4(imm(select8), b, a, r)
			} else {
				f.VPERM2F128(imm(select8), b, a, r)
			}
		}
	}
	for j := range 4 {
		if !f.wide {
			columns[j] = pair(quarters(0x20), groups[0][j], groups[1][j])
			columns[4+j] = pair(quarters(0x31), groups[0][j], groups[1][j])
			continue
		}
		even, odd := quarters(0b10_00_10_00), quarters(0b11_01_11_01)
		a, b := pair(even, groups[0][j], groups[1][j]), pair(even, groups[2][j], groups[3][j])
		c, d := pair(odd, groups[0][j], groups[1][j]), pair(odd, groups[2][j], groups[3][j])
		columns[j], columns[8+j] = pair(even, a, b), pair(odd, a, b)
		columns[4+j], columns[12+j] = pair(even, c, d), pair(odd, c, d)
	}
	return columns
}
