package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// maxDuration is the longest clip that is trained on, in seconds: it is held in memory.
const maxDuration = 3600

// CheckRun says what keeps a run from being trained by values that inference does not
// use, beside what Validate says. The error names the key, its value and the cure.
func (c *Config) CheckRun() error {
	for _, check := range []func(*Config) error{(*Config).checkName, (*Config).checkDurations, (*Config).checkCrops} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

// checkName: the run's folder is one below log_dir.
func (c *Config) checkName() error {
	if n := c.ExpName; n == "" || n == "." || n == ".." || strings.ContainsAny(n, "/\\\x00") {
		return &keyError{"exp_name", strconv.Quote(shorten(n)), "is not supported; want the name of a folder below log_dir, without / or \\"}
	}
	return nil
}

// checkDurations: every clip, at every speed, is as long as the losses need.
func (c *Config) checkDurations() error {
	const key = "preprocess_params.duration_range"
	lo, hi := c.Preprocess.DurationRange[0], c.Preprocess.DurationRange[1]
	if !(lo > 0 && hi <= maxDuration) {
		return &keyError{key, showPair(c.Preprocess.DurationRange), fmt.Sprintf("is not supported; want durations above 0 and up to %d seconds", maxDuration)}
	}
	hop := c.Preprocess.Spect.HopLength
	speeds := c.Augment.Speeds()
	fastest := speeds[min(1, len(speeds)-1)]
	rate := float64(c.Preprocess.SampleRate) / fastest
	if need := c.ShortestCrop(); int(lo*rate)/hop*hop < need {
		return &keyError{key, showPair(c.Preprocess.DurationRange), fmt.Sprintf("is not supported: crops of the shortest clips would have %s, and the losses need %d; want at least %s s",
			plural.Of(int(lo*rate)/hop*hop, "sample"), need, number(math.Ceil(float64(need+1)/rate*100)/100))}
	}
	return nil
}

func (c *Config) checkCrops() error {
	hop := c.Preprocess.Spect.HopLength
	if need := c.ShortestCrop(); c.MaxLen*hop < need {
		cure := ""
		if shortestCrop(hop, nil) < need {
			cure = ", or shorter windows in model_params.discriminator.fft_sizes"
		}
		return &keyError{"max_len", strconv.Itoa(c.MaxLen), fmt.Sprintf("is not supported: crops of %d frames have %s, and the losses need %d; want at least %d%s",
			c.MaxLen, plural.Of(c.MaxLen*hop, "sample"), need, need/hop, cure)}
	}
	return nil
}

// melWindow is the longest window of the mel loss (dsp.MelScales).
const melWindow = 2048

// ShortestCrop returns the samples of the shortest crop, of whole frames, from which on
// the losses can be computed: every window of theirs and of the discriminators is
// reflected at the ends, and a crop has to have what is reflected.
func (c *Config) ShortestCrop() int {
	return shortestCrop(c.Preprocess.Spect.HopLength, c.Model.Discriminator.FFTSizes)
}

// shortestCrop is ShortestCrop for discriminators of these windows.
func shortestCrop(hop int, windows []int) int {
	fits := func(n int) bool {
		if n <= melWindow/2 {
			return false
		}
		for _, w := range windows {
			// 3/8 of a window, and what makes the rest whole hops of it
			// (model.ResolutionDiscriminator).
			step := w / 4
			if right := (w-step)/2 + (n+step-1)/step*step - n; n <= right {
				return false
			}
		}
		return true
	}
	longest := melWindow
	for _, w := range windows {
		longest = max(longest, w)
	}
	n := (longest + hop - 1) / hop * hop // fits, and so does all above
	for n > hop && fits(n-hop) {
		n -= hop
	}
	return n
}
