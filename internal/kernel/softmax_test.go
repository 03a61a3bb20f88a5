package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSoftmax(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 68 {
			for trial := range 6 {
				x := random(r, n+7)
				for i := range x {
					x[i] *= 10
				}
				in := x[3 : 3+n]
				if n > 0 {
					switch i := r.IntN(n); trial {
					case 1:
						in[i] = -inf
					case 2:
						in[i] = nan
					case 3:
						in[i] = inf
					case 4:
						for i := range in {
							in[i] = -inf
						}
					case 5:
						in[i] = 1e30
					}
				}
				want := append([]float32(nil), x...)
				Softmax(in)
				softmaxGeneric(want[3 : 3+n])
				for i := range x {
					if !near(x[i], want[i], 5e-7) {
						t.Fatalf("%d values, trial %d: element %d is %v, want %v", n, trial, i-3, x[i], want[i])
					}
				}
				same(t, "guards", append(x[:3:3], x[3+n:]...), append(want[:3:3], want[3+n:]...))
			}
		}
	})
}

// TestSoftmaxOfMaskedEnd is what lets a caller mask the end of a row instead of
// shortening it.
func TestSoftmaxOfMaskedEnd(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 1; n < 70; n++ {
			x := random(r, n)
			y := append([]float32(nil), x...)
			for range r.IntN(40) {
				y = append(y, float32(math.Inf(-1)))
			}
			Softmax(x)
			Softmax(y)
			same(t, "with a masked end", y[:n], x)
		}
	})
}

// TestMax: of any length and wherever it is, the largest value is found.
func TestMax(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for n := range 70 {
			x := random(r, n+3)[3:]
			for at := range n + 1 {
				if at < n {
					x[at] = []float32{100, float32(math.Inf(1))}[r.IntN(2)]
				}
				if got, want := maximum(x), maximumGeneric(x); got != want || Max(x) != want {
					t.Fatalf("%d values: %v, want %v", n, got, want)
				}
				if at < n {
					x[at] = float32(math.Inf(-1))
				}
			}
		}
	})
}
