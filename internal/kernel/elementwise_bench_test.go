package kernel

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkElementwise runs the vector functions on rows that fit the first-level
// cache.
func BenchmarkElementwise(b *testing.B) {
	const n = 768
	r := rand.New(rand.NewPCG(1, 1))
	in := [][]float32{random(r, n), random(r, n), random(r, n)}
	dst := make([]float32, n)
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			// Many at a time, as the clock is not that fine.
			best := fastest(b, func() {
				for range 100 {
					f()
				}
			})
			b.ReportMetric(100*n/best/1e9, "Gvalue/s")
		})
	}
	for _, v := range elementwiseCases {
		run(v.name, func() { v.run(dst, in) })
	}
	gates := random(r, 4*n)
	run("LSTMCell", func() { LSTMCell(dst, in[0], gates) })
	run("Softmax", func() {
		copy(dst, in[0])
		Softmax(dst)
	})
}
