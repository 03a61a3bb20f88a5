package main

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/kernel/gen/neon"
)

// An armComplex holds the real and the imaginary parts of four transforms.
type armComplex struct{ re, im neon.Vec }

// armFFTs writes the passes of the Fourier transform. A row is 16 transforms' values of one
// index.
func armFFTs(u *armFile) {
	u.fftRadix4()
	u.fftLast(4)
	u.fftLast(8)
	u.fftSplit()
	u.fftMerge()
}

// quarters runs a body for each register of a row.
func (f *arm) quarters(body func(at int)) {
	for at := 0; at < 64; at += 16 {
		body(at)
	}
}

func (f *arm) addC(a, b armComplex) armComplex {
	return armComplex{f.Add(a.re, b.re), f.Add(a.im, b.im)}
}

func (f *arm) subC(a, b armComplex) armComplex {
	return armComplex{f.Sub(a.re, b.re), f.Sub(a.im, b.im)}
}

func (f *arm) loadC(p []neon.Reg, at int) armComplex {
	return armComplex{f.Load(p[0], at), f.Load(p[1], at)}
}

func (f *arm) storeC(x armComplex, p []neon.Reg, at int) {
	f.Store(x.re, p[0], at)
	f.Store(x.im, p[1], at)
}

// dft4 returns the discrete Fourier transform of four values.
func (f *arm) dft4(x []armComplex) []armComplex {
	s0, s1 := f.addC(x[0], x[2]), f.subC(x[0], x[2])
	s2, s3 := f.addC(x[1], x[3]), f.subC(x[1], x[3])
	return []armComplex{
		f.addC(s0, s2),
		{f.Add(s1.re, s3.im), f.Sub(s1.im, s3.re)},
		f.subC(s0, s2),
		{f.Sub(s1.re, s3.im), f.Add(s1.im, s3.re)},
	}
}

// twiddle returns a times the factor whose parts are elements 2i and 2i+1 of w.
func (f *arm) twiddle(a armComplex, w neon.Vec, i int) armComplex {
	re, im := f.MulLane(a.re, w, 2*i), f.MulLane(a.re, w, 2*i+1)
	f.MulSubLane(re, a.im, w, 2*i+1)
	f.MulAddLane(im, a.im, w, 2*i)
	return armComplex{re, im}
}

// product returns the product of two general registers.
func (f *arm) product(a, b neon.Reg) neon.Reg {
	r := f.Reg()
	f.Emit("MUL R%d, R%d, R%d", a, b, r)
	return r
}

// sum returns pointers that are apart from others.
func (f *arm) sum(p []neon.Reg, apart neon.Reg) []neon.Reg {
	var q []neon.Reg
	for _, r := range p {
		s := f.Reg()
		f.Emit("ADD R%d, R%d, R%d", apart, r, s)
		q = append(q, s)
	}
	return q
}

// back subtracts from pointers.
func (f *arm) back(by neon.Reg, pointers ...neon.Reg) {
	for _, p := range pointers {
		f.Emit("SUB R%d, R%d", by, p)
	}
}

func (u *armFile) fftRadix4() {
	f := u.begin("fftRadix4", fftRadix4Doc...)
	p := f.begins("dstRe", "dstIm", "srcRe", "srcIm")
	dst, src := p[:2], p[2:]
	ldSrc, quarter, blocks := f.stride("ldSrc"), f.Param("quarter"), f.Param("blocks")
	// Quarters of a block in bytes, and the rest of one.
	from := f.product(ldSrc, quarter)
	to := f.Reg()
	f.Emit("LSL $6, R%d, R%d", quarter, to)
	f.Label("block")
	tw, left := f.Param("tw_base"), f.copyReg(quarter)
	f.Label("row")
	x1, y1 := f.sum(src, from), f.sum(dst, to)
	x2, y2 := f.sum(x1, from), f.sum(y1, to)
	x3, y3 := f.sum(x2, from), f.sum(y2, to)
	w, last := f.Load(tw, 0), f.Vec()
	f.Emit("FMOVD 16(R%d), F%d", tw, last)
	f.quarters(func(at int) {
		y := f.dft4([]armComplex{f.loadC(src, at), f.loadC(x1, at), f.loadC(x2, at), f.loadC(x3, at)})
		f.storeC(y[0], dst, at)
		f.storeC(f.twiddle(y[1], w, 0), y1, at)
		f.storeC(f.twiddle(y[2], w, 1), y2, at)
		f.storeC(f.twiddle(y[3], last, 0), y3, at)
	})
	f.advance(64, dst...)
	f.move(ldSrc, src...)
	f.advance(24, tw)
	f.count(left, "row")
	for range 3 {
		f.move(to, dst...)
		f.move(from, src...)
	}
	f.count(blocks, "block")
	f.Return()
}

// fftLast is a transform of so many neighboring rows. Eight of them are two transforms of
// four: of sums, and of differences turned by eighths.
func (u *armFile) fftLast(radix int) {
	f := u.begin(fmt.Sprintf("fftLast%d", radix), fftLastDoc(radix)...)
	p := f.begins("srcRe", "srcIm", "rows")
	src, rows, blocks := p[:2], p[2], f.Param("rows_len")
	dst, ldDst, ldSrc := f.begins("dstRe", "dstIm"), f.stride("ldDst"), f.stride("ldSrc")
	step := f.product(f.Param("step"), ldDst)
	f.Label("block")
	row := f.Reg()
	f.Emit("MOVW.P 4(R%d), R%d", rows, row)
	begin := f.sum(dst, f.product(row, ldDst))
	f.quarters(func(at int) {
		from, to := []neon.Reg{f.copyReg(src[0]), f.copyReg(src[1])}, []neon.Reg{f.copyReg(begin[0]), f.copyReg(begin[1])}
		x := make([]armComplex, radix)
		for i := range x {
			x[i] = f.loadC(from, at)
			f.move(ldSrc, from...)
		}
		y := x
		if radix == 4 {
			y = f.dft4(x)
		} else {
			sums, differences := make([]armComplex, 4), make([]armComplex, 4)
			for i := range sums {
				sums[i], differences[i] = f.addC(x[i], x[i+4]), f.eighth(f.subC(x[i], x[i+4]), i)
			}
			for i, even := range f.dft4(sums) {
				y[2*i] = even
			}
			for i, odd := range f.dft4(differences) {
				y[2*i+1] = odd
			}
		}
		for k, v := range y {
			if k > 0 {
				f.move(step, to...)
			}
			f.storeC(v, to, at)
		}
	})
	for range radix {
		f.move(ldSrc, src...)
	}
	f.count(blocks, "block")
	f.Return()
}

// eighth returns x·exp(-iπk/4).
func (f *arm) eighth(x armComplex, k int) armComplex {
	h := f.use(sqrtHalf)
	switch k {
	case 1:
		return armComplex{f.Mul(f.Add(x.re, x.im), h), f.Mul(f.Sub(x.im, x.re), h)}
	case 2:
		return armComplex{x.im, f.Neg(x.re)}
	case 3:
		return armComplex{f.Mul(f.Sub(x.im, x.re), h), f.Neg(f.Mul(f.Add(x.re, x.im), h))}
	}
	return x
}

// ends works on pairs of rows from both ends: it returns a+b and the conjugate of a-b,
// where a is half the sum of low and the conjugate of high, and b the difference of these
// times the factor in the first two elements of w.
func (f *arm) ends(low, high armComplex, w neon.Vec) (first, last armComplex) {
	a := armComplex{f.Mul(f.Add(low.re, high.re), f.use(half)), f.Mul(f.Sub(low.im, high.im), f.use(half))}
	b := f.twiddle(armComplex{f.Sub(low.re, high.re), f.Add(low.im, high.im)}, w, 0)
	return f.addC(a, b), armComplex{f.Sub(a.re, b.re), f.Sub(b.im, a.im)}
}

// pairAt returns the two numbers at p, which goes on before.
func (f *arm) pairAt(p neon.Reg) neon.Vec {
	v := f.Vec()
	f.advance(8, p)
	f.Emit("FMOVD (R%d), F%d", p, v)
	return v
}

func (u *armFile) fftSplit() {
	f := u.begin("fftSplit", fftSplitDoc...)
	p := f.begins("re", "im", "tw")
	low, tw := p[:2], p[2]
	ld, n := f.stride("ld"), f.Param("n")
	high := f.sum(low, f.product(ld, n))
	zero := f.Zero()
	f.quarters(func(at int) {
		x := f.loadC(low, at)
		f.storeC(armComplex{f.Add(x.re, x.im), zero}, low, at)
		f.storeC(armComplex{f.Sub(x.re, x.im), zero}, high, at)
	})
	f.Emit("LSR $1, R%d", n)
	f.Label("row")
	f.move(ld, low...)
	f.back(ld, high...)
	w := f.pairAt(tw)
	f.quarters(func(at int) {
		first, last := f.ends(f.loadC(low, at), f.loadC(high, at), w)
		f.storeC(first, low, at)
		f.storeC(last, high, at)
	})
	f.count(n, "row")
	f.Return()
}

func (u *armFile) fftMerge() {
	f := u.begin("fftMerge", fftMergeDoc...)
	p := f.begins("dstRe", "dstIm", "srcRe", "srcIm", "tw")
	to, from, tw := p[:2], p[2:4], p[4]
	ld, n, bytes := f.stride("ldSrc"), f.Param("n"), f.Reg()
	f.Emit("LSL $6, R%d, R%d", n, bytes)
	toHigh, fromHigh := f.sum(to, bytes), f.sum(from, f.product(ld, n))
	f.quarters(func(at int) {
		a, b := f.Load(from[0], at), f.Load(fromHigh[0], at)
		f.storeC(armComplex{f.Add(a, b), f.Sub(a, b)}, to, at)
	})
	f.Emit("LSR $1, R%d", n)
	f.Label("row")
	f.move(ld, from...)
	f.back(ld, fromHigh...)
	f.advance(64, to...)
	f.advance(-64, toHigh...)
	w := f.pairAt(tw)
	f.quarters(func(at int) {
		first, last := f.ends(f.loadC(from, at), f.loadC(fromHigh, at), w)
		f.storeC(first, to, at)
		f.storeC(last, toHigh, at)
	})
	f.count(n, "row")
	f.Return()
}
