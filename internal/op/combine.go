package op

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Align takes x, adds it to the rows held in slot, and returns the first n rows
// of both: what stands beside the n rows that a parallel path has emitted so
// far. The rest waits. In a path that lags behind nothing x itself is returned.
func (r *Run) Align(slot Slot, x tensor.Tensor, n int) tensor.Tensor {
	m := r.memory(slot)
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
func (r *Run) Held(slot Slot) int { return r.memory(slot).n }

// Add returns a + b.
func (r *Run) Add(a, b tensor.Tensor) tensor.Tensor {
	same(a, b)
	y := r.New(a.B, a.T, a.C)
	kernel.Add(y.Data, a.Data, b.Data)
	return y
}

// Sub returns a - b.
func (r *Run) Sub(a, b tensor.Tensor) tensor.Tensor {
	same(a, b)
	y := r.New(a.B, a.T, a.C)
	for i, v := range a.Data[:len(y.Data)] {
		y.Data[i] = v - b.Data[i]
	}
	return y
}

func same(a, b tensor.Tensor) {
	if a.B != b.B || a.T != b.T || a.C != b.C {
		panic(fmt.Sprintf("op: [%d %d %d] beside [%d %d %d]", a.B, a.T, a.C, b.B, b.T, b.C))
	}
}

// Channels returns channels from to to of x.
func (r *Run) Channels(x tensor.Tensor, from, to int) tensor.Tensor {
	y := r.New(x.B, x.T, to-from)
	for b := range x.B {
		for t := range x.T {
			copy(y.Row(b, t), x.Row(b, t)[from:to])
		}
	}
	return y
}

// Gate returns tanh of the first half of x's channels times the sigmoid of the
// second half (WaveNet's gate; modules/commons.py,
// fused_add_tanh_sigmoid_multiply).
func (r *Run) Gate(x tensor.Tensor) tensor.Tensor {
	return r.halves(x, kernel.Gate)
}

// GLU returns the first half of x's channels times the sigmoid of the second.
func (r *Run) GLU(x tensor.Tensor) tensor.Tensor {
	return r.halves(x, kernel.GLU)
}

func (r *Run) halves(x tensor.Tensor, f func(dst, a, b []float32)) tensor.Tensor {
	h := x.C / 2
	y := r.New(x.B, x.T, h)
	for b := range x.B {
		for t := range x.T {
			row := x.Row(b, t)
			f(y.Row(b, t), row[:h], row[h:])
		}
	}
	return y
}

// AddHalves adds the first half of y's channels to a and the second to b, each
// row by row.
func (r *Run) AddHalves(a, b, y tensor.Tensor) (tensor.Tensor, tensor.Tensor) {
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

// Lookup adds to y, row by row, the row of table [entries][y.C] that codes
// names.
func (r *Run) Lookup(y tensor.Tensor, table []float32, codes []int32) {
	for t, code := range codes {
		row := y.Row(0, t)
		kernel.Add(row, row, table[int(code)*y.C:])
	}
}
