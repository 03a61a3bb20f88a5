package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/tensor"
)

// NormEpsilon is PyTorch's default for layer_norm.
const NormEpsilon = 1e-5

// Modulate returns LayerNorm over the channels of x, without weights of its
// own, times gamma plus beta, which have one value for each channel.
func (r *Run) Modulate(x tensor.Tensor, gamma, beta []float32) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	for b := range x.B {
		r.pool.Split(x.T, grainValues/x.Stride, func(from, to int) {
			for t := from; t < to; t++ {
				row, dst := x.Row(b, t), y.Row(b, t)
				mean, inv := moments(row)
				for i, v := range row {
					dst[i] = float32(float32((v-mean)*inv)*gamma[i]) + beta[i]
				}
			}
		})
	}
	return y
}

// moments returns the mean of row and the inverse of its standard deviation.
func moments(row []float32) (mean, inv float32) {
	var sum, square float64
	for _, v := range row {
		sum += float64(v)
	}
	m := sum / float64(len(row))
	for _, v := range row {
		d := float64(v) - m
		square += d * d
	}
	return float32(m), float32(1 / math.Sqrt(square/float64(len(row))+NormEpsilon))
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
