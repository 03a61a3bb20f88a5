package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestLSTMCell(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 0; n <= 80; n += Width {
			gates := random(r, 4*n+3)
			for i := range gates {
				gates[i] *= 4
			}
			if n > 16 {
				gates[17], gates[64+3] = float32(math.Inf(1)), float32(math.NaN())
			}
			h, c := random(r, n+9), random(r, n+9)
			h2, c2 := append([]float32(nil), h...), append([]float32(nil), c...)
			LSTMCell(h[3:3+n], c[3:3+n], gates[:4*n])
			lstmCellGeneric(h2[3:3+n], c2[3:3+n], gates[:4*n])
			for i := range h {
				if !near(h[i], h2[i], 5e-7) || !near(c[i], c2[i], 5e-7) {
					t.Fatalf("%d units: unit %d is %v, %v, want %v, %v", n, i-3, h[i], c[i], h2[i], c2[i])
				}
			}
			same(t, "guards", append(h[:3:3], c[3+n:]...), append(h2[:3:3], c2[3+n:]...))
		}
	})
}
