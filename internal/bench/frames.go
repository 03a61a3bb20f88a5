package bench

import (
	"slices"
	"time"

	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/model"
)

// A FrameReport says how fast a voice is converted while it arrives, a few frames a
// call.
type FrameReport struct {
	Frames         int     // in a call
	RealTimeFactor float64 // time taken for each second of sound
	Median, P99    time.Duration
}

// Frames converts an artificial utterance of the given length in seconds, so many frames
// a call, and measures the calls once the stream runs evenly: after its first second.
func Frames(c *codec.Codec, frames int, seconds float64) FrameReport {
	size := frames * c.Hop
	warmup := c.SampleRate / size
	calls := max(1, int(seconds*float64(c.SampleRate))/size)
	samples := Vowel((warmup+calls)*size, c.SampleRate)
	e, d := c.NewEncoder(c.Pool), c.NewDecoder(make([]float32, c.Timbre), c.Pool)
	var codes model.Codes
	var out []float32
	times := make([]time.Duration, 0, calls)
	var total time.Duration
	for i := range warmup + calls {
		start := time.Now()
		codes.Clear()
		e.Append(&codes, samples[i*size:(i+1)*size], false)
		out = d.Append(out[:0], model.Codes{codes[model.Prosody], codes[model.Content]}, false)
		if i >= warmup {
			times = append(times, time.Since(start))
			total += times[len(times)-1]
		}
	}
	slices.Sort(times)
	return FrameReport{
		Frames:         frames,
		RealTimeFactor: total.Seconds() * float64(c.SampleRate) / float64(calls*size),
		Median:         times[len(times)/2],
		P99:            times[min(len(times)-1, len(times)*99/100)],
	}
}
