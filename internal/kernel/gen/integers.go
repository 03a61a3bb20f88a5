package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// integers writes the conversions between float32 and integers of 16 and 8 bits.
func integers(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.fromInt16()
		f.largestRows()
		f.toInt16()
		f.pairInt8()
	})
}

func (f *vectors) fromInt16() {
	f.begin("fromInt16", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = x[i]", "\t}", "", "for a multiple of 16 elements.")
	dst, x := f.Load(f.Param("dst").Base(), f.GP64()), f.Load(f.Param("x").Base(), f.GP64())
	last := f.lastOf(x, 2)
	f.sixteens(f.Load(f.Param("dst").Len(), f.GP64()), func() {
		f.ahead(x, last)
		for at := 0; at < 64; at += 4 * f.lanes() {
			v := f.vec()
			f.VPMOVSXWD(operand.Mem{Base: x, Disp: at / 2}, v)
			f.VCVTDQ2PS(v, v)
			f.VMOVUPS(v, operand.Mem{Base: dst, Disp: at})
		}
		f.ADDQ(imm(64), dst)
		f.ADDQ(imm(32), x)
	})
}

// magnitude returns the values of an operand without their signs.
func (f *vectors) magnitude(op operand.Op) vec {
	r := f.vec()
	if f.wide {
		f.VPANDD(op, f.use(absolute).(vec), r)
	} else {
		f.VMOVUPS(op, r)
		f.VPAND(f.use(absolute), r, r)
	}
	return r
}

func (f *vectors) largestRows() {
	f.begin("largestRows", "computes", "", "\tfor i := range x {", "\t\tlargest[i%16] = max(largest[i%16], abs(x[i]))", "\t}", "",
		"for a multiple of 16 elements.")
	f.constants(func(f *vectors) { f.use(absolute) })
	largest, x := f.Load(f.Param("largest").Base(), f.GP64()), f.Load(f.Param("x").Base(), f.GP64())
	var most []vec
	for at := 0; at < 64; at += 4 * f.lanes() {
		most = append(most, f.copy(operand.Mem{Base: largest, Disp: at}))
	}
	n := f.Load(f.Param("x").Len(), f.GP64())
	f.SHRQ(imm(4), n.(reg.GPVirtual))
	f.JEQ(operand.LabelRef("done"))
	f.Label("loop")
	for i, m := range most {
		// Magnitudes are in the order of their bits, and NaN is above infinity.
		f.VPMAXUD(f.magnitude(operand.Mem{Base: x, Disp: 4 * f.lanes() * i}), m, m)
	}
	f.ADDQ(imm(64), x)
	f.DECQ(n.(reg.GPVirtual))
	f.JNE(operand.LabelRef("loop"))
	f.Label("done")
	for i, m := range most {
		f.VMOVUPS(m, operand.Mem{Base: largest, Disp: 4 * f.lanes() * i})
	}
	f.end()
}

// integer returns factor·x rounded to integers of 32 bits.
func (f *vectors) integer(x operand.Mem, factor vec) vec {
	v := f.vec()
	f.VMULPS(x, factor, v)
	f.VCVTPS2DQ(v, v)
	return v
}

// factors returns the 16 factors of the rows' elements in registers.
func (f *vectors) factors() (v []vec) {
	p := f.Load(f.Param("factors").Base(), f.GP64())
	for at := 0; at < 64; at += 4 * f.lanes() {
		v = append(v, f.copy(operand.Mem{Base: p, Disp: at}))
	}
	return v
}

func (f *vectors) toInt16() {
	f.begin("toInt16", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = x[i]*factors[i%16], to the nearest", "\t}", "",
		"for a multiple of 16 elements, whose products have 16 bits.")
	dst, x := f.Load(f.Param("dst").Base(), f.GP64()), f.Load(f.Param("x").Base(), f.GP64())
	factors := f.factors()
	f.sixteens(f.Load(f.Param("dst").Len(), f.GP64()), func() {
		var out []vec
		for i, factor := range factors {
			out = append(out, f.integer(operand.Mem{Base: x, Disp: 4 * f.lanes() * i}, factor))
		}
		if f.wide {
			f.VPMOVDW(out[0], operand.Mem{Base: dst})
		} else {
			f.VPACKSSDW(out[1], out[0], out[0])
			f.VPERMQ(imm(0b11_01_10_00), out[0], out[0])
			f.VMOVDQU(out[0], operand.Mem{Base: dst})
		}
		f.ADDQ(imm(32), dst)
		f.ADDQ(imm(64), x)
	})
}

// pairInt8 makes 16 bits of each pair: the even integer below, the odd one above.
func (f *vectors) pairInt8() {
	f.begin("pairInt8", "computes", "", "\tfor i := range 16 {", "\t\tdst[2*i], dst[2*i+1] = a[i]*factors[i], b[i]*factors[i], to the nearest", "\t}", "",
		"where the products have 8 bits.")
	f.constants(func(f *vectors) { f.use(lowByte) })
	dst := f.Load(f.Param("dst").Base(), f.GP64())
	a, b := f.Load(f.Param("a").Base(), f.GP64()), f.Load(f.Param("b").Base(), f.GP64())
	var out []vec
	for i, factor := range f.factors() {
		even := f.integer(operand.Mem{Base: a, Disp: 4 * f.lanes() * i}, factor)
		odd := f.integer(operand.Mem{Base: b, Disp: 4 * f.lanes() * i}, factor)
		f.VPSLLD(imm(8), odd, odd)
		if f.wide {
			f.VPANDD(f.use(lowByte), even, even)
			f.VPORD(even, odd, odd)
		} else {
			f.VPAND(f.use(lowByte), even, even)
			f.VPOR(even, odd, odd)
		}
		out = append(out, odd)
	}
	if f.wide {
		f.VPMOVDW(out[0], operand.Mem{Base: dst})
	} else {
		f.VPACKSSDW(out[1], out[0], out[0])
		f.VPERMQ(imm(0b11_01_10_00), out[0], out[0])
		f.VMOVDQU(out[0], operand.Mem{Base: dst})
	}
	f.end()
}

var lowByte = number(0xff)
