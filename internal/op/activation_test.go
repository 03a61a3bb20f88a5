package op

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSnakeRows: rows computed together are those computed one by one, to the bit.
func TestSnakeRows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	for _, width := range []int{16, 48, 96, 128, 144, 272} {
		s := &Snake{Alpha: random(width), Inv: random(width)}
		for _, rows := range []int{1, 2, 31, 32, 33, 100} {
			x := random(rows * width)
			got, want := make([]float32, len(x)), make([]float32, len(x))
			s.ApplyRows(got, x, width)
			for at := 0; at < len(x); at += width {
				s.Apply(want[at:at+width], x[at:at+width])
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d rows of %d channels differ", rows, width)
			}
		}
	}
}

func BenchmarkSnakeRows(b *testing.B) {
	const width = 16
	s := &Snake{Alpha: make([]float32, width), Inv: make([]float32, width)}
	x := make([]float32, 1000*width)
	b.Run("together", func(b *testing.B) {
		for b.Loop() {
			s.ApplyRows(x, x, width)
		}
	})
	b.Run("each", func(b *testing.B) {
		for b.Loop() {
			for at := 0; at < len(x); at += width {
				s.Apply(x[at:at+width], x[at:at+width])
			}
		}
	})
}
