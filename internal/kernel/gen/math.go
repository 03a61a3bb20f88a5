package main

import "math"

// The polynomials are minimax fits, their coefficients rounded to float32 one
// after the other and the rest fitted again.
var (
	zero = float(0)
	one  = float(1)
	two  = float(2)
	four = float(4)
	// GELU's argument is geluScale·x·(1 + geluCubic·x²).
	geluScale   = float(1.5957691216057308)
	geluCubic   = float(0.044715)
	geluSlope   = float(3 * 0.044715)
	negativeInf = float(float32(math.Inf(-1)))
	sign        = number(1 << 31)

	// v + magic - magic is v rounded to the nearest integer, and the low bits of
	// v + magic are that integer.
	magic = float(3 << 22)

	inversePi = float(1 / math.Pi)
	piHigh    = float(math.Pi)
	piLow     = float(math.Pi - 0x1.921fb6p+1)

	// sin(r) = r + r³·(sin3 + sin5·r² + ...) to 6.2e-9 for |r| <= 1.603, which is
	// as far as the rounding of 1/π leads at arguments of a million.
	sin3 = float(-0x1.55554cp-3)
	sin5 = float(0x1.110ecep-7)
	sin7 = float(-0x1.9f6ce8p-13)
	sin9 = float(0x1.5d7a32p-19)

	// cos(r) = 1 - r²/2 + r⁴·(cos4 + cos6·r² + ...) to 6e-10 for |r| <= 1.604.
	cos2  = float(-0.5)
	cos4  = float(0x1.55554ep-5)
	cos6  = float(-0x1.6c1436p-10)
	cos8  = float(0x1.9f7ea6p-16)
	cos10 = float(-0x1.1866dcp-22)
	// beyond is more than any remainder of a quotient that is of use.
	beyond      = float(1.625)
	minusBeyond = float(-1.625)

	log2e   = float(math.Log2E)
	ln2High = float(math.Ln2)
	ln2Low  = float(math.Ln2 - 0x1.62e430p-1)

	// exp(r) - 1 = r + r²·(1/2 + exp3·r + ...) to 1.5e-8 of itself for
	// |r| <= 0.35.
	exp2 = float(0.5)
	exp3 = float(0x1.5554acp-3)
	exp4 = float(0x1.5554c4p-5)
	exp5 = float(0x1.122b9cp-7)
	exp6 = float(0x1.6d7728p-10)

	// Beyond these, exponentials are infinite or zero. The lower one is zero
	// before it would be subnormal, because processors take a hundred times
	// longer for that.
	expHighest = float(89)
	expLowest  = float(-86.64)
	// exp(20) + 1 is exp(20), which makes sigmoid and tanh 1 and mish x.
	enough    = float(20)
	half      = float(0.5)
	minusHalf = float(-0.5)

	// log(1+r) = r - r²/2 + r³·(log3 + log4·r + ...) for 1+r from √½ to √2, as in the
	// Cephes library.
	log3  = float(3.3333331174e-1)
	log4  = float(-2.4999993993e-1)
	log5  = float(2.0000714765e-1)
	log6  = float(-1.6668057665e-1)
	log7  = float(1.4249322787e-1)
	log8  = float(-1.2420140846e-1)
	log9  = float(1.1676998740e-1)
	log10 = float(-1.1514610310e-1)
	log11 = float(7.0376836292e-2)
	// rootHalf is √½, below which a significand is doubled.
	rootHalf = float(math.Sqrt2 / 2)
	// ln2Short and ln2Rest add up to ln 2; the first has few bits, so that its multiples are exact.
	ln2Short  = float(0.693359375)
	ln2Rest   = float(-2.12194440e-4)
	minNormal = float(0x1p-126)
)

// log returns the logarithm of x, which is at least 2⁻¹²⁶; NaN for what is not finite.
func (f *vectors) log(x vec) vec {
	e, m, n := f.vec(), f.vec(), f.vec()
	f.VPSUBD(f.use(rootHalf), x, e)
	f.VPSRAD(imm(23), e, e)
	f.VPSLLD(imm(23), e, m)
	f.VPSUBD(m, x, m)
	f.VCVTDQ2PS(e, n)
	f.VSUBPS(f.use(one), m, m) // r
	u := f.mul(m, m)
	p := f.polynomial(m, log11, log10, log9, log8, log7, log6, log5, log4, log3)
	f.VMULPS(m, p, p)
	f.VMULPS(u, p, p)
	f.VFMADD231PS(f.use(ln2Rest), n, p)
	f.VFMADD231PS(f.use(minusHalf), u, p)
	f.VADDPS(m, p, p)
	f.VFMADD231PS(f.use(ln2Short), n, p)
	rest := f.sub(x, x) // zero, or NaN
	f.VADDPS(rest, p, p)
	return p
}

// modPi takes the nearest multiple of π from r, in place.
func (f *vectors) modPi(r vec) vec {
	n := f.copy(f.use(inversePi))
	f.VFMADD213PS(f.use(magic), r, n)
	f.VSUBPS(f.use(magic), n, n)
	f.VFNMADD231PS(f.use(piHigh), n, r)
	f.VFNMADD231PS(f.use(piLow), n, r)
	return r
}

// exp1 returns n, t and p with exp(x) = 2ⁿ·(1+p), where n is also the low bits
// of t.
func (f *vectors) exp1(x vec) (n, t, p vec) {
	t = f.copy(f.use(log2e))
	f.VFMADD213PS(f.use(magic), x, t)
	n = f.vec()
	f.VSUBPS(f.use(magic), t, n)
	r := f.copy(x)
	f.VFNMADD231PS(f.use(ln2High), n, r)
	f.VFNMADD231PS(f.use(ln2Low), n, r)
	p = f.polynomial(r, exp6, exp5, exp4, exp3, exp2)
	f.VMULPS(r, p, p)
	f.VFMADD213PS(r, r, p)
	return n, t, p
}

// exp returns exp(x), and exp(highest) for all that lies above.
func (f *vectors) exp(x vec, highest number) vec {
	v := f.vec()
	f.VMINPS(x, f.held(highest), v)
	const notLess = 5 // which a NaN is too
	if f.wide {
		k := f.K()
		f.VCMPPS(imm(notLess), f.use(expLowest), v, k)
		n, _, p := f.exp1(v)
		f.VADDPS(f.use(one), p, p)
		f.VSCALEFPS_Z(n, p, k, p)
		return p
	}
	k := f.vec()
	f.VCMPPS(imm(notLess), f.use(expLowest), v, k)
	_, power, p := f.exp1(v)
	f.VADDPS(f.use(one), p, p)
	f.VPSLLD(imm(23), power, power)
	if highest == expHighest { // whose 2ⁿ is too much for one factor
		f.VADDPS(p, p, p)
		f.VPADDD(f.use(half), power, power)
	} else {
		f.VPADDD(f.use(one), power, power)
	}
	f.VMULPS(power, p, p)
	f.VANDPS(k, p, p)
	return p
}

// sigmoid is e/(1+e) with e = exp(x), which keeps its accuracy where it is small.
func (f *vectors) sigmoid(x vec) vec {
	e := f.exp(x, enough)
	v := f.vec()
	f.VADDPS(f.use(one), e, v)
	f.VDIVPS(v, e, e)
	return e
}

// tanh is m/(m+2) with m = exp(2|x|) - 1, which is as accurate near zero as
// elsewhere. The largest 2ⁿ is 2^29.
func (f *vectors) tanh(x vec) vec {
	v := f.vec()
	f.VANDNPS(x, f.held(sign), v)
	f.VADDPS(v, v, v)
	f.VMINPS(v, f.held(enough), v)
	_, power, p := f.exp1(v)
	f.VPSLLD(imm(23), power, power)
	f.VPADDD(f.use(one), power, power)
	m := f.vec()
	f.VSUBPS(f.use(one), power, m)
	f.VFMADD231PS(power, p, m)
	f.VADDPS(f.use(two), m, p)
	f.VDIVPS(p, m, m)
	f.VANDPS(f.use(sign), x, v)
	f.VORPS(v, m, m)
	return m
}

// polynomial returns the value at x of the polynomial with these coefficients,
// the highest first.
func (f *vectors) polynomial(x vec, coefficients ...number) vec {
	p := f.copy(f.use(coefficients[0]))
	for _, c := range coefficients[1:] {
		f.VFMADD213PS(f.use(c), x, p)
	}
	return p
}
