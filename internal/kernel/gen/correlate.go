package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// correlations writes the sums of products of a correlation, for AVX-512 only: its masks
// are what makes it simple where lags begin and end.
func correlations(c *build.Context) {
	f := &vectors{Context: c, wide: true, tables: map[number]operand.Mem{}}
	f.correlateLags()
}

func (f *vectors) correlateLags() {
	f.beginPart("correlateLags", "func(sums, x, lagged *float32, begin, end *int32, from, inner, outer, to int)", "computes, for 32 lags,", "",
		"\tfor lag := range 32 {", "\t\tsums[lag] = 0", "\t\tfor i := from; i < to; i++ {",
		"\t\t\tif begin[lag] <= i && i < end[lag] {", "\t\t\t\tsums[lag] = fma(x[i], lagged[i+lag], sums[lag])", "\t\t\t}", "\t\t}", "\t}", "",
		"All lags have what is from inner to before outer.")
	pointer := func(name string) reg.Register { return f.Load(f.Param(name), f.GP64()) }
	sums, x, lagged, begin, end := pointer("sums"), pointer("x"), pointer("lagged"), pointer("begin"), pointer("end")
	i := f.Load(f.Param("from"), f.GP64()).(reg.GPVirtual)
	var begins, ends, acc [2]vec
	for n := range acc {
		begins[n], ends[n] = f.copy(operand.Mem{Base: begin, Disp: 64 * n}), f.copy(operand.Mem{Base: end, Disp: 64 * n})
		acc[n] = f.vec()
		f.VPXORD(acc[n], acc[n], acc[n])
	}
	one, now := f.vec(), f.vec()
	bits := f.GP32()
	f.MOVL(operand.U32(1), bits)
	f.VPBROADCASTD(bits, one)
	at := func(base reg.Register, disp int) operand.Mem {
		return operand.Mem{Base: base, Index: i, Scale: 4, Disp: disp}
	}
	// edge goes on to a limit with the lags that have a sample.
	edge := func(name, limit string) {
		f.VPBROADCASTD(i.As32(), now)
		n := f.Load(f.Param(limit), f.GP64())
		f.CMPQ(i, n)
		f.JGE(operand.LabelRef(name + "done"))
		f.Label(name)
		v := f.vec()
		f.VBROADCASTSS(at(x, 0), v)
		for n := range acc {
			begun, on := f.K(), f.K()
			f.VPCMPD(imm(2), now, begins[n], begun)
			f.VPCMPD(imm(1), ends[n], now, begun, on)
			f.VFMADD231PS(at(lagged, 64*n), v, on, acc[n])
		}
		f.VPADDD(one, now, now)
		f.INCQ(i)
		f.CMPQ(i, n)
		f.JLT(operand.LabelRef(name))
		f.Label(name + "done")
	}
	edge("first", "inner")
	n := f.Load(f.Param("outer"), f.GP64())
	f.CMPQ(i, n)
	f.JGE(operand.LabelRef("outer"))
	f.Label("loop")
	v := f.vec()
	f.VBROADCASTSS(at(x, 0), v)
	for n := range acc {
		f.VFMADD231PS(at(lagged, 64*n), v, acc[n])
	}
	f.INCQ(i)
	f.CMPQ(i, n)
	f.JLT(operand.LabelRef("loop"))
	f.Label("outer")
	edge("last", "to")
	for n, v := range acc {
		f.VMOVUPS(v, operand.Mem{Base: sums, Disp: 64 * n})
	}
	f.end()
}
