package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Presets lists the names that Preset knows, from the smallest model on.
func Presets() []string { return []string{"tiny", "base", "small", "full"} }

// Preset returns an experiment to start from: a size of model, and a training
// that suits it. The dataset is left to the caller.
func Preset(name string) (*Config, error) {
	switch name {
	case "tiny":
		return tiny(), nil
	case "base":
		return base(), nil
	case "small":
		return small(), nil
	case "full":
		return Default(), nil
	}
	return nil, fmt.Errorf("no preset is called %s; want %s", strconv.Quote(shorten(name)), strings.Join(Presets(), ", "))
}

// tiny is for an hour on two cores and minutes of speech. A step costs
// what its audio costs at the highest rates, so that the first stride is wide and
// channels, which are computed by sixteens, are multiples of 16 where they are
// many.
func tiny() *Config {
	c := Default()
	c.ExpName = "facodec_tiny"
	c.SaveInterval, c.Validation.Interval = 500, 500
	m := &c.Model
	m.LSTM = 0 // a step in time for each frame, one after the other
	m.LatentDim = 128
	m.CodebookSize = 256 // an entry is learned from the frames that chose it
	m.ProsodyHidden, m.ProsodyLayers = 48, 4
	m.TimbreHidden = 64
	m.PhoneClasses, c.Teachers.ContentUnits = 128, 128
	m.SpeakerClasses = 0 // as many as are found
	m.DAC.EncoderDim, m.DAC.EncoderRates = 12, []int{4, 5, 5, 3}
	m.DAC.DecoderDim, m.DAC.DecoderRates = 256, []int{3, 5, 5, 4}
	// The spectrogram's discriminator is the most expensive network of a step: one.
	m.Discriminator = Discriminator{
		Periods:     []int{2, 3, 5, 7, 11},
		MPDChannels: []int{8, 16, 32, 64, 64},
		FFTSizes:    []int{1024},
		MRDChannels: 8,
	}
	// For runs of few steps: the learning rate is high, which a small network tolerates,
	// and halves every 7,000 steps; the encoder,
	// which is trained by unmasked samples only, gets more of them; and without
	// discriminators, at half the cost, the coarse shape is learned first.
	c.Optimizer.LearningRate, c.Optimizer.LRDecay = 1e-3, 0.9999
	c.Train.ResidualMask = 0.5
	c.Train.DiscriminatorStart = 1500
	// With random weights every frame has the same code, and nothing is learned from it; at
	// that rate codebook entries, and the projected inputs that follow them, diverge within
	// fifty steps, and nine of ten entries are never chosen. So: initialize from data, fix
	// the norm of entries, restart unused ones, and reverse a tenth of the adversaries'
	// gradients, which drive the divergence. Content is learned slowest.
	c.Optimizer.WarmupSteps = 100
	c.Train.DataInit, c.Train.NormalizeCodes, c.Train.RestartCodes, c.Train.Reversal = true, true, 100, 0.1
	c.Loss.Commitment, c.Loss.Content = 2, 10
	// Speed perturbation makes three voices of one; and because each says something
	// different, which would tell the voice, the decoder is trained on conversions, too.
	c.Loss.Conversion = 5
	c.Augment.GainDB, c.Augment.Speed = [2]float64{-12, 0}, 0.15
	return c
}

// small is a codec of the standard frame rates and books, a thirteenth of its size.
func small() *Config {
	c := Default()
	c.ExpName = "facodec_small"
	m := &c.Model
	m.LSTM = 0
	m.LatentDim = 256
	m.ProsodyHidden, m.ProsodyLayers = 128, 6
	m.TimbreHidden = 256
	m.PhoneClasses = 256
	m.SpeakerClasses = 0
	m.DAC.EncoderDim, m.DAC.DecoderDim = 24, 512
	m.Discriminator = Discriminator{
		Periods:     []int{2, 3, 5, 7, 11},
		MPDChannels: []int{16, 64, 128, 256, 256},
		FFTSizes:    []int{2048, 1024, 512},
		MRDChannels: 16,
	}
	c.Optimizer.LearningRate = 2e-4
	return c
}

// base is for hours to days on two cores and half an hour of speech or more, of many
// voices. Encoder and decoder work at the frame rate, where a step of a model five
// times as large as tiny takes less time than one of tiny does.
func base() *Config {
	c := Default()
	c.ExpName = "facodec_base"
	c.SaveInterval, c.Validation.Interval = 500, 1000
	m := &c.Model
	m.LSTM = 0
	m.EncoderType, m.DecoderType = EncoderSTFT, DecoderSourceFilter
	m.ConvNeXt.EncoderBlocks, m.ConvNeXt.DecoderBlocks, m.ConvNeXt.DecoderTimbre = 8, 12, true
	m.LatentDim = 192
	m.ProsodyHidden, m.ProsodyLayers = 64, 4
	m.TimbreHidden = 128
	m.PhoneClasses, c.Teachers.ContentUnits = 256, 256
	m.SpeakerClasses = 0
	m.DAC.DecoderDim = 256 // of a redecoder
	m.Discriminator = Discriminator{
		Periods:     []int{2, 3, 5, 7, 11},
		MPDChannels: []int{8, 16, 32, 64, 64},
		FFTSizes:    []int{1024},
		MRDChannels: 8,
	}
	c.Optimizer.LearningRate, c.Optimizer.LRDecay, c.Optimizer.WarmupSteps = 1e-3, 0.99997, 100
	c.Optimizer.WeightDecay = 0.01
	// All books learn to reconstruct.
	c.Train.JointParts = true
	c.Train.ResidualMask, c.Train.QuantizerDropout = 0.25, 0
	c.Train.DataInit, c.Train.NormalizeCodes, c.Train.RestartCodes, c.Train.Reversal = true, true, 100, 0.1
	c.Loss.Commitment = 2
	// The envelope is learned first, at half the cost; harmonics, which a mel distance
	// does not ask for, from their pitch, linear spectra and discriminators.
	c.Train.DiscriminatorStart, c.Train.DiscriminatorLen = 2000, 26
	c.Loss.STFT, c.Loss.Envelope, c.Loss.Pitch = 5, 80, 120
	// Conversion needs a decoder that takes the voice from the timbre.
	c.Augment.Voice = 0.25
	// Speech is recorded in rooms, over lines and with noise.
	c.Augment.GainDB, c.Augment.Speed = [2]float64{-20, 0}, 0.12
	c.Augment.Room, c.Augment.Noise, c.Augment.Equalizer, c.Augment.BandLimit = 0.15, 0.2, 0.4, 0.5
	return c
}

// FineTune changes a preset's experiment into one that goes on from the weights of a
// trained model, with recordings of a few minutes to hours. At a rate for random weights
// the model would first forget what it knows. The predictors, which a model's file does
// not have, would disturb it for as long as they learn; the discriminators learn fast
// and keep the voice from getting dull. Recordings are taken as they are, but for level,
// rooms, noise and equalizers: other speeds and band limits are other voices and lines.
func (c *Config) FineTune() {
	c.Optimizer.LearningRate = min(c.Optimizer.LearningRate, 1e-4)
	c.Optimizer.LRDecay = min(c.Optimizer.LRDecay, 0.9995)
	c.Train.DiscriminatorStart = 0
	c.Loss.F0, c.Loss.UV, c.Loss.Content, c.Loss.Speaker = 0, 0, 0, 0
	c.Augment.Speed, c.Augment.BandLimit, c.Augment.Voice = 0, 0, 0
	c.SaveInterval, c.Validation.Interval = 250, 250 // of hundreds of steps
}
