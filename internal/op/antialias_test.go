package op

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

func randomAntiAlias(rng *rand.Rand, c int) *AntiAlias {
	f := &AntiAlias{Snake: Snake{Alpha: make([]float32, tensor.RoundUp(c)), Inv: make([]float32, tensor.RoundUp(c))}}
	for i := range f.Up {
		f.Up[i], f.Down[i] = rng.Float32()-0.3, rng.Float32()-0.4
	}
	for i := range c {
		f.Alpha[i], f.Inv[i] = 0.5+rng.Float32(), rng.Float32()
	}
	return f
}

// plainAntiAlias is the activation of one channel as the definition says it, in
// float64.
func plainAntiAlias(f *AntiAlias, x []float64, c int) []float64 {
	n := len(x)
	clamp := func(v []float64, i int) float64 { return v[min(max(i, 0), len(v)-1)] }
	y := make([]float64, 2*n)
	for i := range n {
		for k := range 6 {
			y[2*i] += 2 * float64(f.Up[11-2*k]) * clamp(x, i-3+k)
			y[2*i+1] += 2 * float64(f.Up[10-2*k]) * clamp(x, i-2+k)
		}
	}
	for i, v := range y {
		s := math.Sin(float64(f.Alpha[c]) * v)
		y[i] = v + s*s*float64(f.Inv[c])
	}
	out := make([]float64, n)
	for i := range out {
		for k, h := range f.Down {
			out[i] += float64(h) * clamp(y, 2*i+k-5)
		}
	}
	return out
}

// TestAntiAlias compares the activation with its definition, for lengths on both
// sides of a block and of its reach, and chunks and threads with the whole.
func TestAntiAlias(t *testing.T) {
	one, three := parallel.New(1), parallel.New(3)
	defer one.Close()
	defer three.Close()
	rng := rand.New(rand.NewPCG(1, 9))
	for _, c := range []int{1, 16, 70, 129} {
		f := randomAntiAlias(rng, c)
		for _, n := range []int{0, 1, 2, 3, 5, 6, 11, 127, 128, 129, 300} {
			x := tensor.New(1, n, c)
			for i := range n {
				for j := range c {
					x.Row(0, i)[j] = float32(rng.NormFloat64())
				}
			}
			r := NewRun(one)
			r.Last = true
			whole := r.AntiAlias(NewSlot(), f, x)
			if whole.T != n || whole.C != c {
				t.Fatalf("[%d, %d] gives [%d, %d]", n, c, whole.T, whole.C)
			}
			for _, j := range []int{0, c / 2, c - 1} {
				column := make([]float64, n)
				for i := range n {
					column[i] = float64(x.Row(0, i)[j])
				}
				if n == 0 {
					continue
				}
				for i, want := range plainAntiAlias(f, column, j) {
					if got := float64(whole.Row(0, i)[j]); math.Abs(got-want) > 2e-5*(1+math.Abs(want)) {
						t.Fatalf("%d rows, row %d, channel %d: %v, want %v", n, i, j, got, want)
					}
				}
			}
			for name, next := range map[string]func() int{
				"one": func() int { return 1 }, "seven": func() int { return 7 }, "random": func() int { return rng.IntN(40) },
			} {
				r, slot := NewRun(three), NewSlot()
				var rows [][]float32
				for from := 0; ; {
					to := min(n, from+next())
					r.Last = to == n && rng.IntN(2) == 0 // at times a last chunk of nothing
					y := r.AntiAlias(slot, f, x.Slice(from, to))
					for i := range y.T {
						rows = append(rows, slices.Clone(y.Row(0, i)))
					}
					r.Free(y)
					if from = to; r.Last {
						break
					}
				}
				if len(rows) != n {
					t.Fatalf("%d rows in chunks of %s: %d rows", n, name, len(rows))
				}
				for i, row := range rows {
					if !slices.Equal(row, whole.Row(0, i)) {
						t.Fatalf("%d rows of %d channels in chunks of %s: row %d differs", n, c, name, i)
					}
				}
			}
		}
	}
}
