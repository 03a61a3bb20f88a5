package bench

import (
	"time"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/parallel"
)

// PeakGFLOPS measures the rate of float32 products whose numbers stay in the caches, on
// all threads of a pool at once: what every other rate may be compared with. Products of
// bfloat16 may be faster.
func PeakGFLOPS(pool *parallel.Pool) float64 {
	const rows, taps, channels = 480, 7, 96
	threads := pool.Threads()
	products := make([]kernel.Product, threads)
	for i := range products {
		products[i] = kernel.Product{
			Dst: make([]float32, rows*channels), LdDst: channels,
			A: make([]float32, (rows+taps)*channels), LdA: channels, LdTap: channels,
			W: kernel.NewPanels(nil, taps, channels, channels),
		}
	}
	const runs, times = 20, 10
	best := time.Duration(1<<63 - 1)
	for range runs {
		start := time.Now()
		pool.For(threads, func(i int) {
			for range times {
				products[i].Run(0, rows, 0, products[i].W.Count())
			}
		})
		best = min(best, time.Since(start))
	}
	return 2 * float64(threads*times*rows*taps*channels*channels) / best.Seconds() / 1e9
}
