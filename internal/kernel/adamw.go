package kernel

import "math"

// An AdamWStep holds the factors of one step of AdamW, rounded to float32 once
// from what NewAdamWStep computes in float64.
type AdamWStep struct {
	GradScale     float32 // factor of the gradient, for clipping by its norm
	Decay         float32 // 1 - lr·weightDecay
	OneMinusBeta1 float32 // 1 - β1
	Beta2         float32 // β2
	OneMinusBeta2 float32 // 1 - β2
	InvSqrtBias2  float32 // 1/√(1-β2^step), the bias correction of the second moment
	Eps           float32 // added to the corrected root
	StepSize      float32 // lr/(1-β1^step), the bias correction of the first moment included
}

// NewAdamWStep returns the factors of the step-th step, counted from 1.
func NewAdamWStep(lr, beta1, beta2, eps, weightDecay float64, step int, gradScale float64) AdamWStep {
	return AdamWStep{
		GradScale:     float32(gradScale),
		Decay:         float32(1 - lr*weightDecay),
		OneMinusBeta1: float32(1 - beta1),
		Beta2:         float32(beta2),
		OneMinusBeta2: float32(1 - beta2),
		InvSqrtBias2:  float32(1 / math.Sqrt(1-math.Pow(beta2, float64(step)))),
		Eps:           float32(eps),
		StepSize:      float32(lr / (1 - math.Pow(beta1, float64(step)))),
	}
}

// AdamW updates the parameters p with the gradient g, its first moment m and its
// second moment v (Loshchilov and Hutter, arXiv 1711.05101; in the order of
// torch.optim.AdamW for a single tensor, without amsgrad):
//
//	for i := range p {
//		g := GradScale*g[i]
//		p[i] = Decay*p[i]
//		m[i] += OneMinusBeta1*(g - m[i])
//		v[i] = Beta2*v[i] + OneMinusBeta2*g*g
//		p[i] -= StepSize*m[i]/(√v[i]*InvSqrtBias2 + Eps)
//	}
//
// The slices have one length. g is left as it is.
func AdamW(p, g, m, v []float32, s AdamWStep) {
	n := len(p)
	adamW(p, g[:n], m[:n], v[:n], s.GradScale, s.Decay, s.OneMinusBeta1, s.Beta2, s.OneMinusBeta2, s.InvSqrtBias2, s.Eps, s.StepSize)
}
