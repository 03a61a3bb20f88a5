package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// spectra writes what losses on spectra are computed with.
func spectra(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.elementwise("magnitude", "dst[i] = sqrt(re[i]*re[i] + im[i]*im[i])", func(f *vectors, in []vec) vec {
			v := f.mul(in[0], in[0])
			w := f.mul(in[1], in[1])
			f.VADDPS(w, v, v)
			f.VSQRTPS(v, v)
			return v
		}, "re", "im")
		f.sinCos()
		f.spectralDistance()
		f.magnitudeGrad()
		f.scaleRows()
	})
}

// sinCos takes the nearest multiple of π from the argument; its parity, the lowest bit of
// the quotient, is the sign of both results.
func (f *vectors) sinCos() {
	f.begin("sinCos", "computes", "", "\tfor i := range sin {", "\t\tsin[i], cos[i] = sin(x[i]), cos(x[i])", "\t}")
	f.constants(func(f *vectors) { f.sinCosOf(f.vec()) })
	sin, cos, x := f.Load(f.Param("sin").Base(), f.GP64()), f.Load(f.Param("cos").Base(), f.GP64()), f.Load(f.Param("x").Base(), f.GP64())
	f.loop(f.Param("sin").Len(), []reg.Register{sin, cos, x}, func(m mask) {
		s, c := f.sinCosOf(m.load(x))
		m.store(s, sin)
		m.store(c, cos)
	})
	f.end()
}

func (f *vectors) sinCosOf(x vec) (s, c vec) {
	n := f.copy(f.use(inversePi))
	f.VFMADD213PS(f.use(magic), x, n)
	flip := f.vec()
	f.VPSLLD(imm(31), n, flip)
	f.VSUBPS(f.use(magic), n, n)
	r := f.copy(x)
	f.VFNMADD231PS(f.use(piHigh), n, r)
	f.VFNMADD231PS(f.use(piLow), n, r)
	f.VMINPS(r, f.held(beyond), r)
	f.VMAXPS(r, f.held(minusBeyond), r)
	u := f.mul(r, r)
	s = f.polynomial(u, sin9, sin7, sin5, sin3)
	f.VMULPS(u, s, s)
	f.VFMADD213PS(r, r, s)
	c = f.polynomial(u, cos10, cos8, cos6, cos4, cos2, one)
	f.VXORPS(flip, s, s)
	f.VXORPS(flip, c, c)
	return s, c
}

// spectralDistance overwrites got with the derivative and want with the loss.
func (f *vectors) spectralDistance() {
	f.begin("spectralDistance", "computes", "",
		"\tfor i := range got {",
		"\t\tl, e := logFactor*(log(max(got[i], floor)) - log(max(want[i], floor))), linear*(got[i] - want[i])",
		"\t\td := sign(e)*linear",
		"\t\tif got[i] >= floor {",
		"\t\t\td += sign(l)*logFactor/got[i]",
		"\t\t}",
		"\t\tgot[i], want[i] = d, abs(l) + abs(e)",
		"\t}")
	f.constants(func(f *vectors) {
		f.spectralDistanceOf(f.vec(), f.vec(), f.vec(), f.vec(), f.vec())
	})
	got, want := f.Load(f.Param("got").Base(), f.GP64()), f.Load(f.Param("want").Base(), f.GP64())
	floor, logFactor, linear := f.scalar("floor"), f.scalar("logFactor"), f.scalar("linear")
	f.loop(f.Param("got").Len(), []reg.Register{got, want}, func(m mask) {
		d, loss := f.spectralDistanceOf(m.load(got), m.load(want), floor, logFactor, linear)
		m.store(d, got)
		m.store(loss, want)
	})
	f.end()
}

func (f *vectors) spectralDistanceOf(got, want, floor, logFactor, linear vec) (d, loss vec) {
	a, b := f.vec(), f.vec()
	f.VMAXPS(got, floor, a) // of two operands the second one is a NaN that stays
	f.VMAXPS(want, floor, b)
	l := f.log(a)
	f.VSUBPS(f.log(b), l, l)
	f.VMULPS(logFactor, l, l)
	slope := f.vec()
	f.VDIVPS(got, logFactor, slope)
	slope = f.signed(slope, l)
	none := f.vec()
	f.VXORPS(none, none, none)
	slope = f.greater(floor, got, none, slope)
	e := f.sub(got, want)
	f.VMULPS(linear, e, e)
	d = f.signed(f.copy(linear), e)
	f.VADDPS(slope, d, d)
	f.VANDNPS(l, f.held(sign), l)
	f.VANDNPS(e, f.held(sign), e)
	f.VADDPS(e, l, l)
	return d, l
}

// signed returns v, which is not negative and which it takes, with the sign of s, and
// zero where s is zero or NaN.
func (f *vectors) signed(v, s vec) vec {
	bit, size, none := f.vec(), f.vec(), f.vec()
	f.VANDPS(f.use(sign), s, bit)
	f.VANDNPS(s, f.held(sign), size)
	f.VORPS(bit, v, v)
	f.VXORPS(none, none, none)
	return f.greater(size, f.zeros(), v, none)
}

// zeros returns a register of zeros.
func (f *vectors) zeros() vec {
	v := f.vec()
	f.VXORPS(v, v, v)
	return v
}

// magnitudeGrad writes the derivatives over the parts.
func (f *vectors) magnitudeGrad() {
	f.begin("magnitudeGrad", "computes", "",
		"\tfor i := range re {",
		"\t\tg := magnitude[i] > 0 ? d[i]/magnitude[i] : 0",
		"\t\tre[i], im[i] = g*re[i], g*im[i]",
		"\t}")
	var p []reg.Register
	for _, n := range []string{"re", "im", "d", "magnitude"} {
		p = append(p, f.Load(f.Param(n).Base(), f.GP64()))
	}
	f.loop(f.Param("re").Len(), p, func(m mask) {
		size := m.load(p[3])
		g := f.vec()
		f.VDIVPS(size, m.load(p[2]), g)
		g = f.greater(size, f.zeros(), g, f.zeros())
		m.store(f.mul(g, m.load(p[0])), p[0])
		m.store(f.mul(g, m.load(p[1])), p[1])
	})
	f.end()
}

// scaleRows multiplies rows of 32 values.
func (f *vectors) scaleRows() {
	f.begin("scaleRows", "computes", "",
		"\tfor i := range x {",
		"\t\tx[i] *= factors[i/32]",
		"\t}", "", "for rows of 32 values.")
	x, factors := f.Load(f.Param("x").Base(), f.GP64()), f.Load(f.Param("factors").Base(), f.GP64())
	n := f.Load(f.Param("factors").Len(), f.GP64())
	f.TESTQ(n, n)
	f.JEQ(operand.LabelRef("done"))
	f.Label("loop")
	w := f.vec()
	f.VBROADCASTSS(operand.Mem{Base: factors}, w)
	for i := range 32 / f.lanes() {
		v := f.vec()
		at := operand.Mem{Base: x, Disp: 4 * i * f.lanes()}
		f.VMULPS(at, w, v)
		f.VMOVUPS(v, at)
	}
	f.ADDQ(operand.Imm(4), factors)
	f.ADDQ(operand.I32(4*32), x)
	f.DECQ(n)
	f.JNE(operand.LabelRef("loop"))
	f.Label("done")
	f.end()
}
