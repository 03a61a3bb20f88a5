package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// lstm writes the LSTM cell.
func lstm(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.lstmCell()
	})
}

// lstmCell needs no masks, as units come in whole panels.
func (f *vectors) lstmCell() {
	f.begin("lstmCell", "computes", "",
		"\tfor u := range h {",
		"\t\tg := gates[u/16*64+u%16:]",
		"\t\tc[u] = sigmoid(g[16])*c[u] + sigmoid(g[0])*tanh(g[32])",
		"\t\th[u] = sigmoid(g[48])*tanh(c[u])",
		"\t}", "", "for a multiple of 16 units.")
	f.constants(func(f *vectors) { f.mul(f.sigmoid(f.vec()), f.tanh(f.vec())) })
	h := f.Load(f.Param("h").Base(), f.GP64())
	c := f.Load(f.Param("c").Base(), f.GP64())
	gates := f.Load(f.Param("gates").Base(), f.GP64())
	n := f.Load(f.Param("h").Len(), f.GP64())
	f.TESTQ(n, n)
	f.JEQ(operand.LabelRef("done"))
	f.Label("loop")
	for at := 0; at < 64; at += 4 * f.lanes() {
		g := func(i int) vec { return f.copy(operand.Mem{Base: gates, Disp: 64*i + at}) }
		cell := f.mul(f.sigmoid(g(0)), f.tanh(g(2)))
		f.VFMADD231PS(operand.Mem{Base: c, Disp: at}, f.sigmoid(g(1)), cell)
		f.VMOVUPS(cell, operand.Mem{Base: c, Disp: at})
		f.VMOVUPS(f.mul(f.tanh(cell), f.sigmoid(g(3))), operand.Mem{Base: h, Disp: at})
	}
	f.ADDQ(operand.I32(64), h)
	f.ADDQ(operand.I32(64), c)
	f.ADDQ(operand.I32(256), gates)
	f.SUBQ(operand.Imm(16), n)
	f.JNE(operand.LabelRef("loop"))
	f.Label("done")
	f.end()
}
