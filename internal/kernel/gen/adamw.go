package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// adamWs writes the step of AdamW.
func adamWs(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.adamW()
	})
}

func (f *vectors) adamW() {
	f.begin("adamW", "computes", "",
		"\tfor i := range p {",
		"\t\tg := gradScale*g[i]",
		"\t\tm[i] = fma(oneMinusBeta1, g - m[i], m[i])",
		"\t\tv[i] = fma(oneMinusBeta2*g, g, beta2*v[i])",
		"\t\tp[i] = fma(-stepSize, m[i]/fma(sqrt(v[i]), invSqrtBias2, eps), decay*p[i])",
		"\t}")
	var pointers []reg.Register
	for _, n := range []string{"p", "g", "m", "v"} {
		pointers = append(pointers, f.Load(f.Param(n).Base(), f.GP64()))
	}
	gradScale, decay, oneMinusBeta1, beta2 := f.scalar("gradScale"), f.scalar("decay"), f.scalar("oneMinusBeta1"), f.scalar("beta2")
	oneMinusBeta2, invSqrtBias2, eps, stepSize := f.scalar("oneMinusBeta2"), f.scalar("invSqrtBias2"), f.scalar("eps"), f.scalar("stepSize")
	f.loop(f.Param("p").Len(), pointers, func(k mask) {
		g, m, v := k.load(pointers[1]), k.load(pointers[2]), k.load(pointers[3])
		f.VMULPS(gradScale, g, g)
		d := f.vec()
		f.VSUBPS(m, g, d)
		f.VFMADD231PS(d, oneMinusBeta1, m)
		k.store(m, pointers[2])
		f.VMULPS(beta2, v, v)
		f.VMULPS(oneMinusBeta2, g, d)
		f.VFMADD231PS(g, d, v)
		k.store(v, pointers[3])
		f.VSQRTPS(v, v)
		f.VFMADD213PS(eps, invSqrtBias2, v)
		f.VDIVPS(v, m, m)
		p := k.load(pointers[0])
		f.VMULPS(decay, p, p)
		f.VFNMADD231PS(m, stepSize, p)
		k.store(p, pointers[0])
	})
	f.end()
}
