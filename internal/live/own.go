package live

import (
	"math"
	"sync"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
)

// An OwnVoice learns the timbre of who speaks from the first seconds that are heard, for
// Reconstruct. Pauses do not count.
type OwnVoice struct {
	codec *facodec.Codec
	rate  int

	mu      sync.Mutex
	samples []float32 // the speech so far
	want    int
	learned bool // samples were handed to a goroutine

	learning sync.WaitGroup
}

const (
	// ownSeconds is how much speech a timbre is learned from.
	ownSeconds = 4
	// speechLevel is the RMS of a piece from which on it counts as speech: -50 dB.
	speechLevel = 0.00316
)

// NewOwnVoice learns from samples of a rate in Hz.
func NewOwnVoice(c *facodec.Codec, rate int) *OwnVoice {
	return &OwnVoice{codec: c, rate: rate, samples: make([]float32, 0, ownSeconds*rate), want: ownSeconds * rate}
}

// Add hears samples. Once it has heard enough it computes the timbre in a goroutine of its
// own and calls learned with it, once.
func (o *OwnVoice) Add(samples []float32, learned func(timbre []float32, err error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.learned || len(samples) == 0 {
		return
	}
	sum := 0.0
	for _, v := range samples {
		sum += float64(v) * float64(v)
	}
	if math.Sqrt(sum/float64(len(samples))) < speechLevel {
		return
	}
	o.samples = append(o.samples, samples[:min(len(samples), o.want-len(o.samples))]...)
	if len(o.samples) < o.want {
		return
	}
	o.learned = true
	o.learning.Go(func() { learned(o.timbre()) })
}

// Close waits for what computes. Add must not be called any more.
func (o *OwnVoice) Close() { o.learning.Wait() }

// Heard returns how much of what is wanted was heard, 0 to 1.
func (o *OwnVoice) Heard() float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return float64(len(o.samples)) / float64(o.want)
}

func (o *OwnVoice) timbre() ([]float32, error) {
	r, err := audio.NewResampler(o.rate, o.codec.SampleRate())
	if err != nil {
		return nil, err
	}
	return o.codec.Timbre(r.Flush(r.Process(nil, o.samples)))
}
