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
	r.eachRows(x.B*x.T, max(1, grainValues/(4*x.Stride)), rowsTask{f: adaptiveLayerNormRows, y: y, a: x, b: modulation})
	if r.Recording() && (r.needsGrad(x) || r.needsGrad(modulation)) {
		r.retain(x, modulation)
		r.record(&y, func(dy tensor.Tensor) {
			dx, dmodulation := r.New(x.B, x.T, x.C), r.Zeros(modulation.B, 1, modulation.C)
			// A thread sums the gradients of one modulation.
			r.pool.For(modulation.B, func(i int) {
				for b := i; b < x.B; b += modulation.B {
					gamma, _ := modulationHalves(modulation, b)
					dgamma, dbeta := modulationHalves(dmodulation, b)
					for t := range x.T {
						adaptiveLayerNormGrad(dx.Row(b, t), dgamma, dbeta, dy.Row(b, t), x.Row(b, t), gamma)
					}
				}
			})
			r.release(x, modulation)
			r.accumulateGrad(x, dx)
			r.accumulateGrad(modulation, dmodulation)
		})
	}
	return y
}

func adaptiveLayerNormRows(t *rowsTask, from, to int) {
	for i := from; i < to; i++ {
		gamma, beta := modulationHalves(t.b, i/t.a.T)
		normalizeRow(row(t.y, i), row(t.a, i), gamma, beta)
	}
}

func modulationHalves(modulation tensor.Tensor, b int) (gamma, beta []float32) {
	row := modulation.Row(min(b, modulation.B-1), 0)
	return row[:len(row)/2], row[len(row)/2:]
}

// adaptiveLayerNormGrad writes dx for one row and adds to dgamma and dbeta. With
// n = (x-mean)·inv and d = dy·gamma, dx = inv·(d - mean(d) - n·mean(d·n)).
func adaptiveLayerNormGrad(dx, dgamma, dbeta, dy, x, gamma []float32) {
	mean, inv := moments(x)
	c := len(x)
	own := newScratch(2 * c)
	defer own.free()
	n, product := own.take(c), own.take(c)
	normalizeBy(n, x, mean, inv)
	kernel.Mul(product, dy, n)
	kernel.Add(dgamma, dgamma, product[:len(dgamma)])
	kernel.Add(dbeta, dbeta, dy)
	kernel.Mul(dx, dy, gamma)
	m, mn := kernel.Sum(dx)/float64(c), kernel.Dot(dx, n)/float64(c)
	kernel.AddScaled(dx, n, float32(-mn))
	addConstant(dx, float32(-m))
	kernel.Scale(dx, dx, inv)
}

// moments returns the mean of row and the inverse of its standard deviation. Sums of float64
// hold the squares of float32 exactly, so that the variance may be a difference.
func moments(row []float32) (mean, inv float32) {
	n := float64(len(row))
	m := kernel.Sum(row) / n
	variance := max(0, kernel.SumSquares(row)/n-m*m)
	return float32(m), float32(1 / math.Sqrt(variance+NormEpsilon))
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
