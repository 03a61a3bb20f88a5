package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// softmaxParts writes the maximum and the sum of exponentials.
func softmaxParts(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.maximum()
		f.expSum()
	})
}

// maximum ignores NaN in most places; the exponentials show it again.
func (f *vectors) maximum() {
	f.begin("maximum", "returns the largest value, or any where there is a NaN:", "",
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
	f.beginPart("expSum", "func(x []float32, top float32) float32", "computes", "",
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
