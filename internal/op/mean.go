package op

import (
	"github.com/facodec-go/facodec/internal/tensor"
)

// Mean returns the mean over the rows of each sequence: [B, 1, C].
func (r *Run) Mean(x tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, 1, x.C)
	for b, mean := range Mean(x) {
		for i, v := range mean {
			y.Row(b, 0)[i] = float32(v)
		}
	}
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(x.B, x.T, x.C)
			inv := 1 / float32(x.T)
			for b := range x.B {
				for t := range x.T {
					row := dx.Row(b, t)
					for i, v := range dy.Row(b, 0) {
						row[i] = v * inv
					}
				}
			}
			r.accumulateGrad(x, dx)
		})
	}
	return y
}

// Mean returns the mean over the rows of each sequence, in float64: [B][C].
func Mean(x tensor.Tensor) [][]float64 {
	means := make([][]float64, x.B)
	for b := range means {
		sum := make([]float64, x.C)
		for t := range x.T {
			for i, v := range x.Row(b, t) {
				sum[i] += float64(v)
			}
		}
		for i := range sum {
			sum[i] /= float64(x.T)
		}
		means[b] = sum
	}
	return means
}
