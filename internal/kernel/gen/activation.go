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
