package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// NormEpsilon is PyTorch's default for layer_norm.
const NormEpsilon = 1e-5

// AdaptiveLayerNorm returns LayerNorm over the channels of x, without weights of
// its own, times gamma plus beta, the two halves of modulation, [B, 1, 2·C], or [1, 1,
// 2·C] for all sequences.
func (r *Run) AdaptiveLayerNorm(x, modulation tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	for b := range x.B {
		gamma, beta := modulationHalves(modulation, b)
		r.eachRows(x.T, grainValues/x.Stride, rowsTask{f: layerNormRows, y: y.Sample(b), a: x.Sample(b), gamma: gamma, beta: beta})
	}
	if r.Recording() && (r.needsGrad(x) || r.needsGrad(modulation)) {
		r.retain(x, modulation)
		r.record(&y, func(dy tensor.Tensor) {
			dx, dmodulation := r.New(x.B, x.T, x.C), r.Zeros(modulation.B, 1, modulation.C)
			for b := range x.B {
				gamma, _ := modulationHalves(modulation, b)
				dgamma, dbeta := modulationHalves(dmodulation, b)
				for t := range x.T {
					adaptiveLayerNormGrad(dx.Row(b, t), dgamma, dbeta, dy.Row(b, t), x.Row(b, t), gamma)
				}
			}
			r.release(x, modulation)
			r.accumulateGrad(x, dx)
			r.accumulateGrad(modulation, dmodulation)
		})
	}
	return y
}

func modulationHalves(modulation tensor.Tensor, b int) (gamma, beta []float32) {
	row := modulation.Row(min(b, modulation.B-1), 0)
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

// PeakNormalize subtracts the mean of each waveform of x [B, 1, N] and scales it to
// a peak of 0.8: the input of the discriminators (modules/discriminator.py,
// preprocess).
func (r *Run) PeakNormalize(x tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, 1, x.C)
	scale, peak, loudest := make([]float64, x.B), make([]float64, x.B), make([]int, x.B)
	for b := range x.B {
		wave, dst := x.Row(b, 0), y.Row(b, 0)
		mean := kernel.Sum(wave) / float64(x.C)
		var highest float32
		for t, v := range wave {
			v = float32(float64(v) - mean)
			dst[t] = v
			if v < 0 {
				v = -v
			}
			if v > highest {
				highest, loudest[b] = v, t
			}
		}
		peak[b] = float64(highest) + 1e-9
		scale[b] = 0.8 / peak[b]
		kernel.Scale(dst, dst, float32(scale[b]))
	}
	if r.Recording() && r.needsGrad(x) {
		r.retain(y)
		value := y
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(x.B, 1, x.C)
			for b := range x.B {
				// y = s·c with c = x - mean and s = 0.8/peak: dc = s·dy, and at the
				// loudest sample also -Σ dy·y/peak towards its sign.
				d, dst := dy.Row(b, 0), dx.Row(b, 0)
				towards := kernel.Dot(d, value.Row(b, 0)) / peak[b]
				if value.Row(b, 0)[loudest[b]] < 0 {
					towards = -towards
				}
				mean := (kernel.Sum(d)*scale[b] - towards) / float64(x.C)
				for t, v := range d {
					dst[t] = float32(float64(v)*scale[b] - mean)
				}
				dst[loudest[b]] -= float32(towards)
			}
			r.release(value)
			r.accumulateGrad(x, dx)
		})
	}
	return y
}
