package bench

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/nn"
)

func BenchmarkFrames(b *testing.B) {
	threads, _ := strconv.Atoi(os.Getenv("THREADS"))
	o := codec.Options{Threads: threads, Precision: nn.Precision(os.Getenv("PRECISION"))}
	for _, m := range []struct {
		name string
		open func() (*codec.Codec, error)
	}{
		{"full", func() (*codec.Codec, error) { return codec.OpenRandom(0, o) }},
		{"default", func() (*codec.Codec, error) {
			return codec.Open(codec.InMemory(defaultmodel.FileName, defaultmodel.Checkpoint()), o)
		}},
	} {
		b.Run(m.name, func(b *testing.B) {
			c, err := m.open()
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			for _, frames := range []int{1, 4} {
				b.Run(fmt.Sprint(frames), func(b *testing.B) {
					b.ReportAllocs()
					r := Frames(c, frames, float64(b.N*frames)/80)
					b.ReportMetric(r.RealTimeFactor, "rtf")
					b.ReportMetric(float64(r.Median.Microseconds())/1e3, "median-ms")
					b.ReportMetric(float64(r.P99.Microseconds())/1e3, "p99-ms")
				})
			}
		})
	}
}
