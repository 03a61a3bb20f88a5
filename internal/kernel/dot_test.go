package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDot(t *testing.T) {
	inf := float32(math.Inf(1))
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 200 {
			a, b := random(r, n+3)[3:], random(r, n+1)[1:]
			got := Dot(a, b)
			var want, size float64
			for i, v := range a {
				want += float64(v) * float64(b[i])
				size += math.Abs(float64(v) * float64(b[i]))
			}
			if math.Abs(got-want) > 1e-14*size {
				t.Fatalf("%d values: %v, want %v", n, got, want)
			}
			if again := Dot(slices.Clone(a), slices.Clone(b)); again != got {
				t.Fatalf("%d values elsewhere: %v, not %v", n, again, got)
			}
			var sums, generic [dotSums]float64
			whole := n / dotSums * dotSums
			dot(&sums, a[:whole], b[:whole])
			dotGeneric(&generic, a[:whole], b[:whole])
			if sums != generic {
				t.Fatalf("%d values: sums %v, in plain Go %v", n, sums, generic)
			}
			if s := SumSquares(a); s != Dot(a, a) || s < 0 {
				t.Fatalf("%d values: sum of squares %v", n, s)
			}
			if n == 0 {
				continue
			}
			i := r.IntN(n)
			a[i] = inf
			if v := SumSquares(a); !math.IsInf(v, 1) {
				t.Fatalf("%d values, one infinite: %v", n, v)
			}
			a[i] = float32(math.NaN())
			if v := Dot(a, b); !math.IsNaN(v) {
				t.Fatalf("%d values, one NaN: %v", n, v)
			}
		}
	})
}
