package main

import "github.com/facodec-go/facodec/internal/kernel/gen/neon"

// armTransposes writes the transposition of a strip of columns: it goes down in square
// tiles. The last tile overlaps the one above it where the rows are no multiple of its
// height: what both write is the same.
func armTransposes(u *armFile) {
	f := u.beginPart("transposeStrip", "func(dst, src *float32, ldDst, ldSrc, rows int)", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor c := range 4 {",
		"\t\t\tdst[c*ldDst+r] = src[r*ldSrc+c]",
		"\t\t}",
		"\t}", "", "for at least 4 rows, with strides in bytes instead of elements.")
	dst, src, ldDst, ldSrc, left := f.Param("dst"), f.Param("src"), f.Param("ldDst"), f.Param("ldSrc"), f.Param("rows")
	f.Label("loop")
	from, to := f.copyReg(src), f.copyReg(dst)
	var rows [4]neon.Vec
	for i := range rows {
		if i > 0 {
			f.move(ldSrc, from)
		}
		rows[i] = f.Load(from, 0)
	}
	even, odd := f.Evens(rows[0], rows[1]), f.Odds(rows[0], rows[1])
	even2, odd2 := f.Evens(rows[2], rows[3]), f.Odds(rows[2], rows[3])
	for i, v := range []neon.Vec{f.Lows(even, even2), f.Lows(odd, odd2), f.Highs(even, even2), f.Highs(odd, odd2)} {
		if i > 0 {
			f.move(ldDst, to)
		}
		f.Store(v, to, 0)
	}
	// The step to the next tile is its height, or the rows that are left.
	f.Emit("SUBS $4, R%d", left)
	f.Jump("BEQ", "done")
	step, four := f.Reg(), f.Reg()
	f.Emit("MOVD $4, R%d", four)
	f.Emit("CMP $4, R%d", left)
	f.Emit("CSEL LT, R%d, R%d, R%d", left, four, step)
	f.Emit("CSEL LT, R%d, R%d, R%d", four, left, left)
	f.Emit("ADD R%d<<2, R%d", step, dst)
	f.Emit("MADD R%d, R%d, R%d, R%d", step, src, ldSrc, src)
	f.Jump("B", "loop")
	f.Label("done")
	f.Return()
}
