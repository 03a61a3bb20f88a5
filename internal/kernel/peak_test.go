package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestPeak(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 40 {
		x := random(r, n)
		var want float32
		for _, v := range x {
			want = max(want, v, -v)
		}
		if got := Peak(x); got != want {
			t.Errorf("%d values: %v, want %v", n, got, want)
		}
		for i := range x {
			x[i] = -100
			if got := Peak(x); got != 100 {
				t.Errorf("%d values, value %d the largest: %v", n, i, got)
			}
			x[i] = 0
		}
	}
	if got := Peak([]float32{1, float32(math.NaN()), float32(math.Inf(1))}); got == got {
		t.Errorf("%v of what is no number", got)
	}
}
