package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// LeakyReLU returns x where it is positive and slope·x elsewhere. It takes x. The
// sign of the result is that of x, so the backward pass needs no more.
func (r *Run) LeakyReLU(x tensor.Tensor, slope float32) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	r.pool.Split(len(y.Data), grainValues, func(from, to int) {
		kernel.LeakyReLU(y.Data[from:to], x.Data[from:to], slope)
	})
	r.Free(x)
	if r.Recording() && r.needsGrad(x) {
		r.retain(y)
		value := y
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(x.B, x.T, x.C)
			r.pool.Split(len(dx.Data), grainValues, func(from, to int) {
				kernel.LeakyReLUGrad(dx.Data[from:to], dy.Data[from:to], value.Data[from:to], slope)
			})
			r.release(value)
			r.accumulateGrad(x, dx)
		})
	}
	return y
}

// SliceTime returns rows from to to of every sequence.
func (r *Run) SliceTime(x tensor.Tensor, from, to int) tensor.Tensor {
	y := r.New(x.B, to-from, x.C)
	for b := range x.B {
		copy(y.Rows(b, 0, y.T), x.Rows(b, from, to))
	}
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.Zeros(x.B, x.T, x.C)
			for b := range x.B {
				copy(dx.Rows(b, from, to), dy.Rows(b, 0, dy.T))
			}
			r.accumulateGrad(x, dx)
		})
	}
	return y
}

// SliceBatch returns sequences from to to of x.
func (r *Run) SliceBatch(x tensor.Tensor, from, to int) tensor.Tensor {
	y := r.New(to-from, x.T, x.C)
	copy(y.Data, x.Data[from*x.T*x.Stride:to*x.T*x.Stride])
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.Zeros(x.B, x.T, x.C)
			copy(dx.Data[from*x.T*x.Stride:], dy.Data)
			r.accumulateGrad(x, dx)
		})
	}
	return y
}

// ConcatTime concatenates the tensors over time, sequence by sequence.
func (r *Run) ConcatTime(xs ...tensor.Tensor) tensor.Tensor {
	rows, wanted := 0, false
	for _, x := range xs {
		rows += x.T
		wanted = wanted || r.needsGrad(x)
	}
	y := r.New(xs[0].B, rows, xs[0].C)
	each := func(f func(x tensor.Tensor, at int)) {
		at := 0
		for _, x := range xs {
			f(x, at)
			at += x.T
		}
	}
	each(func(x tensor.Tensor, at int) {
		for b := range x.B {
			copy(y.Rows(b, at, at+x.T), x.Rows(b, 0, x.T))
		}
	})
	if r.Recording() && wanted {
		r.record(&y, func(dy tensor.Tensor) {
			each(func(x tensor.Tensor, at int) {
				dx := r.New(x.B, x.T, x.C)
				for b := range x.B {
					copy(dx.Rows(b, 0, x.T), dy.Rows(b, at, at+x.T))
				}
				r.accumulateGrad(x, dx)
			})
		})
	}
	return y
}

// ConcatBatch concatenates the tensors over the batch.
func (r *Run) ConcatBatch(xs ...tensor.Tensor) tensor.Tensor {
	b, wanted := 0, false
	for _, x := range xs {
		b += x.B
		wanted = wanted || r.needsGrad(x)
	}
	y := r.New(b, xs[0].T, xs[0].C)
	at := 0
	for _, x := range xs {
		copy(y.Data[at:], x.Data)
		at += len(x.Data)
	}
	if r.Recording() && wanted {
		r.record(&y, func(dy tensor.Tensor) {
			at := 0
			for _, x := range xs {
				dx := r.New(x.B, x.T, x.C)
				copy(dx.Data, dy.Data[at:])
				at += len(x.Data)
				r.accumulateGrad(x, dx)
			}
		})
	}
	return y
}

// ReshapeByPeriod splits each of the waveforms x [B, N, 1] into period sequences,
// sample t going to sequence t mod period: [B·period, ceil(N/period), 1], the
// input of the period discriminators (HiFi-GAN, arXiv 2010.05646, section 2.3). The
// end is padded by reflection, by a whole period where N is a multiple of it.
func (r *Run) ReshapeByPeriod(x tensor.Tensor, period int) tensor.Tensor {
	index := reflected(x.T, 0, period-x.T%period)
	y := r.New(x.B*period, len(index)/period, 1)
	for b := range x.B {
		for i, from := range index {
			y.Row(b*period+i%period, i/period)[0] = x.Row(b, int(from))[0]
		}
	}
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.Zeros(x.B, x.T, 1)
			for b := range x.B {
				for i, from := range index {
					dx.Row(b, int(from))[0] += dy.Row(b*period+i%period, i/period)[0]
				}
			}
			r.accumulateGrad(x, dx)
		})
	}
	return y
}

// PeakNormalize subtracts the mean of each waveform of x [B, N, 1] and scales it to
// a peak of 0.8: the input of the discriminators (modules/discriminator.py,
// preprocess).
func (r *Run) PeakNormalize(x tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, x.T, 1)
	scale, peak, loudest := make([]float64, x.B), make([]float64, x.B), make([]int, x.B)
	for b := range x.B {
		mean := Mean(x.Sample(b))[0][0]
		for t := range x.T {
			v := float32(float64(x.Row(b, t)[0]) - mean)
			y.Row(b, t)[0] = v
			if v < 0 {
				v = -v
			}
			if float64(v) > peak[b] {
				peak[b], loudest[b] = float64(v), t
			}
		}
		peak[b] += 1e-9
		scale[b] = 0.8 / peak[b]
		for t := range x.T {
			y.Row(b, t)[0] *= float32(scale[b])
		}
	}
	if r.Recording() && r.needsGrad(x) {
		r.retain(y)
		value := y
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(x.B, x.T, 1)
			for b := range x.B {
				// y = s·c with c = x - mean and s = 0.8/peak: dc = s·dy, and at the loudest
				// sample also -Σ dy·y/peak towards its sign.
				var sum, dot float64
				for t := range x.T {
					d := float64(dy.Row(b, t)[0])
					dot += d * float64(value.Row(b, t)[0])
					sum += d * scale[b]
				}
				towards := dot / peak[b]
				if value.Row(b, loudest[b])[0] < 0 {
					towards = -towards
				}
				mean := (sum - towards) / float64(x.T)
				for t := range x.T {
					dx.Row(b, t)[0] = float32(float64(dy.Row(b, t)[0])*scale[b] - mean)
				}
				dx.Row(b, loudest[b])[0] -= float32(towards)
			}
			r.release(value)
			r.accumulateGrad(x, dx)
		})
	}
	return y
}

// A Resampling computes each row of its result from a few rows of its input.
type Resampling struct {
	In, Out int
	Rows    [][]Tap // of each row of the result
}

// A Tap is a row and its weight.
type Tap struct {
	Row    int
	Weight float32
}

// Resample applies m to each sequence of x.
func (r *Run) Resample(m *Resampling, x tensor.Tensor) tensor.Tensor {
	y := r.Zeros(x.B, m.Out, x.C)
	width := tensor.RoundUp(x.C)
	// The gradient has several terms for a row of x, so threads share the channels.
	each := func(f func(b, from, to int)) {
		for b := range x.B {
			r.pool.Split(width/tensor.Lane, max(1, grainValues/(16*x.T)), func(from, to int) {
				f(b, from*tensor.Lane, to*tensor.Lane)
			})
		}
	}
	each(func(b, from, to int) {
		for t, terms := range m.Rows {
			for _, term := range terms {
				kernel.AddScaled(y.Rows(b, t, t+1)[from:to], x.Rows(b, term.Row, term.Row+1)[from:to], term.Weight)
			}
		}
	})
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.Zeros(x.B, x.T, x.C)
			each(func(b, from, to int) {
				for t, terms := range m.Rows {
					for _, term := range terms {
						kernel.AddScaled(dx.Rows(b, term.Row, term.Row+1)[from:to], dy.Rows(b, t, t+1)[from:to], term.Weight)
					}
				}
			})
			r.accumulateGrad(x, dx)
		})
	}
	return y
}
