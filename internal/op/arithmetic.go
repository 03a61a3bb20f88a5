package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Add returns a + b.
func (r *Run) Add(a, b tensor.Tensor) tensor.Tensor {
	same(a, b)
	y := r.New(a.B, a.T, a.C)
	r.eachRows(a.B*a.T, max(1, grainValues/a.Stride), rowsTask{f: addRows, y: y, a: a, b: b})
	if r.Recording() && (r.needsGrad(a) || r.needsGrad(b)) {
		r.record(&y, func(dy tensor.Tensor) {
			r.accumulateGradCopy(a, dy)
			r.accumulateGrad(b, r.takeGrad(dy))
		})
	}
	return y
}

// Sub returns a - b.
func (r *Run) Sub(a, b tensor.Tensor) tensor.Tensor {
	same(a, b)
	y := r.New(a.B, a.T, a.C)
	r.eachRows(a.B*a.T, max(1, grainValues/a.Stride), rowsTask{f: subRows, y: y, a: a, b: b})
	if r.Recording() && (r.needsGrad(a) || r.needsGrad(b)) {
		r.record(&y, func(dy tensor.Tensor) {
			r.accumulateGradCopy(a, dy)
			r.accumulateScaledGrad(b, dy, -1)
		})
	}
	return y
}

// Scale returns x with each sequence b multiplied by factors[b].
func (r *Run) Scale(x tensor.Tensor, factors []float32) tensor.Tensor {
	scale := func(x tensor.Tensor) tensor.Tensor {
		y := r.New(x.B, x.T, x.C)
		for b, f := range factors {
			kernel.Scale(y.Rows(b, 0, x.T), x.Rows(b, 0, x.T), f)
		}
		return y
	}
	y := scale(x)
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) { r.accumulateGrad(x, scale(dy)) })
	}
	return y
}

// ScaleGradient returns x and multiplies the gradient of each sequence b by factors[b] in the
// backward pass.
func (r *Run) ScaleGradient(x tensor.Tensor, factors []float32) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	copy(y.Data, x.Data)
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(x.B, x.T, x.C)
			for b, f := range factors {
				kernel.Scale(dx.Rows(b, 0, x.T), dy.Rows(b, 0, x.T), f)
			}
			r.accumulateGrad(x, dx)
		})
	}
	return y
}

// AddHalves adds the first half of y's channels to a and the second to b, each
// row by row.
func (r *Run) AddHalves(a, b, y tensor.Tensor) (tensor.Tensor, tensor.Tensor) {
	if r.Recording() {
		first, second := r.SliceChannels(y, 0, a.C), r.SliceChannels(y, a.C, y.C)
		defer r.Free(first, second)
		return r.Add(a, first), r.Add(b, second)
	}
	p, q := r.New(a.B, a.T, a.C), r.New(b.B, b.T, b.C)
	for i := range y.B {
		for t := range y.T {
			row := y.Row(i, t)
			kernel.Add(p.Row(i, t), a.Row(i, t), row[:a.C])
			kernel.Add(q.Row(i, t), b.Row(i, t), row[a.C:])
		}
	}
	return p, q
}

// ReverseGradient returns x and multiplies its gradient by -scale in the backward
// pass: the gradient reversal layer of adversarial training (Ganin et al., arXiv
// 1505.07818).
func (r *Run) ReverseGradient(x tensor.Tensor, scale float32) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	copy(y.Data, x.Data)
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) { r.accumulateScaledGrad(x, dy, -scale) })
	}
	return y
}

// accumulateScaledGrad adds s·dy to the gradient with respect to x.
func (r *Run) accumulateScaledGrad(x, dy tensor.Tensor, s float32) {
	if !r.needsGrad(x) {
		return
	}
	dx := r.New(dy.B, dy.T, dy.C)
	kernel.Scale(dx.Data, dy.Data, s)
	r.accumulateGrad(x, dx)
}
