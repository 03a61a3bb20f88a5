package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/tensor"
)

// NormEpsilon is PyTorch's default for layer_norm.
const NormEpsilon = 1e-5

// AdaptiveLayerNorm returns LayerNorm over the channels of x, without weights of
// its own, times gamma plus beta, the two halves of style, [B, 1, 2·C], or [1, 1, 2·C] for
// all sequences.
func (r *Run) AdaptiveLayerNorm(x, style tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	for b := range x.B {
		gamma, beta := halvesOf(style, b)
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
	if r.Recording() && (r.needsGrad(x) || r.needsGrad(style)) {
		r.retain(x, style)
		r.record(&y, func(dy tensor.Tensor) {
			dx, dstyle := r.New(x.B, x.T, x.C), r.Zeros(style.B, 1, style.C)
			for b := range x.B {
				gamma, _ := halvesOf(style, b)
				dgamma, dbeta := halvesOf(dstyle, b)
				for t := range x.T {
					adaptiveLayerNormGrad(dx.Row(b, t), dgamma, dbeta, dy.Row(b, t), x.Row(b, t), gamma)
				}
			}
			r.release(x, style)
			r.accumulateGrad(x, dx)
			r.accumulateGrad(style, dstyle)
		})
	}
	return y
}

func halvesOf(style tensor.Tensor, b int) (gamma, beta []float32) {
	row := style.Row(min(b, style.B-1), 0)
	return row[:len(row)/2], row[len(row)/2:]
}

// adaptiveLayerNormGrad writes dx for one row and adds to dgamma and dbeta. With
// n = (x-mean)·inv and d = dy·gamma, dx = inv·(d - mean(d) - n·mean(d·n)).
func adaptiveLayerNormGrad(dx, dgamma, dbeta, dy, x, gamma []float32) {
	mean, inv := moments(x)
	var sum, sumN float64
	for i, v := range x {
		n, d := (v-mean)*inv, dy[i]*gamma[i]
		dgamma[i] += dy[i] * n
		dbeta[i] += dy[i]
		sum += float64(d)
		sumN += float64(d) * float64(n)
	}
	m, mn := float32(sum/float64(len(x))), float32(sumN/float64(len(x)))
	for i, v := range x {
		dx[i] = inv * (dy[i]*gamma[i] - m - (v-mean)*inv*mn)
	}
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
