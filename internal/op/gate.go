package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Gate returns tanh of the first half of x's channels times the sigmoid of the
// second half (WaveNet's gate; modules/commons.py,
// fused_add_tanh_sigmoid_multiply).
func (r *Run) Gate(x tensor.Tensor) tensor.Tensor {
	return r.halves(x, kernel.Gate, func(da, db, dy, a, b []float32) {
		kernel.Tanh(da, a)
		kernel.Sigmoid(db, b)
		for i, d := range dy {
			t, s := da[i], db[i]
			da[i] = d * s * (1 - t*t)
			db[i] = d * t * s * (1 - s)
		}
	})
}

// GLU returns the first half of x's channels times the sigmoid of the second.
func (r *Run) GLU(x tensor.Tensor) tensor.Tensor {
	return r.halves(x, kernel.GLU, func(da, db, dy, a, b []float32) {
		kernel.Sigmoid(db, b)
		for i, d := range dy {
			s := db[i]
			da[i] = d * s
			db[i] = d * a[i] * s * (1 - s)
		}
	})
}

func halvesRows(t *rowsTask, from, to int) {
	h := t.y.C
	for i := from; i < to; i++ {
		x := row(t.a, i)
		t.halves(row(t.y, i), x[:h], x[h:])
	}
}

func (r *Run) halves(x tensor.Tensor, f func(dst, a, b []float32), gradient func(da, db, dy, a, b []float32)) tensor.Tensor {
	h := x.C / 2
	y := r.New(x.B, x.T, h)
	r.eachRows(x.B*x.T, max(1, grainValues/(4*x.Stride)), rowsTask{f: halvesRows, halves: f, y: y, a: x})
	if r.Recording() && r.needsGrad(x) {
		r.retain(x)
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(x.B, x.T, x.C)
			r.pool.Split(x.B*x.T, max(1, grainValues/(8*x.Stride)), func(from, to int) {
				for i := from; i < to; i++ {
					row, d := x.Row(i/x.T, i%x.T), dx.Row(i/x.T, i%x.T)
					gradient(d[:h], d[h:], dy.Row(i/x.T, i%x.T), row[:h], row[h:])
				}
			})
			r.release(x)
			r.accumulateGrad(x, dx)
		})
	}
	return y
}
