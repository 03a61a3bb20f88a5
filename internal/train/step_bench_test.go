package train

import (
	"os"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
)

// BenchmarkPresetStep is a step of a preset, a second of each of four utterances: base
// with the losses on waveforms alone, with discriminators, and with predictors and
// conversions; tiny with all losses; full with all, of two utterances, where FACODEC_HEAVY
// is set. FACODEC_THREADS and FACODEC_PRECISION are its threads and train.precision.
func BenchmarkPresetStep(b *testing.B) {
	for _, bench := range []struct {
		name, preset string
		change       func(c *config.Config)
	}{
		{"base/waveform", "base", func(c *config.Config) {
			c.Train.DiscriminatorStart = 1 << 30
			c.Loss.F0, c.Loss.UV, c.Loss.Content, c.Loss.Speaker, c.Loss.Conversion = 0, 0, 0, 0, 0
		}},
		{"base/discriminators", "base", func(c *config.Config) {
			c.Loss.F0, c.Loss.UV, c.Loss.Content, c.Loss.Speaker, c.Loss.Conversion = 0, 0, 0, 0, 0
		}},
		{"base/all", "base", func(c *config.Config) {
			c.Loss.F0, c.Loss.UV, c.Loss.Content, c.Loss.Speaker, c.Loss.Conversion = 1, 1, 5, 1, 1
		}},
		{"tiny/all", "tiny", func(c *config.Config) {}},
		{"full/all", "full", func(c *config.Config) { c.EMA.Decay = 0 }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			names := []string{"en", "fr", "it", "ru"}
			if bench.preset == "full" {
				if os.Getenv("FACODEC_HEAVY") == "" {
					b.Skip("takes a minute and 8 GB; FACODEC_HEAVY=1 runs it")
				}
				names = names[:2]
			}
			c, err := config.Preset(bench.preset)
			if err != nil {
				b.Fatal(err)
			}
			c.Train.DiscriminatorStart = 0
			c.Model.SpeakerClasses = 8
			bench.change(c)
			threads := 0
			if os.Getenv("FACODEC_PRECISION") == config.PrecisionBF16 {
				c.Train.Precision = config.PrecisionBF16
			}
			if os.Getenv("FACODEC_THREADS") == "1" {
				threads = 1
			}
			networks := CodecTrainingConfigOf(c)
			trainer := newCodecTrainer(b, networks, CodecOptionsOf(c), threads)
			us := utterances(b, names...)
			for _, u := range us {
				for i := range u.Phones {
					u.Phones[i] %= int32(networks.Predictors.Phones)
				}
			}
			batch := batchOf(b, networks, us, c.MaxLen)
			if _, err := trainer.Step(batch); err != nil { // allocates, and fits weights to the data
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := trainer.Step(batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
