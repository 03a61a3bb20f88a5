package train

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
)

// BenchmarkStepOnRanks is a step of preset base with discriminators on two ranks of one
// thread, each with one piece of two utterances of a second, over links of several rates:
// in turn with gradients that are summed beside the backward pass, and after it. The
// metrics are medians, of rank 0; FACODEC_PRESET is another preset.
func BenchmarkStepOnRanks(b *testing.B) {
	preset := "base"
	if name := os.Getenv("FACODEC_PRESET"); name != "" {
		preset = name
	}
	c, err := config.Preset(preset)
	if err != nil {
		b.Fatal(err)
	}
	c.Train.DiscriminatorStart, c.Model.SpeakerClasses, c.EMA.Decay = 0, 8, 0
	c.Loss.F0, c.Loss.UV, c.Loss.Content, c.Loss.Speaker, c.Loss.Conversion = 0, 0, 0, 0, 0
	networks := CodecTrainingConfigOf(c)
	batch := batchOf(b, networks, utterances(b, "en", "fr", "it", "ru"), c.MaxLen)
	const size = 2
	for _, rate := range []float64{0, 1e9, 2.5e8, 1e8} { // bytes a second
		name := fmt.Sprintf("%g_MB_s", rate/1e6)
		if rate == 0 {
			name = "any_rate"
		}
		b.Run(name, func(b *testing.B) {
			world, ranks := collective.NewWorld(size)
			world.Rate = rate
			trainers := make([]*CodecTrainer, size)
			for i, comm := range ranks {
				o := CodecOptionsOf(c)
				o.Ranks = comm
				trainers[i] = newCodecTrainer(b, networks, o, 1)
			}
			step := func(afterwards bool) (seconds, waited float64) {
				start, before := time.Now(), trainers[0].Traffic.Waited
				errs := make(chan error, size)
				for i, t := range trainers {
					t.sumAfterwards = afterwards
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
				return time.Since(start).Seconds(), (trainers[0].Traffic.Waited - before).Seconds()
			}
			step(false) // allocates, and fits weights to the data
			bytes := trainers[0].Traffic.Bytes
			var after, beside [2][]float64
			for b.Loop() {
				for i, times := range []*[2][]float64{&beside, &after} {
					seconds, waited := step(i == 1)
					times[0], times[1] = append(times[0], seconds), append(times[1], waited)
				}
			}
			for name, times := range map[string][]float64{"step-s": beside[0], "waited-s": beside[1], "step-s-afterwards": after[0], "waited-s-afterwards": after[1]} {
				slices.Sort(times)
				b.ReportMetric(times[len(times)/2], name)
			}
			b.ReportMetric(float64(bytes)/1e6, "MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}
