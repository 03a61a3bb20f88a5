package kernel

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// BenchmarkTraining runs the gradient of Snake on rows of a decoder's last stages,
// and what the optimizer needs on parameters within and beyond the caches.
func BenchmarkTraining(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, c := range []int{48, 96, 768} {
		b.Run("SnakeGradRows/"+strconv.Itoa(c), func(b *testing.B) {
			rows := 1 << 14 / c
			x, dy, dx := random(r, rows*c), random(r, rows*c), make([]float32, rows*c)
			alpha, inv, a, d := random(r, c), random(r, c), random(r, c), random(r, c)
			best := fastest(b, func() { SnakeGradRows(dx, dy, x, c, rows, c, alpha, inv, a, d) })
			b.ReportMetric(float64(rows*c)/best/1e9, "Gvalue/s")
		})
	}
	for _, n := range []int{1 << 13, 1 << 24} {
		p, g, m, v := random(r, n), random(r, n), random(r, n), random(r, n)
		Mul(v, v, v)
		step := NewAdamWStep(1e-4, 0.8, 0.99, 1e-9, 0.01, 1, 1)
		b.Run("AdamW/"+strconv.Itoa(n), func(b *testing.B) {
			best := fastest(b, func() { AdamW(p, g, m, v, step) })
			b.ReportMetric(float64(n)/best/1e9, "Gvalue/s")
		})
		b.Run("SumSquares/"+strconv.Itoa(n), func(b *testing.B) {
			best := fastest(b, func() { SumSquares(g) })
			b.ReportMetric(float64(n)/best/1e9, "Gvalue/s")
		})
	}
}
