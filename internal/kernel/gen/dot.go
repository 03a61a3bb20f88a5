package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dots writes the dot product.
func dots(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.dot()
	})
}

// dot sums in float64, in which the products are exact: the sums are the same
// bits with both instruction sets, and in Go.
func (f *vectors) dot() {
	const sums = 32
	f.begin("dot", "computes", "",
		"\tfor i := range a {",
		"\t\tsums[i%32] += float64(a[i])*float64(b[i])",
		"\t}", "", "for a multiple of 32 elements, in float64.")
	to := f.Load(f.Param("sums"), f.GP64())
	a, b := f.Load(f.Param("a").Base(), f.GP64()), f.Load(f.Param("b").Base(), f.GP64())
	n := f.Load(f.Param("a").Len(), f.GP64())
	lanes := f.lanes() / 2
	at := func(base reg.Register, i, size int) operand.Mem {
		return operand.Mem{Base: base, Disp: i * lanes * size}
	}
	var acc []vec
	for i := range sums / lanes {
		v := f.vec()
		f.VMOVUPD(at(to, i, 8), v)
		acc = append(acc, v)
	}
	f.TESTQ(n, n)
	f.JEQ(operand.LabelRef("done"))
	f.Label("loop")
	for i, v := range acc {
		x, y := f.vec(), f.vec()
		f.VCVTPS2PD(at(a, i, 4), x)
		f.VCVTPS2PD(at(b, i, 4), y)
		f.VFMADD231PD(y, x, v)
	}
	f.ADDQ(operand.I32(4*sums), a)
	f.ADDQ(operand.I32(4*sums), b)
	f.SUBQ(operand.Imm(sums), n)
	f.JNE(operand.LabelRef("loop"))
	f.Label("done")
	for i, v := range acc {
		f.VMOVUPD(v, at(to, i, 8))
	}
	f.end()
}
