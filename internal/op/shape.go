package op

import (
	"github.com/facodec-go/facodec/internal/tensor"
)

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

// SliceChannels returns channels from to to of x.
func (r *Run) SliceChannels(x tensor.Tensor, from, to int) tensor.Tensor {
	y := r.New(x.B, x.T, to-from)
	for b := range x.B {
		for t := range x.T {
			copy(y.Row(b, t), x.Row(b, t)[from:to])
		}
	}
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.Zeros(x.B, x.T, x.C)
			for b := range x.B {
				for t := range x.T {
					copy(dx.Row(b, t)[from:to], dy.Row(b, t))
				}
			}
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

// ReshapeByPeriod splits each of the waveforms x [B, 1, N] into period sequences,
// sample t going to sequence t mod period: the input of the period discriminators
// (HiFi-GAN, arXiv 2010.05646, section 2.3), as images [B, period, ceil(N/period), 1]. The
// end is padded by reflection, by a whole period where N is a multiple of it.
func (r *Run) ReshapeByPeriod(x tensor.Tensor, period int) Image {
	extended := Reflection{{0, period - x.C%period}}
	n := extended.length(x.C)
	y := r.newImage(x.B, period, n/period, 1, 0)
	waves := r.extended(x, extended)
	r.eachFrame(y, func(i int) {
		copyRows(y.bins(i, 0, y.Bins), 1, waves[i/period][i%period:], period, y.Bins, 1)
	})
	r.freeAll(waves)
	if r.Recording() && r.needsGrad(x) {
		shape := y
		r.record(&y.Tensor, func(dy tensor.Tensor) {
			d, dx := shape.with(dy), r.New(x.B, 1, x.C)
			waves := make([][]float32, x.B)
			for b := range waves {
				waves[b] = r.alloc(n)
			}
			r.pool.For(x.B, func(b int) {
				for i := range period {
					copyRows(waves[b][i:], period, d.bins(b*period+i, 0, d.Bins), 1, d.Bins, 1)
				}
				copy(dx.Row(b, 0), extended.adjoint(waves[b], x.C))
			})
			r.freeAll(waves)
			r.accumulateGrad(x, dx)
		})
	}
	return y
}
