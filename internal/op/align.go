package op

import (
	"fmt"

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
