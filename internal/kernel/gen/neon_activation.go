package main

import "github.com/facodec-go/facodec/internal/kernel/gen/neon"

// armArithmetic writes sums, differences, products and their like.
func armArithmetic(u *armFile) {
	u.elementwise("add", "dst[i] = a[i] + b[i]", func(f *arm, in []neon.Vec) neon.Vec { return f.Add(in[0], in[1]) }, "a", "b")
	u.elementwise("sub", "dst[i] = a[i] - b[i]", func(f *arm, in []neon.Vec) neon.Vec { return f.Sub(in[0], in[1]) }, "a", "b")
	u.elementwise("mul", "dst[i] = a[i]*b[i]", func(f *arm, in []neon.Vec) neon.Vec { return f.Mul(in[0], in[1]) }, "a", "b")
	u.withScalar("scale", "dst[i] = s*x[i]", "s", func(f *arm, in []neon.Vec, s neon.Vec) neon.Vec {
		return f.Mul(in[0], s)
	}, "x")
	u.withScalar("addScaled", "dst[i] = fma(s, x[i], dst[i])", "s", func(f *arm, in []neon.Vec, s neon.Vec) neon.Vec {
		f.MulAdd(in[0], in[1], s)
		return in[0]
	}, "dst", "x")
	u.withScalar("lerp", "dst[i] = fma(w, x[i] - dst[i], dst[i])", "w", func(f *arm, in []neon.Vec, w neon.Vec) neon.Vec {
		return f.FMA(f.Sub(in[1], in[0]), w, in[0])
	}, "dst", "x")
}

// armActivations writes activation functions without parameters, and gates.
func armActivations(u *armFile) {
	u.elementwise("exp", "dst[i] = exp(x[i])", func(f *arm, in []neon.Vec) neon.Vec { return f.exp(in[0], expHighest) }, "x")
	u.elementwise("sigmoid", "dst[i] = 1/(1 + exp(-x[i]))", func(f *arm, in []neon.Vec) neon.Vec { return f.sigmoid(in[0]) }, "x")
	u.elementwise("tanh", "dst[i] = tanh(x[i])", func(f *arm, in []neon.Vec) neon.Vec { return f.tanh(in[0]) }, "x")
	u.elementwise("mish", "dst[i] = x[i]*tanh(log(1 + exp(x[i])))", func(f *arm, in []neon.Vec) neon.Vec {
		e := f.exp(in[0], enough)
		w := f.FMA(e, e, f.Add(e, e))
		return f.Mul(f.Div(w, f.Add(w, f.use(two))), in[0])
	}, "x")
	u.elementwise("log", "dst[i] = log(max(x[i], 2^-126))", func(f *arm, in []neon.Vec) neon.Vec {
		return f.log(f.Max(in[0], f.use(minNormal)))
	}, "x")
	u.elementwise("tanhGrad", "dx[i] = dy[i]*(1 - tanh(x[i])²)", func(f *arm, in []neon.Vec) neon.Vec {
		t := f.tanh(in[1])
		return f.Mul(f.FNMA(t, t, f.use(one)), in[0])
	}, "dy", "x")
	u.elementwise("mishGrad", "dx[i] = dy[i]*mish'(x[i])", armMishGrad, "dy", "x")
	u.elementwise("gelu", "dst[i] = x[i]*sigmoid(2*sqrt(2/π)*x[i]*(1 + 0.044715*x[i]²))", func(f *arm, in []neon.Vec) neon.Vec {
		return f.Mul(f.geluSigmoid(in[0]), in[0])
	}, "x")
	u.elementwise("geluGrad", "dx[i] = dy[i]*gelu'(x[i])", armGELUGrad, "dy", "x")
	u.elementwise("gate", "dst[i] = tanh(a[i])*sigmoid(b[i])", func(f *arm, in []neon.Vec) neon.Vec {
		return f.Mul(f.tanh(in[0]), f.sigmoid(in[1]))
	}, "a", "b")
	u.elementwise("glu", "dst[i] = a[i]*sigmoid(b[i])", func(f *arm, in []neon.Vec) neon.Vec {
		return f.Mul(in[0], f.sigmoid(in[1]))
	}, "a", "b")
	u.withScalar("leakyReLU", "dst[i] = x[i] > 0 ? x[i] : slope*x[i]", "slope", func(f *arm, in []neon.Vec, slope neon.Vec) neon.Vec {
		return f.greater(in[0], f.use(zero), in[0], f.Mul(in[0], slope))
	}, "x")
	u.withScalar("leakyReLUGrad", "dx[i] = y[i] > 0 ? dy[i] : slope*dy[i]", "slope", func(f *arm, in []neon.Vec, slope neon.Vec) neon.Vec {
		return f.greater(in[1], f.use(zero), in[0], f.Mul(in[0], slope))
	}, "dy", "y")
}

// armMishGrad is mishGrad with NEON.
func armMishGrad(f *arm, in []neon.Vec) neon.Vec {
	dy, x := in[0], in[1]
	e := f.exp(x, enough)
	w := f.FMA(e, e, f.Add(e, e))
	inv := f.Div(f.use(one), f.Add(w, f.use(two)))
	s := f.Div(e, f.Add(e, f.use(one)))
	d := f.Mul(f.Mul(f.Add(w, f.use(one)), inv), inv)
	d = f.Mul(f.Mul(f.Mul(d, f.use(four)), s), x)
	f.MulAdd(d, w, inv)
	return f.Mul(d, dy)
}

// geluSigmoid is what gelu multiplies x with.
func (f *arm) geluSigmoid(x neon.Vec) neon.Vec {
	u := f.Add(f.Mul(f.Mul(x, f.use(geluCubic)), x), f.use(one))
	return f.sigmoid(f.Mul(u, f.Mul(x, f.use(geluScale))))
}

// armGELUGrad is geluGrad with NEON.
func armGELUGrad(f *arm, in []neon.Vec) neon.Vec {
	dy, x := in[0], in[1]
	s := f.geluSigmoid(x)
	u := f.Mul(f.Add(f.Mul(f.Mul(x, f.use(geluSlope)), x), f.use(one)), f.use(geluScale))
	d := f.Mul(f.Mul(f.Sub(f.use(one), s), s), x)
	return f.Mul(f.FMA(d, u, s), dy)
}
