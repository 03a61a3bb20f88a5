package teacher

import (
	"fmt"
	"math"

	"github.com/facodec-go/facodec/audio"
)

// A Grid is the rate of a codec's samples in Hz and its hop in samples: it has
// SampleRate/Hop frames a second, and frame t is centered at sample t·Hop. The teachers
// themselves have one grid, Own; labels for others are those of the nearest frame.
type Grid struct{ SampleRate, Hop int }

// Own is the teachers' own grid, that of the standard codec.
var Own = Grid{sampleRate, hop}

// Frames returns the number of frames of n samples.
func (g Grid) Frames(n int) int { return (n + g.Hop - 1) / g.Hop }

// ToOwnRate returns samples at the teachers' rate.
func (g Grid) ToOwnRate(samples []float32) ([]float32, error) {
	if g.SampleRate == Own.SampleRate {
		return samples, nil
	}
	r, err := audio.NewResampler(g.SampleRate, Own.SampleRate)
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	return r.Flush(r.Process(nil, samples)), nil
}

// step returns how many own frames there are to a frame of the grid.
func (g Grid) step() float64 {
	return float64(g.Hop) * float64(Own.SampleRate) / (float64(g.SampleRate) * float64(Own.Hop))
}

// of returns labels on the grid, from those of the teachers.
func (g Grid) of(own Labels) Labels {
	if g.step() == 1 {
		return own
	}
	frames := int(math.Ceil(float64(max(len(own.Phones), len(own.F0)))/g.step() - 1e-9))
	return own.Stretch(frames, g.step())
}

// Stretch returns labels for so many frames, each that of the nearest frame among l,
// which come so many times as often.
func (l Labels) Stretch(frames int, step float64) Labels {
	out := Labels{Speaker: l.Speaker}
	if len(l.Phones) > 0 {
		out.Phones = stretch(l.Phones, frames, step)
	}
	if len(l.F0) > 0 {
		out.F0 = stretch(l.F0, frames, step)
	}
	return out
}

func stretch[T any](values []T, frames int, step float64) []T {
	out := make([]T, frames)
	for t := range out {
		out[t] = values[min(int(math.Round(float64(t)*step)), len(values)-1)]
	}
	return out
}
