package kernel

import "math"

func adamWGeneric(p, g, m, v []float32, gradScale, decay, oneMinusBeta1, beta2, oneMinusBeta2, invSqrtBias2, eps, stepSize float32) {
	for i, grad := range g {
		grad *= gradScale
		mean := fma32(oneMinusBeta1, grad-m[i], m[i])
		square := fma32(float32(oneMinusBeta2*grad), grad, float32(beta2*v[i]))
		m[i], v[i] = mean, square
		root := float32(math.Sqrt(float64(square)))
		p[i] = fma32(-stepSize, mean/fma32(root, invSqrtBias2, eps), float32(decay*p[i]))
	}
}
