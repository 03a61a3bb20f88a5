package recording

import (
	"context"
	"fmt"
	"math"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/plural"
)

// SilentPeak is the peak, of full scale 1, below which nothing of speech is heard: -60
// dB.
const SilentPeak = 1e-3

// minVoiceSeconds is the least audio that a voice is found in. The timbre of half a second of
// each of the five speakers in testdata/speech has a cosine of 0.26 to 0.86 with that of the
// whole recording, at worst less than another speaker's (0.66 to 0.74); that of a second 0.79
// to 0.95. Measured with the built-in model.
const minVoiceSeconds = 1

// CheckVoiceLength returns what is to be warned of a voice that was found in so many seconds.
func CheckVoiceLength(seconds float64) error {
	if seconds >= minVoiceSeconds {
		return nil
	}
	return fmt.Errorf("%.2f s is too little for a voice: it may resemble another speaker more; take %d s at least", seconds, minVoiceSeconds)
}

// AllSilent is the error of clips of which each has one: nothing is heard in any.
func AllSilent(clips []error) error {
	if len(clips) == 1 {
		return clips[0]
	}
	return fmt.Errorf("%w (nor is anything heard in the other clips, %d in all)", clips[0], len(clips))
}

// CancelNotices tells of a file that is silent because its channels cancel each other when they are mixed, as those of a
// balanced line that were recorded apart do; with strict that is an error. peak is that of the mean of the channels: only where
// that is silent is the file read, once more.
func CancelNotices(ctx context.Context, path string, info audio.Info, peak float32, strict bool) ([]string, error) {
	if info.Channels < 2 || peak >= SilentPeak {
		return nil, nil
	}
	loudest, cancels, err := Cancels(ctx, path, info.SampleRate)
	if err != nil || !cancels {
		return nil, err
	}
	notice := fmt.Sprintf("its %s cancel each other when they are mixed; take one of them alone, channel %d say",
		plural.Of(info.Channels, "channel"), loudest)
	if strict {
		return nil, fmt.Errorf("%s: %s", path, notice)
	}
	return []string{notice}, nil
}

// canceled is the part of the level that the mean of channels that have nothing to do
// with each other would have, below which channels cancel: -14 dB.
const canceled = 0.2

// Cancels says whether the channels of a recording cancel each other in their mean, and
// which is the loudest, counted from 1. It reads the file.
func Cancels(ctx context.Context, path string, rate int) (loudest int, cancels bool, err error) {
	r, err := Open(ctx, path, Options{Rate: rate, KeepChannels: true})
	if err != nil || r.Channels < 2 {
		return 1, false, err
	}
	energies := make([]float64, r.Channels)
	mean := 0.0
	_, err = r.Read(ctx, func(samples []float32) error {
		for ; len(samples) > 0; samples = samples[r.Channels:] {
			sum := 0.0
			for i, x := range samples[:r.Channels] {
				energies[i] += float64(x) * float64(x)
				sum += float64(x)
			}
			mean += sum * sum
		}
		return nil
	})
	all := 0.0
	for i, e := range energies {
		all += e
		if e > energies[loudest] {
			loudest = i
		}
	}
	return loudest + 1, math.Sqrt(mean) < canceled*math.Sqrt(all), err
}
