package train

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/parallel"
)

// BenchmarkPrepare is what a run does before and beside its first epoch, on the folder
// FACODEC_SPEECH or that of the tests: it scans the files, learns the teachers, and labels
// every clip. FACODEC_THREADS sets its threads.
func BenchmarkPrepare(b *testing.B) {
	folder := os.Getenv("FACODEC_SPEECH")
	if folder == "" {
		folder = "../../testdata/speech"
	}
	threads := 0
	if os.Getenv("FACODEC_THREADS") == "1" {
		threads = 1
	}
	pool := parallel.New(threads)
	defer pool.Close()
	var stages [3]time.Duration
	var seconds float64
	for b.Loop() {
		c, err := config.Preset("tiny")
		if err != nil {
			b.Fatal(err)
		}
		c.Dataset, c.LogDir = folder, b.TempDir()
		o := RunOptions{
			Config: c, Threads: pool.Threads(), Ranks: collective.Alone{},
			Report: func(string, ...any) {}, Progress: func(Progress) {},
		}
		r := &run{RunOptions: o, dir: RunDir(c), pool: pool, faults: o.Report}
		start := time.Now()
		lap := func(stage int) {
			stages[stage] += time.Since(start)
			start = time.Now()
		}
		if err := r.scan(b.Context()); err != nil {
			b.Fatal(err)
		}
		lap(0)
		l, err := r.newLabeler(b.Context(), nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		lap(1)
		for _, err := range r.set.Pass(context.Background(), r.set.Train, pool.Threads(), l.label) {
			if err != nil {
				b.Fatal(err)
			}
		}
		lap(2)
		seconds = r.set.Stats.Seconds
	}
	for i, name := range []string{"scan-s", "learn-s", "label-s"} {
		b.ReportMetric(stages[i].Seconds()/float64(b.N), name)
	}
	b.ReportMetric(seconds*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}
