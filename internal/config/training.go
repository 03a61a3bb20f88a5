package config

import (
	"fmt"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// LossWeights are the factors of the generator's losses. A redecoder learns from
// the first three alone.
type LossWeights struct {
	Mel        float64 `key:"mel" frange:"0,1e6"`
	STFT       float64 `key:"stft" frange:"0,1e6"`      // distance of linear spectra, which tell harmonics apart
	Envelope   float64 `key:"envelope" frange:"0,1e6"`  // 1 minus the correlation of the bands' envelopes, as of STOI and ESTOI
	Waveform   float64 `key:"waveform" frange:"0,1e6"`  // mean absolute difference of samples
	Feature    float64 `key:"feature" frange:"0,1e6"`   // match of the discriminators' features
	Generator  float64 `key:"generator" frange:"0,1e6"` // the discriminators' score
	Commitment float64 `key:"commitment" redecoder:"-" frange:"0,1e6"`
	Codebook   float64 `key:"codebook" redecoder:"-" frange:"0,1e6"`
	F0         float64 `key:"f0" redecoder:"-" frange:"0,1e6"`         // f0 and rev_f0
	UV         float64 `key:"uv" redecoder:"-" frange:"0,1e6"`         // energy, and that of rev_f0
	Content    float64 `key:"content" redecoder:"-" frange:"0,1e6"`    // content and rev_content
	Speaker    float64 `key:"speaker" redecoder:"-" frange:"0,1e6"`    // speaker and rev_speaker
	Conversion float64 `key:"conversion" redecoder:"-" frange:"0,1e6"` // timbre of conversions within the batch
	Pitch      float64 `key:"pitch" redecoder:"-" frange:"0,1e6"`      // of a decoder that predicts it
	Voice      float64 `key:"voice" redecoder:"-" frange:"0,1e6"`      // two parts of an utterance have like timbres, those of others have not
	Identity   float64 `key:"identity" redecoder:"-" frange:"0,1e6"`   // what is decoded has the timbre it is decoded with, needs Voice
}

// defaultLossWeights are upstream's.
var defaultLossWeights = LossWeights{
	Mel: 15, Feature: 1, Generator: 1,
	Commitment: 0.25, Codebook: 1,
	F0: 1, UV: 1, Content: 5, Speaker: 5,
}

// Optimizer is AdamW, the same for every network, its schedule and the bounds of
// its gradients' norms.
type Optimizer struct {
	LearningRate float64    `key:"lr" frange:"1e-9,1"`
	Betas        [2]float64 `key:"betas" frange:"0,1"` // less than 1
	Eps          float64    `key:"eps" frange:"1e-15,1"`
	WeightDecay  float64    `key:"weight_decay" frange:"0,10"`
	LRDecay      float64    `key:"lr_decay" frange:"0.5,1"` // factor of the learning rate, each step
	WarmupSteps  int        `key:"warmup_steps" range:"0,1000000000"`
	// The norm of encoder, quantizer, decoder and predictors, each on its own, and of
	// all discriminators together.
	ClipGrad              float64 `key:"clip_grad" frange:"1e-9,1e12"`
	ClipGradDiscriminator float64 `key:"clip_grad_discriminator" frange:"1e-9,1e12"`
}

// EMA is the running average of the generator's weights, which inference is
// given.
type EMA struct {
	Decay float64 `key:"decay" frange:"0,1"` // each step, less than 1; 0: no average
}

// Augment is what training does to a crop of speech, whose peak is 1.
type Augment struct {
	GainDB [2]float64 `key:"gain_db" frange:"-120,40"` // of a random gain, even over the range
	Speed  float64    `key:"speed" frange:"0,0.5"`     // a third of the clips is faster, a third slower by this factor; 0: none
	// The probabilities of what makes other recordings of clean ones.
	Room      float64 `key:"room" frange:"0,1"`
	Noise     float64 `key:"noise" frange:"0,1"`
	Equalizer float64 `key:"equalizer" frange:"0,1"`
	BandLimit float64 `key:"band_limit" frange:"0,1"`
	// Voice is the share of a batch whose encoder input is in another voice; targets stay.
	Voice float64 `key:"voice" frange:"0,1"`
	// Parallel is a folder of folders with the dataset's files in other voices; "" for none.
	Parallel string `key:"parallel"`
}

// Speeds are how fast clips are played, each as often as the others.
func (a Augment) Speeds() []float64 {
	if a.Speed == 0 {
		return []float64{1}
	}
	return []float64{1, 1 + a.Speed, 1 / (1 + a.Speed)}
}

// Validation is done on files held out of the dataset.
type Validation struct {
	Interval int     `key:"interval" range:"1,1000000000"` // steps
	Share    float64 `key:"share" frange:"0,0.9"`          // of the files
	Files    int     `key:"files" range:"0,1000000"`       // at least so many; 0: dataset.HeldOut.Files
	Seconds  float64 `key:"seconds" frange:"1,86400"`      // of speech at most, a fixed choice of all voices; it is held in memory
	Samples  int     `key:"samples" range:"0,1000"`        // of which sound and spectrograms are logged
}

// Teachers give the labels that the predictors learn.
type Teachers struct {
	ContentUnits int `key:"content_units" range:"2,1000000"` // clusters that stand for phones
	Speakers     int `key:"speakers" range:"0,1000000"`      // 0: found from the data
	// SpeakerField is where a corpus names who speaks; "" for clusters.
	SpeakerField string `key:"speaker_field"`
}

// CheckTraining says why a codec cannot be trained by this config, with the file
// that it was read from: it is a redecoder's, or has unknown keys, which inference
// passes over. Values are Validate's.
func (c *Config) CheckTraining() error {
	if c.IsRedecoder() {
		return c.refuse("is a redecoder's experiment file, which train-redecoder takes; want a codec's")
	}
	return c.checkUnknown()
}

// CheckRedecoderTraining is CheckTraining for a redecoder.
func (c *Config) CheckRedecoderTraining() error {
	if !c.IsRedecoder() {
		return c.refuse("is a codec's experiment file, which train takes; want a redecoder's")
	}
	return c.checkUnknown()
}

// checkUnknown names every unknown key, with its line and what it may have been
// meant to be.
func (c *Config) checkUnknown() error {
	if len(c.unknown) == 0 {
		return nil
	}
	var all []string
	for _, u := range c.unknown {
		all = append(all, fmt.Sprintf("%s on line %d (%s)", u.path, u.line, c.suggest(u.path)))
	}
	what := "unknown key "
	if len(all) > 1 {
		what = fmt.Sprintf("%s: ", plural.Of(len(all), "unknown key"))
	}
	return c.refuse(what + strings.Join(all, ", "))
}

func (c *Config) refuse(problem string) error {
	if c.origin != "" {
		problem = c.origin + ": " + problem
	}
	return fmt.Errorf("%s", oneLine(problem))
}
