package main

import "github.com/facodec-go/facodec/internal/kernel/gen/neon"

// armSpectra writes what losses on spectra are computed with.
func armSpectra(u *armFile) {
	u.elementwise("magnitude", "dst[i] = sqrt(re[i]*re[i] + im[i]*im[i])", func(f *arm, in []neon.Vec) neon.Vec {
		return f.Sqrt(f.Add(f.Mul(in[0], in[0]), f.Mul(in[1], in[1])))
	}, "re", "im")
	u.sinCos()
	u.spectralDistance()
	u.magnitudeGrad()
	u.scaleRows()
}

func (u *armFile) sinCos() {
	f := u.begin("sinCos", "computes", "", "\tfor i := range sin {", "\t\tsin[i], cos[i] = sin(x[i]), cos(x[i])", "\t}")
	p := f.begins("sin", "cos", "x")
	f.loop("sin_len", p, func(m part) {
		x := m.load(p[2])
		n := f.FMA(x, f.use(inversePi), f.use(magic))
		flip := f.ShiftLeft(n, 31)
		n = f.Sub(n, f.use(magic))
		r := f.FNMA(n, f.use(piHigh), x)
		f.MulSub(r, n, f.use(piLow))
		r = f.Max(f.Min(r, f.use(beyond)), f.use(minusBeyond))
		v := f.Mul(r, r)
		m.store(f.Xor(f.sinPoly(r, v), flip), p[0])
		m.store(f.Xor(f.cosPoly(v), flip), p[1])
	})
	f.Return()
}

// spectralDistance overwrites got with the derivative and want with the loss.
func (u *armFile) spectralDistance() {
	f := u.begin("spectralDistance", "computes", "",
		"\tfor i := range got {",
		"\t\tl, e := logFactor*(log(max(got[i], floor)) - log(max(want[i], floor))), linear*(got[i] - want[i])",
		"\t\td := sign(e)*linear",
		"\t\tif got[i] >= floor {",
		"\t\t\td += sign(l)*logFactor/got[i]",
		"\t\t}",
		"\t\tgot[i], want[i] = d, abs(l) + abs(e)",
		"\t}")
	p := f.begins("got", "want")
	floor, logFactor, linear := f.Scalar("floor"), f.Scalar("logFactor"), f.Scalar("linear")
	f.loop("got_len", p, func(m part) {
		got, want := m.load(p[0]), m.load(p[1])
		l := f.Sub(f.log(f.Max(got, floor)), f.log(f.Max(want, floor)))
		l = f.Mul(l, logFactor)
		slope := f.signed(f.Div(logFactor, got), l)
		slope = f.Clear(slope, f.Greater(floor, got))
		e := f.Mul(f.Sub(got, want), linear)
		m.store(f.Add(f.signed(linear, e), slope), p[0])
		m.store(f.Add(f.Abs(l), f.Abs(e)), p[1])
	})
	f.Return()
}

// signed returns v, which is not negative, with the sign of s, and zero where s is zero
// or NaN.
func (f *arm) signed(v, s neon.Vec) neon.Vec {
	d := f.Copy(v)
	f.Insert(d, s, f.use(sign))
	return f.And(d, f.Greater(f.Abs(s), f.use(zero)))
}

// magnitudeGrad writes the derivatives over the parts.
func (u *armFile) magnitudeGrad() {
	f := u.begin("magnitudeGrad", "computes", "",
		"\tfor i := range re {",
		"\t\tg := magnitude[i] > 0 ? d[i]/magnitude[i] : 0",
		"\t\tre[i], im[i] = g*re[i], g*im[i]",
		"\t}")
	p := f.begins("re", "im", "d", "magnitude")
	f.loop("re_len", p, func(m part) {
		size := m.load(p[3])
		g := f.And(f.Div(m.load(p[2]), size), f.Greater(size, f.use(zero)))
		m.store(f.Mul(g, m.load(p[0])), p[0])
		m.store(f.Mul(g, m.load(p[1])), p[1])
	})
	f.Return()
}

// scaleRows multiplies rows of 32 values.
func (u *armFile) scaleRows() {
	f := u.begin("scaleRows", "computes", "", "\tfor i := range x {", "\t\tx[i] *= factors[i/32]", "\t}", "", "for rows of 32 values.")
	x, factors, n := f.Param("x_base"), f.Param("factors_base"), f.Param("factors_len")
	f.JumpIfZero(n, "done")
	f.Label("loop")
	w := f.LoadSingle(factors)
	for at := 0; at < 4*32; at += 16 {
		f.Store(f.MulLane(f.Load(x, at), w, 0), x, at)
	}
	f.advance(4*32, x)
	f.count(n, "loop")
	f.Label("done")
	f.Return()
}

// armLosses writes the mean absolute difference with its gradient.
func armLosses(u *armFile) {
	f := u.begin("l1Rows", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor i := range sums {",
		"\t\t\tj := r*stride + i",
		"\t\t\tsums[i] += abs(x[j] - y[j])",
		"\t\t\tdx[j] = sign(x[j] - y[j])*scale",
		"\t\t}",
		"\t}", "", "for at least one row.")
	scale := f.Scalar("scale")
	f.rows("sums", []string{"dx", "x", "y"}, []string{"sums"}, func(m part, at func(string) neon.Reg) {
		sums := m.load(at("sums"))
		d := f.Sub(m.load(at("x")), m.load(at("y")))
		size := f.Abs(d)
		f.AddTo(sums, size)
		m.store(sums, at("sums"))
		signed := f.Xor(f.And(d, f.use(sign)), scale)
		m.store(f.And(signed, f.Greater(size, f.use(zero))), at("dx"))
	})
}
