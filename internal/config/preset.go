package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Presets lists the names that Preset knows, from the smallest model on.
func Presets() []string { return []string{"tiny", "small", "full"} }

// Preset returns an experiment to start from: a size of model, and a training
// that suits it. The dataset is left to the caller.
func Preset(name string) (*Config, error) {
	switch name {
	case "tiny":
		return tiny(), nil
	case "small":
		return small(), nil
	case "full":
		return Default(), nil
	}
	return nil, fmt.Errorf("no preset is called %s; want %s", strconv.Quote(shorten(name)), strings.Join(Presets(), ", "))
}

// tiny learns within an hour on two cores, from minutes of speech.
func tiny() *Config {
	c := Default()
	c.ExpName = "facodec_tiny"
	c.BatchSize = 8
	m := &c.Model
	m.LSTM = 0
	m.LatentDim = 128
	m.CodebookSize = 256
	m.ProsodyHidden, m.ProsodyLayers = 48, 4
	m.TimbreHidden = 64
	m.PhoneClasses, c.Teachers.ContentUnits = 128, 128
	m.SpeakerClasses = 64
	m.DAC.EncoderDim, m.DAC.DecoderDim = 12, 192
	m.Discriminator = Discriminator{
		Periods:     []int{2, 3, 5, 7, 11},
		MPDChannels: []int{8, 16, 32, 64, 64},
		FFTSizes:    []int{1024, 512, 256},
		MRDChannels: 8,
	}
	return c
}

func small() *Config {
	c := Default()
	c.ExpName = "facodec_small"
	m := &c.Model
	m.LSTM = 0
	m.LatentDim = 256
	m.ProsodyHidden, m.ProsodyLayers = 128, 6
	m.TimbreHidden = 256
	m.PhoneClasses = 256
	m.SpeakerClasses = 512
	m.DAC.EncoderDim, m.DAC.DecoderDim = 24, 512
	m.Discriminator = Discriminator{
		Periods:     []int{2, 3, 5, 7, 11},
		MPDChannels: []int{16, 64, 128, 256, 256},
		FFTSizes:    []int{2048, 1024, 512},
		MRDChannels: 16,
	}
	return c
}
