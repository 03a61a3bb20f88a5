package kernel

import (
	"math"
	"testing"
)

// TestAccuracy measures the largest errors over dense ranges, in units of the
// last place of the float32 nearest to the true value or, where so stated,
// absolute.
func TestAccuracy(t *testing.T) {
	ones := make([]float32, 1<<12)
	for i := range ones {
		ones[i] = 1
	}
	snakeOnly := func(d, x []float32) {
		// sin² alone: what Snake adds to x, which is exact for the small x that
		// alpha makes large.
		zero := make([]float32, len(x))
		for i := range zero {
			zero[i] = 1e-30
		}
		alpha := make([]float32, len(x))
		for i, v := range x {
			alpha[i] = v * 1e30
		}
		Snake(d, zero, alpha, ones[:len(x)])
	}
	sin2 := func(x float64) float64 { s := math.Sin(x); return s * s }
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	mish := func(x float64) float64 { return x * math.Tanh(math.Log1p(math.Exp(x))) }
	for _, c := range []struct {
		name     string
		run      func(d, x []float32)
		exact    func(float64) float64
		from, to float64
		ulp, abs float64 // 0 for no bound
	}{
		{"sin²", nil, sin2, -10, 10, 0, 2.5e-7},
		{"sin²", nil, sin2, 0, 10000, 0, 2.5e-7},
		{"exp", Exp, math.Exp, -86.6, 88.7, 2, 0},
		{"exp", Exp, math.Exp, -1e-3, 1e-3, 1, 0},
		{"tanh", Tanh, math.Tanh, -10, 10, 4, 2e-7},
		{"tanh", Tanh, math.Tanh, 1e-6, 1e-2, 4, 0},
		{"tanh", Tanh, math.Tanh, 1e-40, 1e-37, 4, 0},
		{"sigmoid", Sigmoid, sigmoid, -86.6, 20, 4, 1e-7},
		{"mish", Mish, mish, -80, 30, 5, 0},
		{"log", Log, math.Log, 1e-30, 100, 2, 0},
		{"log", Log, math.Log, 0.5, 2, 2, 0},
		{"sin", func(d, x []float32) { SinCos(d, make([]float32, len(x)), x) }, math.Sin, -10, 10, 0, 2.5e-7},
		{"sin", func(d, x []float32) { SinCos(d, make([]float32, len(x)), x) }, math.Sin, 0, 10000, 0, 1e-6},
		{"cos", func(d, x []float32) { SinCos(make([]float32, len(x)), d, x) }, math.Cos, -10, 10, 0, 2.5e-7},
		{"cos", func(d, x []float32) { SinCos(make([]float32, len(x)), d, x) }, math.Cos, 0, 10000, 0, 1e-6},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachISA(t, func(t *testing.T) {
				const steps = 1 << 18
				var ulp, abs, ulpAt, absAt float64
				x, d := make([]float32, 1<<12), make([]float32, 1<<12)
				for at := 0; at < steps; at += len(x) {
					for i := range x {
						x[i] = float32(c.from + (c.to-c.from)*float64(at+i)/steps)
					}
					if c.run == nil {
						// The arguments that Snake makes of them.
						snakeOnly(d, x)
						for i, v := range x {
							x[i] = float32(v*1e30) * 1e-30
						}
					} else {
						c.run(d, x)
					}
					for i, v := range x {
						want := c.exact(float64(v))
						e := math.Abs(float64(d[i]) - want)
						if e > abs {
							abs, absAt = e, float64(v)
						}
						if u := e / unit(want); u > ulp {
							ulp, ulpAt = u, float64(v)
						}
					}
				}
				t.Logf("[%g, %g]: %.3g absolute at %.9g, %.2f units in the last place at %.9g", c.from, c.to, abs, absAt, ulp, ulpAt)
				if c.ulp > 0 && ulp > c.ulp || c.abs > 0 && abs > c.abs {
					t.Error("too far")
				}
			})
		})
	}
}
