package main

import (
	"github.com/mmcloughlin/avo/build"
)

// arithmetic writes sums, differences, products and their like.
func arithmetic(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.elementwise("add", "dst[i] = a[i] + b[i]", func(f *vectors, in []vec) vec {
			return f.add(in[0], in[1])
		}, "a", "b")
		f.elementwise("sub", "dst[i] = a[i] - b[i]", func(f *vectors, in []vec) vec {
			f.VSUBPS(in[1], in[0], in[0])
			return in[0]
		}, "a", "b")
		f.elementwise("mul", "dst[i] = a[i]*b[i]", func(f *vectors, in []vec) vec {
			return f.mul(in[0], in[1])
		}, "a", "b")
		f.withScalar("scale", "dst[i] = s*x[i]", "s", func(f *vectors, in []vec, s vec) vec {
			return f.mul(in[0], s)
		}, "x")
		f.withScalar("addScaled", "dst[i] = fma(s, x[i], dst[i])", "s", func(f *vectors, in []vec, s vec) vec {
			f.VFMADD231PS(in[1], s, in[0])
			return in[0]
		}, "dst", "x")
		f.withScalar("lerp", "dst[i] = fma(w, x[i] - dst[i], dst[i])", "w", func(f *vectors, in []vec, w vec) vec {
			d := f.vec()
			f.VSUBPS(in[0], in[1], d)
			f.VFMADD231PS(d, w, in[0])
			return in[0]
		}, "dst", "x")
	})
}
