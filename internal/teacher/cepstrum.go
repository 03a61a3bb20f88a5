package teacher

import (
	"math"
	"slices"
	"sync"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/kernel"
)

// The front end of content units and speakers. Its window is half that of the
// codec's mel, the usual 25 ms, since phones last as little as 30 ms; its frames
// are the codec's: frame t is centered at sample 300·t, ceil(N/300) of them.
const (
	sampleRate = 24000
	hop        = 300
	// bands are the filters up to 8 kHz of those that reach 12 kHz. What is above
	// tells how a file was made, since many were sampled at 16 kHz, and little of
	// the phones.
	bands    = 40
	allBands = 46
	// cepstra are the coefficients computed: the speakers' statistics use all of
	// them, the units the first unitCepstra.
	cepstra = 20
)

// frontEnd is shared: only LogMels uses it, which serves any number of goroutines.
var frontEnd = sync.OnceValue(func() *dsp.Mel {
	return dsp.NewMel(dsp.MelConfig{FFT: 1024, Window: 600, Hop: hop, Mels: allBands, FilterRate: sampleRate})
})

// A cepstrogram is an utterance's mel-frequency cepstrum.
type cepstrogram struct {
	rows   [][cepstra]float32
	active []bool // which frames are not silence
}

// speech returns the number of active frames.
func (c *cepstrogram) speech() (n int) {
	for _, a := range c.active {
		if a {
			n++
		}
	}
	return n
}

// A frame whose power is this far below that of the loud ones, those at the
// 95th percentile, is silence: 35 dB.
const silenceBelow = 8.06

// analyse computes the cepstrum of samples at 24 kHz. They are brought to a peak of
// 1 first, so that a recording's gain has no influence.
func analyse(samples []float32) *cepstrogram {
	peak := kernel.Peak(samples)
	if peak > 0 && peak != 1 { // clips come at a peak of 1
		scaled := make([]float32, len(samples))
		for i, v := range samples {
			scaled[i] = v / peak
		}
		samples = scaled
	}
	frames := Frames(len(samples))
	c := &cepstrogram{rows: make([][cepstra]float32, frames), active: make([]bool, frames)}
	if frames == 0 {
		return c
	}
	mels := dsp.LogMels(samples, frames, frontEnd())[0]
	level := make([]float64, frames)
	cosines := cosines()
	out := make([]float32, cosines.Count()*kernel.Width)
	for t := range frames {
		mel := mels[t*allBands:][:bands]
		for i, m := range mel {
			mel[i] = 4*m - 4 // the natural logarithm again
		}
		transform := kernel.Product{Dst: out, LdDst: len(out), A: mel, LdA: bands, W: cosines}
		transform.Run(0, 1, 0, cosines.Count())
		copy(c.rows[t][:], out)
		kernel.Exp(mel, mel)
		level[t] = math.Log(kernel.Sum(mel))
	}
	sorted := slices.Sorted(slices.Values(level))
	floor := sorted[(len(sorted)-1)*95/100] - silenceBelow
	for t, l := range level {
		c.active[t] = l > floor
	}
	return c
}

// cosines returns the orthonormal DCT-II from bands to cepstra.
var cosines = sync.OnceValue(func() *kernel.Panels {
	m := kernel.NewPanels(nil, 1, bands, cepstra)
	for b := range bands {
		for i := range cepstra {
			scale := math.Sqrt(2.0 / bands)
			if i == 0 {
				scale = math.Sqrt(1.0 / bands)
			}
			m.Data[m.Index(0, b, i)] = float32(scale * math.Cos(math.Pi/bands*(float64(b)+0.5)*float64(i)))
		}
	}
	return m
})
