package op

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Align takes x, appends it to the rows held in slot, and returns the first n of
// them, those that correspond to the n rows that a parallel path with more delay
// has just emitted. The rest stays in slot. Without any delay it returns x itself.
func (r *Run) Align(slot Slot, x tensor.Tensor, n int) tensor.Tensor {
	m := r.state(slot)
	if m.n == 0 && n == x.T {
		return x
	}
	if x.B != 1 {
		panic("op: a stream of more than one sequence")
	}
	total := m.n + x.T
	if n > total {
		panic(fmt.Sprintf("op: %d rows to align of %d", n, total))
	}
	y := r.New(1, n, x.C)
	fromHeld := min(n, m.n)
	copy(y.Rows(0, 0, fromHeld), m.rows[:fromHeld*x.Stride])
	copy(y.Rows(0, fromHeld, n), x.Rows(0, 0, n-fromHeld))
	rest := (total - n) * x.Stride
	held := m.n - fromHeld
	m.grow(rest)
	copy(m.rows, m.rows[fromHeld*x.Stride:][:held*x.Stride])
	copy(m.rows[held*x.Stride:], x.Rows(0, n-fromHeld, x.T))
	m.n = total - n
	r.Free(x)
	return y
}

// Held returns the number of rows that Align holds in slot.
func (r *Run) Held(slot Slot) int { return r.state(slot).n }

// Add returns a + b.
func (r *Run) Add(a, b tensor.Tensor) tensor.Tensor {
	same(a, b)
	y := r.New(a.B, a.T, a.C)
	kernel.Add(y.Data, a.Data, b.Data)
	if r.Recording() && (r.needsGrad(a) || r.needsGrad(b)) {
		r.record(&y, func(dy tensor.Tensor) {
			r.accumulateGradCopy(a, dy)
			r.accumulateGradCopy(b, dy)
		})
	}
	return y
}

// Sub returns a - b.
func (r *Run) Sub(a, b tensor.Tensor) tensor.Tensor {
	same(a, b)
	y := r.New(a.B, a.T, a.C)
	kernel.Sub(y.Data, a.Data, b.Data)
	if r.Recording() && (r.needsGrad(a) || r.needsGrad(b)) {
		r.record(&y, func(dy tensor.Tensor) {
			r.accumulateGradCopy(a, dy)
			r.accumulateScaledGrad(b, dy, -1)
		})
	}
	return y
}

// accumulateScaledGrad adds s·dy to the gradient with respect to x.
func (r *Run) accumulateScaledGrad(x, dy tensor.Tensor, s float32) {
	if !r.needsGrad(x) {
		return
	}
	dx := r.New(dy.B, dy.T, dy.C)
	for i, v := range dy.Data {
		dx.Data[i] = s * v
	}
	r.accumulateGrad(x, dx)
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

// Scale returns x with each sequence b multiplied by factors[b].
func (r *Run) Scale(x tensor.Tensor, factors []float32) tensor.Tensor {
	scale := func(x tensor.Tensor) tensor.Tensor {
		y := r.New(x.B, x.T, x.C)
		for b, f := range factors {
			dst := y.Rows(b, 0, x.T)
			for i, v := range x.Rows(b, 0, x.T) {
				dst[i] = f * v
			}
		}
		return y
	}
	y := scale(x)
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) { r.accumulateGrad(x, scale(dy)) })
	}
	return y
}

func same(a, b tensor.Tensor) {
	if a.B != b.B || a.T != b.T || a.C != b.C {
		panic(fmt.Sprintf("op: [%d %d %d] beside [%d %d %d]", a.B, a.T, a.C, b.B, b.T, b.C))
	}
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

func (r *Run) halves(x tensor.Tensor, f func(dst, a, b []float32), gradient func(da, db, dy, a, b []float32)) tensor.Tensor {
	h := x.C / 2
	y := r.New(x.B, x.T, h)
	for b := range x.B {
		for t := range x.T {
			row := x.Row(b, t)
			f(y.Row(b, t), row[:h], row[h:])
		}
	}
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

// Zeros returns a tensor of zeros.
func (r *Run) Zeros(b, t, c int) tensor.Tensor {
	x := r.New(b, t, c)
	clear(x.Data)
	return x
}

// An EmbeddingTable holds the vectors of an embedding, one after the other.
type EmbeddingTable struct {
	Entries []float32
	// Grad, if not nil, accumulates the gradient with respect to the entries.
	Grad []float32
}

// AddEmbedding returns y [B, T, C], which it takes, plus the vectors of the table at
// codes [B][T].
func (r *Run) AddEmbedding(y tensor.Tensor, table EmbeddingTable, codes [][]int32) tensor.Tensor {
	z := r.New(y.B, y.T, y.C)
	for b := range y.B {
		for t, code := range codes[b] {
			kernel.Add(z.Row(b, t), y.Row(b, t), table.Entries[int(code)*y.C:])
		}
	}
	if r.Recording() && (r.needsGrad(y) || table.Grad != nil) {
		r.record(&z, func(dz tensor.Tensor) {
			for b := range dz.B {
				for t, code := range codes[b] {
					if table.Grad == nil {
						break
					}
					entry := table.Grad[int(code)*dz.C:][:dz.C]
					kernel.Add(entry, entry, dz.Row(b, t))
				}
			}
			r.accumulateGradCopy(y, dz)
		})
	}
	r.Free(y)
	return z
}

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
