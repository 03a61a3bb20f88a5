package bench

import (
	"time"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/train"
)

// A StepReport says how long a training step takes.
type StepReport struct {
	Batch   int     // utterances
	Seconds float64 // of the fastest step
}

// Step trains a codec of a configuration from random weights on artificial utterances of its
// max_len, so many steps, and measures them after a first one, which allocates memory. All that
// the configuration asks for is in a step, with the discriminators from the start.
func Step(c *config.Config, batch, steps int, pool *parallel.Pool) (StepReport, error) {
	own := *c
	own.Train.DiscriminatorStart = 0
	if own.Model.SpeakerClasses == 0 { // as many as a dataset has
		own.Model.SpeakerClasses = 8
	}
	networks := train.CodecTrainingConfigOf(&own)
	t, err := train.NewCodecTrainer(networks, nn.InitialWeights(model.NewCodecTraining(networks).Params(), 1), train.CodecOptionsOf(&own), pool)
	if err != nil {
		return StepReport{}, err
	}
	defer t.Close()
	b, err := artificialBatch(&own, networks, batch)
	if err != nil {
		return StepReport{}, err
	}
	report := StepReport{Batch: batch}
	for i := range 1 + steps {
		start := time.Now()
		if _, err := t.Step(b); err != nil {
			return StepReport{}, err
		}
		if s := time.Since(start).Seconds(); i == 1 || i > 1 && s < report.Seconds {
			report.Seconds = s
		}
	}
	return report, nil
}

// artificialBatch returns crops of vowels, whose pitch and phones change.
func artificialBatch(c *config.Config, networks model.CodecTrainingConfig, batch int) (*train.Batch, error) {
	hop, rate := c.Preprocess.Spect.HopLength, c.Preprocess.SampleRate
	frames := c.MaxLen + batch
	utterances, starts := make([]train.Utterance, batch), make([]int, batch)
	for i := range utterances {
		u := &utterances[i]
		u.Wave, u.Speaker, starts[i] = Vowel(frames*hop, rate), int32(i%c.Model.SpeakerClasses), i
		for t := range frames {
			u.F0 = append(u.F0, float32(120+t%80))
			u.Phones = append(u.Phones, int32(t/7%networks.Predictors.Phones))
		}
	}
	return train.NewCollator(networks.Codec, c.Model.NormF0).Batch(utterances, starts, c.MaxLen)
}
