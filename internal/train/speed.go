package train

import (
	"fmt"
	"math"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/teacher"
)

// siteSpeed is where speeds are drawn (see op.Random.Key).
const siteSpeed = siteCrop + 2

// speedPerturbation resamples recordings so that they play faster or slower: pitch and
// formants move with the speed, so that each speed makes another speaker (as in speaker
// recognition: Yamamoto et al., "Speaker Augmentation and Bandwidth Extension for Deep
// Speaker Embedding", Interspeech 2019). Where each speaker says something different,
// content alone would tell the voice and the timbre would be of no use; at several
// speeds it does not.
type speedPerturbation struct {
	speeds   []float64
	speakers int          // before perturbation
	grid     teacher.Grid // of clips and labels
}

// checkSpeeds refuses speeds at which clips cannot be resampled.
func checkSpeeds(c *config.Config) error {
	for _, speed := range c.Augment.Speeds() {
		if rate := speedRate(c.Preprocess.SampleRate, speed); speed != 1 && (rate < audio.MinRate || rate > audio.MaxRate) {
			return fmt.Errorf("augment.speed: %v is not supported with preprocess_params.sr %d: clips would be resampled from %d Hz, and rates from %d to %d Hz are; want a smaller one, or 0",
				c.Augment.Speed, c.Preprocess.SampleRate, rate, audio.MinRate, audio.MaxRate)
		}
	}
	return nil
}

// speedRate returns the rate that clips of a rate are taken to have at a speed, in Hz.
func speedRate(rate int, speed float64) int { return int(math.Round(speed * float64(rate))) }

// apply gives a clip the speed that random number i of a step draws. Its labels follow.
func (c speedPerturbation) apply(item dataset.Item, random op.Random, i int) (dataset.Item, error) {
	n := min(int(op.Uniform(random.Key(siteSpeed, i), 0)*float64(len(c.speeds))), len(c.speeds)-1)
	speed := c.speeds[n]
	labels, labeled := item.Label.(teacher.Labels)
	if speed != 1 {
		r, err := audio.NewResampler(speedRate(c.grid.SampleRate, speed), c.grid.SampleRate)
		if err != nil {
			return item, err
		}
		item.Samples = r.Flush(r.Process(nil, item.Samples))
		if labeled {
			labels = labels.Stretch(c.grid.Frames(len(item.Samples)), speed)
			for t := range labels.F0 {
				labels.F0[t] *= float32(speed)
			}
		}
	}
	if labeled {
		labels.Speaker += n * c.speakers
		item.Label = labels
	}
	return item, nil
}
