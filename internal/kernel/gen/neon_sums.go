package main

import "github.com/facodec-go/facodec/internal/kernel/gen/neon"

// armDots writes the dot product, in float64: the sums are the same bits as with other
// instruction sets, and in Go.
func armDots(u *armFile) {
	const sums = 32
	f := u.begin("dot", "computes", "",
		"\tfor i := range a {",
		"\t\tsums[i%32] += float64(a[i])*float64(b[i])",
		"\t}", "", "for a multiple of 32 elements, in float64.")
	to, a, b, n := f.Param("sums"), f.Param("a_base"), f.Param("b_base"), f.Param("a_len")
	var acc []neon.Vec
	for at := 0; at < 8*sums; at += 16 {
		acc = append(acc, f.Load(to, at))
	}
	f.JumpIfZero(n, "done")
	f.Label("loop")
	for i := 0; i < len(acc); i += 2 {
		x0, x1 := f.ToDouble(f.LoadNext(a))
		y0, y1 := f.ToDouble(f.LoadNext(b))
		f.MulAddDoubles(acc[i], x0, y0)
		f.MulAddDoubles(acc[i+1], x1, y1)
	}
	f.Emit("SUBS $%d, R%d", sums, n)
	f.Jump("BNE", "loop")
	f.Label("done")
	for i, v := range acc {
		f.Store(v, to, 16*i)
	}
	f.Return()
}

// armSoftmaxParts writes the maximum and the sum of exponentials.
func armSoftmaxParts(u *armFile) {
	f := u.begin("maximum", "returns the largest value, or NaN where there is one:", "",
		"\ttop := -Inf", "\tfor _, v := range x {", "\t\ttop = max(top, v)", "\t}")
	x := f.Param("x_base")
	top := f.Copy(f.use(negativeInf))
	f.loop("x_len", []neon.Reg{x}, func(m part) {
		f.CopyTo(top, f.Max(top, m.loadElse(x, negativeInf)))
	})
	f.Result(f.Largest(top))
	f.Return()

	f = u.beginPart("expSum", "func(x []float32, top float32) float32", "computes", "",
		"\tfor i := range x {", "\t\tx[i] = exp(x[i] - top)", "\t\tsum += x[i]", "\t}", "\treturn sum", "",
		"with four sums in float64, so that zeros at the end change nothing.")
	x = f.Param("x_base")
	scalar := f.Scalar("top")
	even, odd := f.Zero(), f.Zero()
	f.loop("x_len", []neon.Reg{x}, func(m part) {
		e := f.exp(f.Sub(m.loadElse(x, negativeInf), scalar), expHighest)
		m.store(e, x)
		if m.on {
			e = m.keep(e) // of a top of -Inf, the exponential there is NaN
		}
		lower, upper := f.ToDouble(e)
		f.AddDoubles(even, lower)
		f.AddDoubles(odd, upper)
	})
	f.AddDoubles(even, odd)
	f.Result(f.ToSingle(f.SumOfDoubles(even)))
	f.Return()
}

// armLSTM writes the LSTM cell.
func armLSTM(u *armFile) {
	f := u.begin("lstmCell", "computes", "",
		"\tfor u := range h {",
		"\t\tg := gates[u/16*64+u%16:]",
		"\t\tc[u] = sigmoid(g[16])*c[u] + sigmoid(g[0])*tanh(g[32])",
		"\t\th[u] = sigmoid(g[48])*tanh(c[u])",
		"\t}", "", "for a multiple of 16 units.")
	p := f.begins("h", "c", "gates")
	h, c, gates := p[0], p[1], p[2]
	f.sixteens("h_len", func() {
		for at := 0; at < 64; at += 16 {
			g := func(i int) neon.Vec { return f.Load(gates, 64*i+at) }
			cell := f.Mul(f.sigmoid(g(0)), f.tanh(g(2)))
			f.MulAdd(cell, f.sigmoid(g(1)), f.Load(c, at))
			f.Store(cell, c, at)
			f.Store(f.Mul(f.tanh(cell), f.sigmoid(g(3))), h, at)
		}
		f.advance(64, h, c)
		f.advance(256, gates)
	})
}

// armAdamW writes the step of AdamW.
func armAdamW(u *armFile) {
	f := u.begin("adamW", "computes", "",
		"\tfor i := range p {",
		"\t\tg := gradScale*g[i]",
		"\t\tm[i] = fma(oneMinusBeta1, g - m[i], m[i])",
		"\t\tv[i] = fma(oneMinusBeta2*g, g, beta2*v[i])",
		"\t\tp[i] = fma(-stepSize, m[i]/fma(sqrt(v[i]), invSqrtBias2, eps), decay*p[i])",
		"\t}")
	at := f.begins("p", "g", "m", "v")
	gradScale, decay, oneMinusBeta1, beta2 := f.Scalar("gradScale"), f.Scalar("decay"), f.Scalar("oneMinusBeta1"), f.Scalar("beta2")
	oneMinusBeta2, invSqrtBias2, eps, stepSize := f.Scalar("oneMinusBeta2"), f.Scalar("invSqrtBias2"), f.Scalar("eps"), f.Scalar("stepSize")
	f.loop("p_len", at, func(k part) {
		p, g, m, v := k.load(at[0]), k.load(at[1]), k.load(at[2]), k.load(at[3])
		g = f.Mul(g, gradScale)
		m = f.FMA(f.Sub(g, m), oneMinusBeta1, m)
		k.store(m, at[2])
		v = f.FMA(f.Mul(g, oneMinusBeta2), g, f.Mul(v, beta2))
		k.store(v, at[3])
		m = f.Div(m, f.FMA(f.Sqrt(v), invSqrtBias2, eps))
		k.store(f.FNMA(m, stepSize, f.Mul(p, decay)), at[0])
	})
	f.Return()
}
