package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var sqrtHalf = float(math.Sqrt2 / 2)

// A complexVec holds the real and the imaginary parts of as many transforms as a
// register has elements.
type complexVec struct{ re, im vec }

// ffts writes the passes of the Fourier transform. A row is 16 transforms' values of
// one index.
func ffts(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.fftRadix4()
		f.fftLast(4)
		f.fftLast(8)
		f.fftSplit()
		f.fftMerge()
	})
}

// halves runs a body for each register of a row.
func (f *vectors) halves(body func(at int)) {
	for at := 0; at < 64; at += 4 * f.lanes() {
		body(at)
	}
}

func (f *vectors) addC(a, b complexVec) complexVec {
	return complexVec{f.add(a.re, b.re), f.add(a.im, b.im)}
}

func (f *vectors) subC(a, b complexVec) complexVec {
	return complexVec{f.sub(a.re, b.re), f.sub(a.im, b.im)}
}

// dft4 returns the discrete Fourier transform of four values.
func (f *vectors) dft4(x []complexVec) []complexVec {
	s0, s1 := f.addC(x[0], x[2]), f.subC(x[0], x[2])
	s2, s3 := f.addC(x[1], x[3]), f.subC(x[1], x[3])
	return []complexVec{
		f.addC(s0, s2),
		{f.add(s1.re, s3.im), f.sub(s1.im, s3.re)},
		f.subC(s0, s2),
		{f.sub(s1.re, s3.im), f.add(s1.im, s3.re)},
	}
}

// twiddle returns a times the factor whose parts lie at w.
func (f *vectors) twiddle(a complexVec, w operand.Mem) complexVec {
	re, im := f.vec(), f.vec()
	f.VBROADCASTSS(w, re)
	w.Disp += 4
	f.VBROADCASTSS(w, im)
	t, u := f.mul(a.im, im), f.mul(a.re, im)
	r, i := f.vec(), re
	f.VMOVAPS(re, r)
	f.VFMSUB213PS(t, a.re, r)
	f.VFMADD213PS(u, a.im, i)
	return complexVec{r, i}
}

// stride returns a parameter that counts elements as a number of bytes.
func (f *vectors) stride(name string) reg.Register {
	r := f.Load(f.Param(name), f.GP64())
	f.SHLQ(operand.Imm(2), r)
	return r
}

// pointers returns where the slices named start.
func (f *vectors) pointers(names ...string) []reg.Register {
	var p []reg.Register
	for _, n := range names {
		p = append(p, f.Load(f.Param(n).Base(), f.GP64()))
	}
	return p
}

var fftRadix4Doc = []string{
	"computes, with complex rows x of 16 values,", "",
	"\tfor b := range blocks {",
	"\t\tfor j := range quarter {",
	"\t\t\ti, w := 4*b*quarter+j, tw[3*j:]",
	"\t\t\tx := [4]{src[i], src[i+quarter], src[i+2*quarter], src[i+3*quarter]}",
	"\t\t\tdst[i] = x[0] + x[1] + x[2] + x[3]",
	"\t\t\tdst[i+quarter] = (x[0] - 1i*x[1] - x[2] + 1i*x[3])*w[0]",
	"\t\t\tdst[i+2*quarter] = (x[0] - x[1] + x[2] - x[3])*w[1]",
	"\t\t\tdst[i+3*quarter] = (x[0] + 1i*x[1] - x[2] - 1i*x[3])*w[2]",
	"\t\t}",
	"\t}", "",
	"for at least one block of at least one row, where the rows of src are ldSrc",
	"values apart, those of dst lie together, and dst may be src.",
}

func (f *vectors) fftRadix4() {
	f.begin("fftRadix4", fftRadix4Doc...)
	p := f.pointers("dstRe", "dstIm", "srcRe", "srcIm")
	dst, src := p[:2], p[2:]
	ldSrc := f.stride("ldSrc")
	// Quarters of a block in bytes, and three times as many.
	from, from3, to, to3 := f.GP64(), f.GP64(), f.GP64(), f.GP64()
	f.Load(f.Param("quarter"), to)
	f.MOVQ(ldSrc, from)
	f.IMULQ(to, from)
	f.SHLQ(operand.Imm(6), to)
	f.LEAQ(operand.Mem{Base: from, Index: from, Scale: 2}, from3)
	f.LEAQ(operand.Mem{Base: to, Index: to, Scale: 2}, to3)
	quarters := func(base, one, three reg.Register, at int) []operand.Mem {
		return []operand.Mem{
			{Base: base, Disp: at},
			{Base: base, Index: one, Scale: 1, Disp: at},
			{Base: base, Index: one, Scale: 2, Disp: at},
			{Base: base, Index: three, Scale: 1, Disp: at},
		}
	}
	blocks, left, tw := f.Load(f.Param("blocks"), f.GP64()), f.GP64(), f.GP64()
	f.Label("block")
	f.Load(f.Param("tw").Base(), tw)
	f.Load(f.Param("quarter"), left)
	f.Label("row")
	f.halves(func(at int) {
		re, im := quarters(src[0], from, from3, at), quarters(src[1], from, from3, at)
		x := make([]complexVec, 4)
		for i := range x {
			x[i] = complexVec{f.copy(re[i]), f.copy(im[i])}
		}
		re, im = quarters(dst[0], to, to3, at), quarters(dst[1], to, to3, at)
		for i, y := range f.dft4(x) {
			if i > 0 {
				y = f.twiddle(y, operand.Mem{Base: tw, Disp: 8 * (i - 1)})
			}
			f.VMOVUPS(y.re, re[i])
			f.VMOVUPS(y.im, im[i])
		}
	})
	for i := range 2 {
		f.ADDQ(operand.Imm(64), dst[i])
		f.ADDQ(ldSrc, src[i])
	}
	f.ADDQ(operand.Imm(24), tw)
	f.DECQ(left)
	f.JNE(operand.LabelRef("row"))
	for i := range 2 {
		f.ADDQ(to3, dst[i])
		f.ADDQ(from3, src[i])
	}
	f.DECQ(blocks)
	f.JNE(operand.LabelRef("block"))
	f.end()
}

func fftLastDoc(radix int) []string {
	count := strconv.Itoa(radix)
	return []string{"computes, with complex rows of 16 values,", "",
		"\tfor b := range rows {",
		"\t\tfor k := range " + count + " {",
		"\t\t\tdst[rows[b]+k*step] = 0",
		"\t\t\tfor j := range " + count + " {",
		"\t\t\t\tdst[rows[b]+k*step] += src[" + count + "*b+j]*exp(-2i*π*j*k/" + count + ")",
		"\t\t\t}",
		"\t\t}",
		"\t}", "",
		"for at least one block, where rows are ldDst and ldSrc values apart."}
}

// fftLast is a transform of so many neighboring rows. Eight of them are two
// transforms of four: of sums, and of differences turned by eighths. AVX2 has
// not the registers for all, and leaves the differences in memory meanwhile.
func (f *vectors) fftLast(radix int) {
	f.begin(fmt.Sprintf("fftLast%d", radix), fftLastDoc(radix)...)
	f.constants(func(f *vectors) {
		if radix == 8 {
			for k := range 4 {
				f.eighth(complexVec{f.vec(), f.vec()}, k)
			}
		}
	})
	p := f.pointers("srcRe", "srcIm", "rows")
	src, rows := p[:2], p[2]
	ldSrc, step := f.stride("ldSrc"), f.stride("step")
	f.IMULQ(f.address(f.Param("ldDst")), step)
	blocks := f.Load(f.Param("rows").Len(), f.GP64())
	var stash operand.Mem
	if radix == 8 && !f.wide {
		stash = f.AllocLocal(8 * 32)
	}
	from, to := []reg.Register{f.GP64(), f.GP64()}, []reg.Register{f.GP64(), f.GP64()}
	f.Label("block")
	f.halves(func(at int) {
		// Of the rows from here on, and where the results go.
		for i, name := range []string{"dstRe", "dstIm"} {
			f.MOVQ(src[i], from[i])
			f.MOVLQSX(operand.Mem{Base: rows}, to[i])
			f.IMULQ(f.address(f.Param("ldDst")), to[i])
			f.SHLQ(operand.Imm(2), to[i])
			f.ADDQ(f.address(f.Param(name).Base()), to[i])
		}
		load := func(scale uint8) complexVec {
			re, im := operand.Mem{Base: from[0], Disp: at}, operand.Mem{Base: from[1], Disp: at}
			if scale > 0 {
				re.Index, re.Scale, im.Index, im.Scale = ldSrc, scale, ldSrc, scale
			}
			return complexVec{f.copy(re), f.copy(im)}
		}
		next := func() {
			f.ADDQ(ldSrc, from[0])
			f.ADDQ(ldSrc, from[1])
		}
		store := func(ys []complexVec, each uint8, odd bool) {
			for k, y := range ys {
				for i, v := range []vec{y.re, y.im} {
					m := operand.Mem{Base: to[i], Disp: at}
					if odd {
						m.Index, m.Scale = step, 1
					}
					f.VMOVUPS(v, m)
					if k < 3 {
						f.LEAQ(operand.Mem{Base: to[i], Index: step, Scale: each}, to[i])
					}
				}
			}
		}
		back := func() { // three times twice the step
			for i := range to {
				for range 3 {
					f.SUBQ(step, to[i])
					f.SUBQ(step, to[i])
				}
			}
		}
		if radix == 4 {
			x := make([]complexVec, 4)
			for i := range x {
				x[i] = load(0)
				next()
			}
			store(f.dft4(x), 1, false)
			return
		}
		sums, differences := make([]complexVec, 4), make([]complexVec, 4)
		for i := range sums {
			a, b := load(0), load(4)
			sums[i], differences[i] = f.addC(a, b), f.eighth(f.subC(a, b), i)
			if !f.wide {
				f.VMOVUPS(differences[i].re, stash.Offset(64*i))
				f.VMOVUPS(differences[i].im, stash.Offset(64*i+32))
			}
			next()
		}
		store(f.dft4(sums), 2, false)
		back()
		for i := range differences {
			if !f.wide {
				differences[i] = complexVec{f.copy(stash.Offset(64 * i)), f.copy(stash.Offset(64*i + 32))}
			}
		}
		store(f.dft4(differences), 2, true)
	})
	for i := range src {
		f.LEAQ(operand.Mem{Base: src[i], Index: ldSrc, Scale: uint8(radix)}, src[i])
	}
	f.ADDQ(operand.Imm(4), rows)
	f.DECQ(blocks)
	f.JNE(operand.LabelRef("block"))
	f.end()
}

// eighth returns x·exp(-iπk/4).
func (f *vectors) eighth(x complexVec, k int) complexVec {
	minus := func(v vec) vec {
		r := f.vec()
		f.VXORPS(f.use(sign), v, r)
		return r
	}
	scaled := func(v vec) vec {
		f.VMULPS(f.use(sqrtHalf), v, v)
		return v
	}
	switch k {
	case 1:
		return complexVec{scaled(f.add(x.re, x.im)), scaled(f.sub(x.im, x.re))}
	case 2:
		return complexVec{x.im, minus(x.re)}
	case 3:
		return complexVec{scaled(f.sub(x.im, x.re)), scaled(minus(f.add(x.re, x.im)))}
	}
	return x
}

var fftSplitDoc = []string{
	"turns the transform of n complex values into that of 2n real ones, the",
	"even ones of which were the real and the odd ones the imaginary parts. It",
	"computes, with complex rows z of 16 values, ld values apart,", "",
	"	z[0], z[n] = re(z[0]) + im(z[0]), re(z[0]) - im(z[0])",
	"	for k := 1; k <= n/2; k++ {",
	"		a, b := (z[k] + conj(z[n-k]))/2, (z[k] - conj(z[n-k]))*tw[k]",
	"		z[k], z[n-k] = a+b, conj(a-b)",
	"	}", "",
	"where tw[k] is exp(-iπk/n)/2i.",
}

// fftSplit works on pairs of rows from both ends.
func (f *vectors) fftSplit() {
	f.begin("fftSplit", fftSplitDoc...)
	f.constants(func(f *vectors) { f.use(half) })
	p := f.pointers("re", "im", "tw")
	low, tw := p[:2], p[2]
	ld, n := f.stride("ld"), f.Load(f.Param("n"), f.GP64())
	high, last := []reg.Register{f.GP64(), f.GP64()}, f.GP64()
	f.MOVQ(ld, last)
	f.IMULQ(n, last)
	for i := range high {
		f.LEAQ(operand.Mem{Base: low[i], Index: last, Scale: 1}, high[i])
	}
	f.halves(func(at int) {
		r, i := f.copy(operand.Mem{Base: low[0], Disp: at}), f.copy(operand.Mem{Base: low[1], Disp: at})
		zero := f.vec()
		f.VXORPS(zero, zero, zero)
		f.VMOVUPS(f.add(r, i), operand.Mem{Base: low[0], Disp: at})
		f.VMOVUPS(f.sub(r, i), operand.Mem{Base: high[0], Disp: at})
		f.VMOVUPS(zero, operand.Mem{Base: low[1], Disp: at})
		f.VMOVUPS(zero, operand.Mem{Base: high[1], Disp: at})
	})
	f.SHRQ(operand.Imm(1), n)
	f.Label("row")
	for i := range low {
		f.ADDQ(ld, low[i])
		f.SUBQ(ld, high[i])
	}
	f.ADDQ(operand.Imm(8), tw)
	f.halves(func(at int) {
		a, b := f.row(low, at), f.row(high, at)
		// The sum with the conjugate and the difference from it.
		even := complexVec{f.add(a.re, b.re), f.sub(a.im, b.im)}
		odd := f.twiddle(complexVec{f.sub(a.re, b.re), f.add(a.im, b.im)}, operand.Mem{Base: tw})
		f.VMULPS(f.use(half), even.re, even.re)
		f.VMULPS(f.use(half), even.im, even.im)
		f.storeBoth(even, odd, low, high, at)
	})
	f.DECQ(n)
	f.JNE(operand.LabelRef("row"))
	f.end()
}

// row returns the complex row at these pointers.
func (f *vectors) row(p []reg.Register, at int) complexVec {
	return complexVec{f.copy(operand.Mem{Base: p[0], Disp: at}), f.copy(operand.Mem{Base: p[1], Disp: at})}
}

// storeBoth stores a+b at low and the conjugate of a-b at high.
func (f *vectors) storeBoth(a, b complexVec, low, high []reg.Register, at int) {
	f.VMOVUPS(f.add(a.re, b.re), operand.Mem{Base: low[0], Disp: at})
	f.VMOVUPS(f.add(a.im, b.im), operand.Mem{Base: low[1], Disp: at})
	f.VMOVUPS(f.sub(a.re, b.re), operand.Mem{Base: high[0], Disp: at})
	f.VMOVUPS(f.sub(b.im, a.im), operand.Mem{Base: high[1], Disp: at})
}

var fftMergeDoc = []string{
	"turns a spectrum of 2n real values into that of n complex values,",
	"counting each of the n+1 bins once. It computes,",
	"with complex rows of 16 values,", "",
	"	dst[0] = re(src[0]) + re(src[n]) + 1i*(re(src[0]) - re(src[n]))",
	"	for k := 1; k <= n/2; k++ {",
	"		a, b := (src[k] + conj(src[n-k]))/2, (src[k] - conj(src[n-k]))*tw[k]",
	"		dst[k], dst[n-k] = a+b, conj(a-b)",
	"	}", "",
	"where tw[k] is i*exp(iπk/n)/2, the rows of src are ldSrc values apart, and those",
	"of dst lie together.",
}

func (f *vectors) fftMerge() {
	f.begin("fftMerge", fftMergeDoc...)
	f.constants(func(f *vectors) { f.use(half) })
	p := f.pointers("dstRe", "dstIm", "srcRe", "srcIm", "tw")
	to, from, tw := p[:2], p[2:4], p[4]
	ld, n := f.stride("ldSrc"), f.Load(f.Param("n"), f.GP64())
	toHigh, fromHigh, last := []reg.Register{f.GP64(), f.GP64()}, []reg.Register{f.GP64(), f.GP64()}, f.GP64()
	f.MOVQ(n, last)
	f.SHLQ(operand.Imm(6), last)
	for i := range to {
		f.LEAQ(operand.Mem{Base: to[i], Index: last, Scale: 1}, toHigh[i])
	}
	f.MOVQ(ld, last)
	f.IMULQ(n, last)
	for i := range from {
		f.LEAQ(operand.Mem{Base: from[i], Index: last, Scale: 1}, fromHigh[i])
	}
	f.halves(func(at int) {
		a, b := f.copy(operand.Mem{Base: from[0], Disp: at}), f.copy(operand.Mem{Base: fromHigh[0], Disp: at})
		f.VMOVUPS(f.add(a, b), operand.Mem{Base: to[0], Disp: at})
		f.VMOVUPS(f.sub(a, b), operand.Mem{Base: to[1], Disp: at})
	})
	f.SHRQ(operand.Imm(1), n)
	f.Label("row")
	for i := range to {
		f.ADDQ(ld, from[i])
		f.SUBQ(ld, fromHigh[i])
		f.ADDQ(operand.Imm(64), to[i])
		f.SUBQ(operand.Imm(64), toHigh[i])
	}
	f.ADDQ(operand.Imm(8), tw)
	f.halves(func(at int) {
		a, b := f.row(from, at), f.row(fromHigh, at)
		even := complexVec{f.add(a.re, b.re), f.sub(a.im, b.im)}
		odd := f.twiddle(complexVec{f.sub(a.re, b.re), f.add(a.im, b.im)}, operand.Mem{Base: tw})
		f.VMULPS(f.use(half), even.re, even.re)
		f.VMULPS(f.use(half), even.im, even.im)
		f.storeBoth(even, odd, to, toHigh, at)
	})
	f.DECQ(n)
	f.JNE(operand.LabelRef("row"))
	f.end()
}
