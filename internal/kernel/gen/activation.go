package main

import (
	"github.com/mmcloughlin/avo/build"
)

// activations writes activation functions without parameters, and gates.
func activations(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.elementwise("exp", "dst[i] = exp(x[i])", func(f *vectors, in []vec) vec {
			return f.exp(in[0], expHighest)
		}, "x")
		f.elementwise("sigmoid", "dst[i] = 1/(1 + exp(-x[i]))", func(f *vectors, in []vec) vec {
			return f.sigmoid(in[0])
		}, "x")
		f.elementwise("tanh", "dst[i] = tanh(x[i])", func(f *vectors, in []vec) vec {
			return f.tanh(in[0])
		}, "x")
		f.elementwise("mish", "dst[i] = x[i]*tanh(log(1 + exp(x[i])))", mish, "x")
		f.elementwise("log", "dst[i] = log(max(x[i], 2^-126))", func(f *vectors, in []vec) vec {
			v := f.vec()
			f.VMAXPS(in[0], f.held(minNormal), v) // of two operands the second one is a NaN that stays
			return f.log(v)
		}, "x")
		f.elementwise("tanhGrad", "dx[i] = dy[i]*(1 - tanh(x[i])²)", func(f *vectors, in []vec) vec {
			t := f.tanh(in[1])
			v := f.copy(f.use(one))
			f.VFNMADD231PS(t, t, v)
			f.VMULPS(in[0], v, v)
			return v
		}, "dy", "x")
		f.elementwise("mishGrad", "dx[i] = dy[i]*mish'(x[i])", mishGrad, "dy", "x")
		f.elementwise("gelu", "dst[i] = x[i]*sigmoid(2*sqrt(2/π)*x[i]*(1 + 0.044715*x[i]²))", func(f *vectors, in []vec) vec {
			s := f.geluSigmoid(in[0])
			return f.mul(s, in[0])
		}, "x")
		f.elementwise("geluGrad", "dx[i] = dy[i]*gelu'(x[i])", geluGrad, "dy", "x")
		f.elementwise("gate", "dst[i] = tanh(a[i])*sigmoid(b[i])", func(f *vectors, in []vec) vec {
			return f.mul(f.tanh(in[0]), f.sigmoid(in[1]))
		}, "a", "b")
		f.elementwise("glu", "dst[i] = a[i]*sigmoid(b[i])", func(f *vectors, in []vec) vec {
			return f.mul(in[0], f.sigmoid(in[1]))
		}, "a", "b")
		f.withScalar("leakyReLU", "dst[i] = x[i] > 0 ? x[i] : slope*x[i]", "slope", func(f *vectors, in []vec, slope vec) vec {
			return f.greater(in[0], f.use(zero), in[0], f.mul(in[0], slope))
		}, "x")
		f.withScalar("leakyReLUGrad", "dx[i] = y[i] > 0 ? dy[i] : slope*dy[i]", "slope", func(f *vectors, in []vec, slope vec) vec {
			return f.greater(in[1], f.use(zero), in[0], f.mul(in[0], slope))
		}, "dy", "y")
	})
}

// mish is x·w/(w+2) with w = e² + 2e and e = exp(x).
func mish(f *vectors, in []vec) vec {
	x := in[0]
	e := f.exp(x, enough)
	w := f.vec()
	f.VADDPS(e, e, w)
	f.VFMADD231PS(e, e, w)
	f.VADDPS(f.use(two), w, e)
	f.VDIVPS(e, w, w)
	f.VMULPS(x, w, w)
	return w
}

// mishGrad, with w as in mish and s = e/(1+e): t = w/(w+2) and its derivative over x,
// 4·(w+1)/(w+2)²·s, give dy·(t + x·t').
func mishGrad(f *vectors, in []vec) vec {
	dy, x := in[0], in[1]
	e := f.exp(x, enough)
	w := f.vec()
	f.VADDPS(e, e, w)
	f.VFMADD231PS(e, e, w)
	q := f.vec()
	f.VADDPS(f.use(two), w, q)
	inv := f.copy(f.use(one))
	f.VDIVPS(q, inv, inv)
	s := f.vec()
	f.VADDPS(f.use(one), e, s)
	f.VDIVPS(s, e, s)
	d := f.vec()
	f.VADDPS(f.use(one), w, d)
	f.VMULPS(inv, d, d)
	f.VMULPS(inv, d, d)
	f.VMULPS(f.use(four), d, d)
	f.VMULPS(s, d, d)
	f.VMULPS(x, d, d)
	f.VFMADD231PS(inv, w, d)
	f.VMULPS(dy, d, d)
	return d
}

// geluSigmoid is what gelu multiplies x with.
func (f *vectors) geluSigmoid(x vec) vec {
	u := f.vec()
	f.VMULPS(f.use(geluCubic), x, u)
	f.VMULPS(x, u, u)
	f.VADDPS(f.use(one), u, u)
	v := f.vec()
	f.VMULPS(f.use(geluScale), x, v)
	f.VMULPS(v, u, u)
	return f.sigmoid(u)
}

// geluGrad is dy·(s + x·s·(1-s)·u'), where s is the sigmoid of u and
// u' = 2·sqrt(2/π)·(1 + 3·0.044715·x²).
func geluGrad(f *vectors, in []vec) vec {
	dy, x := in[0], in[1]
	s := f.geluSigmoid(x)
	u := f.vec()
	f.VMULPS(f.use(geluSlope), x, u)
	f.VMULPS(x, u, u)
	f.VADDPS(f.use(one), u, u)
	f.VMULPS(f.use(geluScale), u, u)
	d := f.copy(f.use(one))
	f.VSUBPS(s, d, d)
	f.VMULPS(s, d, d)
	f.VMULPS(x, d, d)
	f.VFMADD213PS(s, u, d)
	f.VMULPS(dy, d, d)
	return d
}
