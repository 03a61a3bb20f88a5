package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// antiAliasTaps is kernel.AntiAliasTaps.
const antiAliasTaps = 12

// antiAliases writes the filters around an anti-aliased activation.
func antiAliases(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.upsampleRows()
		f.downsampleRows()
	})
}

// filterRows runs body for every vector of channels of every row: from points to
// the vector in the first row of x that it sees, to into the first row of dst
// that it writes. The taps are in registers. After each row, x moves on by stepX
// rows and dst by stepDst.
func (f *vectors) filterRows(stepX, stepDst int, body func(taps []vec, from, to, ldX, ldDst reg.Register)) {
	dst, x := f.Load(f.Param("dst").Base(), f.GP64()), f.Load(f.Param("x").Base(), f.GP64())
	h := f.Load(f.Param("h").Base(), f.GP64())
	taps := make([]vec, antiAliasTaps)
	for i := range taps {
		taps[i] = f.vec()
		f.VBROADCASTSS(operand.Mem{Base: h, Disp: 4 * i}, taps[i])
	}
	ldDst, ldX := f.Load(f.Param("ldDst"), f.GP64()), f.Load(f.Param("ldX"), f.GP64())
	f.SHLQ(operand.Imm(2), ldDst)
	f.SHLQ(operand.Imm(2), ldX)
	rows := f.Load(f.Param("rows"), f.GP64())
	f.Label("row")
	n := f.Load(f.Param("cols"), f.GP64())
	from, to := f.GP64(), f.GP64()
	f.MOVQ(x, from)
	f.MOVQ(dst, to)
	f.Label("column")
	body(taps, from, to, ldX, ldDst)
	f.ADDQ(operand.Imm(uint64(4*f.lanes())), from)
	f.ADDQ(operand.Imm(uint64(4*f.lanes())), to)
	f.SUBQ(operand.Imm(uint64(f.lanes())), n)
	f.JNE(operand.LabelRef("column"))
	for range stepX {
		f.ADDQ(ldX, x)
	}
	for range stepDst {
		f.ADDQ(ldDst, dst)
	}
	f.DECQ(rows)
	f.JNE(operand.LabelRef("row"))
	f.end()
}

func (f *vectors) upsampleRows() {
	f.begin("upsampleRows", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor c := range cols {",
		"\t\t\tdst[2*r*ldDst+c] = h[11]*x[r*ldX+c] + h[9]*x[(r+1)*ldX+c] + … + h[1]*x[(r+5)*ldX+c]",
		"\t\t\tdst[(2*r+1)*ldDst+c] = h[10]*x[(r+1)*ldX+c] + h[8]*x[(r+2)*ldX+c] + … + h[0]*x[(r+6)*ldX+c]",
		"\t\t}",
		"\t}", "", "for at least one row, and a multiple of 16 columns.")
	f.filterRows(1, 2, func(taps []vec, from, to, ldX, ldDst reg.Register) {
		p := f.GP64()
		f.MOVQ(from, p)
		even, odd := f.mulMem(taps[11], p), vec(nil)
		for k := 1; k <= 6; k++ {
			f.ADDQ(ldX, p)
			x := f.copy(operand.Mem{Base: p})
			if k < 6 {
				f.VFMADD231PS(x, taps[11-2*k], even)
			}
			if k == 1 {
				odd = f.mul(x, taps[10])
			} else {
				f.VFMADD231PS(x, taps[12-2*k], odd)
			}
		}
		f.VMOVUPS(even, operand.Mem{Base: to})
		f.VMOVUPS(odd, operand.Mem{Base: to, Index: ldDst, Scale: 1})
	})
}

func (f *vectors) downsampleRows() {
	f.begin("downsampleRows", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor c := range cols {",
		"\t\t\tdst[r*ldDst+c] = h[0]*x[2*r*ldX+c] + h[1]*x[(2*r+1)*ldX+c] + … + h[11]*x[(2*r+11)*ldX+c]",
		"\t\t}",
		"\t}", "", "for at least one row, and a multiple of 16 columns.")
	f.filterRows(2, 1, func(taps []vec, from, to, ldX, _ reg.Register) {
		p := f.GP64()
		f.MOVQ(from, p)
		sum := f.mulMem(taps[0], p)
		for _, tap := range taps[1:] {
			f.ADDQ(ldX, p)
			f.VFMADD231PS(operand.Mem{Base: p}, tap, sum)
		}
		f.VMOVUPS(sum, operand.Mem{Base: to})
	})
}

// mulMem returns the product of a and what lies at p.
func (f *vectors) mulMem(a vec, p reg.Register) vec {
	r := f.vec()
	f.VMULPS(operand.Mem{Base: p}, a, r)
	return r
}
