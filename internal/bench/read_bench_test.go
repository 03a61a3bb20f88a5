package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// BenchmarkRead reads memory as a frame of a stream does its weights: all of it, front to back,
// as one product of one row. It bounds how fast single frames can be. The sizes are those of the
// standard codec's weights at 8, 16 and 32 bits.
func BenchmarkRead(b *testing.B) {
	const k = 1536
	for _, threads := range []int{1, 2} {
		for _, mb := range []int{138, 276, 552} {
			b.Run(fmt.Sprintf("%d threads/%d MB", threads, mb), func(b *testing.B) {
				pool := parallel.New(threads)
				defer pool.Close()
				var region tensor.Region
				defer region.Free()
				n := mb << 20 / 4 / k / (4 * kernel.Width) * (4 * kernel.Width)
				w := kernel.NewPanels(region.Alloc(kernel.PanelsLen(1, k, n)), 1, k, n)
				for i := range w.Data {
					w.Data[i] = float32(i%7) / 8
				}
				p := kernel.Product{Dst: make([]float32, n), LdDst: n, A: make([]float32, k), LdA: k, W: w}
				groups := w.Count() / 4
				best := time.Duration(1<<63 - 1)
				for b.Loop() {
					start := time.Now()
					pool.For(groups, func(i int) { p.Run(0, 1, 4*i, 4*i+4) })
					best = min(best, time.Since(start))
				}
				b.ReportMetric(4*float64(len(w.Data))/best.Seconds()/1e9, "GB/s")
			})
		}
	}
}
