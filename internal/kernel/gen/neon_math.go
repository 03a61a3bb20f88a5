package main

import "github.com/facodec-go/facodec/internal/kernel/gen/neon"

// The functions of math.go with NEON: the same operations in the same order.

// polynomial returns the value at x of the polynomial with these coefficients, the highest
// first.
func (f *arm) polynomial(x neon.Vec, coefficients ...number) neon.Vec {
	p := f.use(coefficients[0])
	for _, c := range coefficients[1:] {
		p = f.FMA(p, x, f.use(c))
	}
	return p
}

// modPi returns r less the nearest multiple of π.
func (f *arm) modPi(r neon.Vec) neon.Vec {
	n := f.Sub(f.FMA(r, f.use(inversePi), f.use(magic)), f.use(magic))
	r = f.FNMA(n, f.use(piHigh), r)
	f.MulSub(r, n, f.use(piLow))
	return r
}

// exp1 returns t and p with exp(x) = 2ⁿ·(1+p), where n is the low bits of t.
func (f *arm) exp1(x neon.Vec) (t, p neon.Vec) {
	t = f.FMA(x, f.use(log2e), f.use(magic))
	n := f.Sub(t, f.use(magic))
	r := f.FNMA(n, f.use(ln2High), x)
	f.MulSub(r, n, f.use(ln2Low))
	p = f.Mul(f.polynomial(r, exp6, exp5, exp4, exp3, exp2), r)
	return t, f.FMA(p, r, r)
}

// exp returns exp(x), and exp(highest) for all that lies above.
func (f *arm) exp(x neon.Vec, highest number) neon.Vec {
	v := f.Min(x, f.use(highest))
	least := f.Greater(f.use(expLowest), v)
	power, p := f.exp1(v)
	p = f.Add(p, f.use(one))
	power = f.ShiftLeft(power, 23)
	if highest == expHighest { // whose 2ⁿ is too much for one factor
		p = f.Add(p, p)
		power = f.AddInt(power, f.use(half))
	} else {
		power = f.AddInt(power, f.use(one))
	}
	return f.Clear(f.Mul(p, power), least)
}

// sigmoid is e/(1+e) with e = exp(x), which keeps its accuracy where it is small.
func (f *arm) sigmoid(x neon.Vec) neon.Vec {
	e := f.exp(x, enough)
	return f.Div(e, f.Add(e, f.use(one)))
}

// tanh is m/(m+2) with m = exp(2|x|) - 1, which is as accurate near zero as elsewhere.
func (f *arm) tanh(x neon.Vec) neon.Vec {
	v := f.Abs(x)
	v = f.Min(f.Add(v, v), f.use(enough))
	power, p := f.exp1(v)
	power = f.AddInt(f.ShiftLeft(power, 23), f.use(one))
	m := f.FMA(power, p, f.Sub(power, f.use(one)))
	m = f.Div(m, f.Add(m, f.use(two)))
	f.Insert(m, x, f.use(sign))
	return m
}

// log returns the logarithm of x, which is at least 2⁻¹²⁶; NaN for what is not finite.
func (f *arm) log(x neon.Vec) neon.Vec {
	e := f.ShiftRightSigned(f.SubInt(x, f.use(rootHalf)), 23)
	m := f.SubInt(x, f.ShiftLeft(e, 23))
	n := f.ToFloat(e)
	m = f.Sub(m, f.use(one)) // r
	u := f.Mul(m, m)
	p := f.polynomial(m, log11, log10, log9, log8, log7, log6, log5, log4, log3)
	p = f.Mul(f.Mul(p, m), u)
	f.MulAdd(p, n, f.use(ln2Rest))
	f.MulAdd(p, u, f.use(minusHalf))
	f.AddTo(p, m)
	f.MulAdd(p, n, f.use(ln2Short))
	return f.Add(p, f.Sub(x, x)) // zero, or NaN
}

// sinPoly returns the sine of r, u being r², where it is at most half a period, and
// cosPoly its cosine.
func (f *arm) sinPoly(r, u neon.Vec) neon.Vec {
	return f.FMA(f.Mul(f.polynomial(u, sin9, sin7, sin5, sin3), u), r, r)
}

func (f *arm) cosPoly(u neon.Vec) neon.Vec {
	return f.polynomial(u, cos10, cos8, cos6, cos4, cos2, one)
}

// greater returns yes where a > b, and no where it is not or either is NaN.
func (f *arm) greater(a, b, yes, no neon.Vec) neon.Vec {
	return f.Select(f.Greater(a, b), yes, no)
}
