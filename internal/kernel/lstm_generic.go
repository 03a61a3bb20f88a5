package kernel

import "math"

func lstmCellGeneric(h, c, gates []float32) {
	for u := 0; u < len(h); u += Width {
		g := gates[4*u:]
		for i := range Width {
			in, forget := sigmoid1(g[i]), sigmoid1(g[Width+i])
			cell, out := float32(math.Tanh(float64(g[2*Width+i]))), sigmoid1(g[3*Width+i])
			v := float32(forget*c[u+i]) + float32(in*cell)
			c[u+i] = v
			h[u+i] = out * float32(math.Tanh(float64(v)))
		}
	}
}
