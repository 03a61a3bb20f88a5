package ns3

import (
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
)

// BenchmarkCodec reports seconds of speech for each second of one thread, multiply-adds
// of products in a second, and memory: version 1's encoder and decoder.
func BenchmarkCodec(b *testing.B) {
	pool := parallel.New(1)
	defer pool.Close()
	codec := loadRandom(b, Published(false), 0, pool)
	const seconds = 4
	wave := speechlike(seconds * SampleRate)
	encoder := codec.NewAnalysisStream(pool)
	codes := encoder.Push(wave, true)
	decoder := codec.NewDecoderStream(encoder.Timbre(), pool)
	p := op.NewProfiler()
	encoder.Profile(p)
	decoder.Profile(p)
	for b.Loop() {
		encoder.Reset()
		encoder.Push(wave, true)
		decoder.Reset()
		decoder.Push(codes, true)
	}
	var macs int64
	for _, s := range p.Sections {
		macs += s.MACs
		b.Logf("%s: %.2f GMAC a second of speech, %v", s.Name, float64(s.MACs)/1e9/seconds/float64(b.N), s.Elapsed/time.Duration(b.N))
	}
	elapsed := b.Elapsed().Seconds()
	b.ReportMetric(float64(macs)/1e9/elapsed, "GMAC/s")
	b.ReportMetric(seconds/elapsed*float64(b.N), "xrealtime")
	b.ReportMetric(float64(encoder.run.Memory()+encoder.timbre.run.Memory()+decoder.run.Memory())/1e6, "MB")
}
