package kernel

import "math"

func softmaxGeneric(x []float32) {
	if len(x) == 0 {
		return
	}
	top := maximumGeneric(x)
	var sum float64
	for i, v := range x {
		x[i] = float32(math.Exp(float64(v - top)))
		sum += float64(x[i])
	}
	inv := float32(1 / sum)
	for i := range x {
		x[i] *= inv
	}
}

func maximumGeneric(x []float32) float32 {
	top := float32(math.Inf(-1))
	for _, v := range x {
		top = max(top, v)
	}
	return top
}
