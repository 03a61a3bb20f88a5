package train

import (
	"fmt"
	"os"
	"testing"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
)

// BenchmarkStepOnRanks is a step of preset base with discriminators on two ranks of one
// thread, each with one piece of two utterances of a second, over links of several rates.
// Without overlap, gradients are summed when the backward pass is over. FACODEC_PRESET is
// another preset.
func BenchmarkStepOnRanks(b *testing.B) {
	preset := "base"
	if name := os.Getenv("FACODEC_PRESET"); name != "" {
		preset = name
	}
	c, err := config.Preset(preset)
	if err != nil {
		b.Fatal(err)
	}
	c.Train.DiscriminatorStart, c.Model.SpeakerClasses = 0, 8
	c.Loss.F0, c.Loss.UV, c.Loss.Content, c.Loss.Speaker, c.Loss.Conversion = 0, 0, 0, 0, 0
	networks := CodecTrainingConfigOf(c)
	us := utterances(b, "en", "fr", "it", "ru")
	batch := batchOf(b, networks, us, c.MaxLen)
	const size = 2
	for _, rate := range []float64{0, 1e9, 1e8} {
		for _, afterwards := range []bool{true, false} {
			name := fmt.Sprintf("%g_MB_s", rate/1e6)
			if rate == 0 {
				name = "any_rate"
			}
			b.Run(name+map[bool]string{true: "/afterwards", false: "/overlap"}[afterwards], func(b *testing.B) {
				world, ranks := collective.NewWorld(size)
				world.Rate = rate
				trainers := make([]*CodecTrainer, size)
				for i, comm := range ranks {
					o := CodecOptionsOf(c)
					o.Ranks = comm
					trainers[i] = newCodecTrainer(b, networks, o, 1)
					trainers[i].sumAfterwards = afterwards
				}
				step := func() {
					errs := make(chan error, size)
					for i, t := range trainers {
						go func() {
							_, err := t.Step(pieceOf(batch, i*2, i*2+2))
							errs <- err
						}()
					}
					for range trainers {
						if err := <-errs; err != nil {
							b.Fatal(err)
						}
					}
				}
				step() // allocates, and fits weights to the data
				trainers[0].Traffic = GradientTraffic{}
				n := 0
				for b.Loop() {
					step()
					n++
				}
				t := trainers[0].Traffic
				b.ReportMetric(t.Busy.Seconds()/float64(n), "busy-s/op")
				b.ReportMetric(t.Waited.Seconds()/float64(n), "waited-s/op")
				b.ReportMetric(float64(t.Bytes)/1e6/float64(n), "MB/op")
			})
		}
	}
}
