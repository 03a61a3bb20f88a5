package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAdamWAgainstGeneric(t *testing.T) {
	step := NewAdamWStep(1e-3, 0.8, 0.99, 1e-9, 0.01, 3, 0.5)
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 68 {
			for offset := range 3 {
				all := [4][]float32{}
				for i := range all {
					all[i] = randomWithSpecials(r, n+offset+5)
				}
				for i, v := range all[3] {
					if v < 0 {
						all[3][i] = -v
					}
				}
				cut := func(v [4][]float32) (p, g, m, w []float32) {
					return v[0][offset:][:n], v[1][offset:][:n], v[2][offset:][:n], v[3][offset:][:n]
				}
				clone := func() (v [4][]float32) {
					for i := range v {
						v[i] = slices.Clone(all[i])
					}
					return v
				}
				got, want, alone := clone(), clone(), clone()
				p, g, m, v := cut(got)
				AdamW(p, g, m, v, step)
				p, g, m, v = cut(want)
				adamWGeneric(p, g, m, v, step.GradScale, step.Decay, step.OneMinusBeta1, step.Beta2, step.OneMinusBeta2, step.InvSqrtBias2, step.Eps, step.StepSize)
				p, g, m, v = cut(alone)
				for i := range n {
					AdamW(p[i:i+1], g[i:], m[i:], v[i:], step)
				}
				for i, name := range []string{"p", "g", "m", "v"} {
					same(t, name+" alone", alone[i], got[i])
					for j := range want[i] {
						if !near(got[i][j], want[i][j], 5e-7) {
							t.Fatalf("length %d, offset %d: element %d of %s is %v, want %v", n, offset, j-offset, name, got[i][j], want[i][j])
						}
					}
				}
			}
		}
	})
}

// TestAdamWAgainstFormula takes twenty steps beside torch.optim.AdamW's formulas in
// float64.
func TestAdamWAgainstFormula(t *testing.T) {
	const n, beta1, beta2, eps, decay, clip = 40, 0.8, 0.99, 1e-9, 0.01, 0.25
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		p, m, v := random(r, n), make([]float32, n), make([]float32, n)
		p64, m64, v64 := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range p {
			p64[i] = float64(p[i])
		}
		for step := 1; step <= 20; step++ {
			lr := 1e-2 * math.Pow(0.999, float64(step))
			g := random(r, n)
			if step%5 == 0 {
				clear(g)
			}
			AdamW(p, g, m, v, NewAdamWStep(lr, beta1, beta2, eps, decay, step, clip))
			for i := range p {
				d := clip * float64(g[i])
				p64[i] *= 1 - lr*decay
				m64[i] = beta1*m64[i] + (1-beta1)*d
				v64[i] = beta2*v64[i] + (1-beta2)*d*d
				bias1, bias2 := 1-math.Pow(beta1, float64(step)), 1-math.Pow(beta2, float64(step))
				p64[i] -= lr / bias1 * m64[i] / (math.Sqrt(v64[i])/math.Sqrt(bias2) + eps)
			}
		}
		for i := range p {
			if !near(p[i], float32(p64[i]), 1e-6) || !near(m[i], float32(m64[i]), 1e-6) || !near(v[i], float32(v64[i]), 1e-6) {
				t.Errorf("element %d: %v, %v, %v, want %v, %v, %v", i, p[i], m[i], v[i], p64[i], m64[i], v64[i])
			}
		}
	})
}
