package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectorFunctions writes every vector function for both instruction sets.
func vectorFunctions(c *build.Context) {
	tables := map[number]operand.Mem{}
	for _, wide := range []bool{true, false} {
		f := &vectors{Context: c, wide: wide, tables: tables}
		f.elementwise("snake", "dst[i] = x[i] + sin²(alpha[i]*x[i])*inv[i]", snake, "x", "alpha", "inv")
		f.elementwise("exp", "dst[i] = exp(x[i])", func(f *vectors, in []vec) vec {
			return f.exp(in[0], expHighest)
		}, "x")
		f.elementwise("sigmoid", "dst[i] = 1/(1 + exp(-x[i]))", func(f *vectors, in []vec) vec {
			return f.sigmoid(in[0])
		}, "x")
		f.elementwise("tanh", "dst[i] = tanh(x[i])", func(f *vectors, in []vec) vec {
			return f.tanh(in[0])
		}, "x")
		f.elementwise("mish", "dst[i] = x[i]*tanh(log(1 + exp(x[i])))", mish, "x")
		f.elementwise("gate", "dst[i] = tanh(a[i])*sigmoid(b[i])", func(f *vectors, in []vec) vec {
			return f.mul(f.tanh(in[0]), f.sigmoid(in[1]))
		}, "a", "b")
		f.elementwise("glu", "dst[i] = a[i]*sigmoid(b[i])", func(f *vectors, in []vec) vec {
			return f.mul(in[0], f.sigmoid(in[1]))
		}, "a", "b")
		f.elementwise("add", "dst[i] = a[i] + b[i]", func(f *vectors, in []vec) vec {
			return f.add(in[0], in[1])
		}, "a", "b")
		f.lstmCell()
		f.maximum()
		f.expSum()
		f.scale()
	}
}

// elementwise writes a function of slices, element by element. The elements
// behind the last whole vector are computed in the same way under a mask, so
// that none depends on where it stands.
func (f *vectors) elementwise(name, doc string, body func(f *vectors, in []vec) vec, inputs ...string) {
	f.begin(name, fmt.Sprintf("func(dst, %s []float32)", strings.Join(inputs, ", ")),
		"computes", "", "\tfor i := range dst {", "\t\t"+doc, "\t}")
	f.constants(func(f *vectors) { body(f, []vec{f.vec(), f.vec(), f.vec()}[:len(inputs)]) })
	dst := f.Load(f.Param("dst").Base(), f.GP64())
	pointers := []reg.Register{dst}
	for _, in := range inputs {
		pointers = append(pointers, f.Load(f.Param(in).Base(), f.GP64()))
	}
	f.loop(f.Param("dst").Len(), pointers, func(m mask) {
		var in []vec
		for _, p := range pointers[1:] {
			in = append(in, m.load(p))
		}
		m.store(body(f, in), dst)
	})
	f.end()
}

// lstmCell needs no masks, as units come in whole panels.
func (f *vectors) lstmCell() {
	f.begin("lstmCell", "func(h, c, gates []float32)", "computes", "",
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

// maximum ignores NaN in most places; the exponentials show it again.
func (f *vectors) maximum() {
	f.begin("maximum", "func(x []float32) float32", "returns the largest value, or any where there is a NaN:", "",
		"\ttop := -Inf", "\tfor _, v := range x {", "\t\ttop = max(top, v)", "\t}")
	f.constants(func(f *vectors) { f.use(negativeInf) })
	x := f.Load(f.Param("x").Base(), f.GP64())
	top := f.copy(f.use(negativeInf))
	f.loop(f.Param("x").Len(), []reg.Register{x}, func(m mask) {
		f.VMAXPS(m.loadElse(x, negativeInf), top, top)
	})
	f.reduce(top, func(a, b, c reg.VecVirtual) { f.VMAXPS(a, b, c) })
}

func (f *vectors) expSum() {
	f.begin("expSum", "func(x []float32, top float32) float32", "computes", "",
		"\tfor i := range x {", "\t\tx[i] = exp(x[i] - top)", "\t\tsum += x[i]", "\t}", "\treturn sum", "",
		"with as many partial sums as a vector has elements, so that zeros at the end",
		"change nothing.")
	f.constants(func(f *vectors) { f.exp(f.vec(), expHighest); f.use(negativeInf) })
	x := f.Load(f.Param("x").Base(), f.GP64())
	top, sum := f.scalar("top"), f.vec()
	f.VXORPS(sum, sum, sum)
	f.loop(f.Param("x").Len(), []reg.Register{x}, func(m mask) {
		v := m.loadElse(x, negativeInf)
		f.VSUBPS(top, v, v)
		e := f.exp(v, expHighest)
		m.store(e, x)
		if m.on {
			e = m.keep(e) // of a top of -Inf, the exponential there is NaN
		}
		f.VADDPS(e, sum, sum)
	})
	f.reduce(sum, func(a, b, c reg.VecVirtual) { f.VADDPS(a, b, c) })
}

func (f *vectors) scale() {
	f.begin("scale", "func(x []float32, by float32)", "computes", "",
		"\tfor i := range x {", "\t\tx[i] *= by", "\t}")
	x := f.Load(f.Param("x").Base(), f.GP64())
	by := f.scalar("by")
	f.loop(f.Param("x").Len(), []reg.Register{x}, func(m mask) {
		m.store(f.mul(m.load(x), by), x)
	})
	f.end()
}

// reduce returns the elements of a vector joined in halves, quarters and so on.
func (f *vectors) reduce(v vec, join func(a, b, c reg.VecVirtual)) {
	y := v
	if f.wide {
		y = f.YMM()
		f.VEXTRACTF32X8(operand.Imm(1), v, y)
		join(y, v.AsY().(vec), y)
	}
	x := f.XMM()
	f.VEXTRACTF128(operand.Imm(1), y, x)
	join(x, y.AsX().(vec), x)
	z := f.XMM()
	f.VPERMILPS(operand.Imm(0b01_00_11_10), x, z)
	join(z, x, x)
	f.VPERMILPS(operand.Imm(0b10_11_00_01), x, z)
	join(z, x, x)
	f.Store(x, f.ReturnIndex(0))
	f.end()
}

// loop runs a body on every whole vector, and once more under a mask on what is
// left. It moves the pointers on.
func (f *vectors) loop(length gotypes.Component, pointers []reg.Register, body func(m mask)) {
	f.Load(length, reg.RCX) // a shift's count is in CL
	n := reg.RCX
	f.CMPQ(n, operand.Imm(uint64(f.lanes())))
	f.JLT(operand.LabelRef("tail"))
	f.Label("loop")
	body(mask{f: f})
	for _, p := range pointers {
		f.ADDQ(operand.Imm(uint64(4*f.lanes())), p)
	}
	f.SUBQ(operand.Imm(uint64(f.lanes())), n)
	f.CMPQ(n, operand.Imm(uint64(f.lanes())))
	f.JGE(operand.LabelRef("loop"))
	f.Label("tail")
	f.TESTQ(n, n)
	f.JEQ(operand.LabelRef("done"))
	body(f.mask())
	f.Label("done")
}
