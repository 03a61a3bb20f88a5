package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// losses writes the mean absolute difference with its gradient.
func losses(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.l1Rows()
	})
}

// l1Rows keeps the sums in memory, as snakeGradRows does.
func (f *vectors) l1Rows() {
	f.begin("l1Rows", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor i := range sums {",
		"\t\t\tj := r*stride + i",
		"\t\t\tsums[i] += abs(x[j] - y[j])",
		"\t\t\tdx[j] = sign(x[j] - y[j])*scale",
		"\t\t}",
		"\t}", "", "for at least one row.")
	f.constants(func(f *vectors) { f.l1(f.vec(), f.vec(), f.vec(), f.vec()) })
	scale := f.scalar("scale")
	f.rows("sums", []string{"dx", "x", "y"}, []string{"sums"}, func(m mask, at func(string) reg.Register) {
		sums := m.load(at("sums"))
		dx := f.l1(m.load(at("x")), m.load(at("y")), sums, scale)
		m.store(sums, at("sums"))
		m.store(dx, at("dx"))
	})
}

func (f *vectors) l1(x, y, sums, scale vec) (dx vec) {
	d := f.sub(x, y)
	size, bit := f.vec(), f.vec()
	f.VANDNPS(d, f.held(sign), size)
	f.VADDPS(size, sums, sums)
	f.VANDPS(f.use(sign), d, bit)
	f.VXORPS(scale, bit, bit)
	return f.greater(size, f.zeros(), bit, f.zeros())
}
