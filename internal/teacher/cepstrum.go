package teacher

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/dsp"
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

var frontEnd = dsp.MelConfig{FFT: 1024, Window: 600, Hop: hop, Mels: allBands, FilterRate: sampleRate}

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
	var peak float32
	for _, v := range samples {
		peak = max(peak, v, -v)
	}
	scaled := make([]float32, len(samples))
	if peak > 0 {
		for i, v := range samples {
			scaled[i] = v / peak
		}
	}
	frames := Frames(len(samples))
	c := &cepstrogram{rows: make([][cepstra]float32, 0, frames), active: make([]bool, 0, frames)}
	level := make([]float64, 0, frames)
	dsp.NewMel(frontEnd).Stream().Push(scaled, true, func(mel []float32) {
		var row [cepstra]float32
		var power float64
		for b, m := range mel[:bands] {
			l := 4*float64(m) - 4 // the natural logarithm again
			power += math.Exp(l)
			for i := range row {
				row[i] += float32(l * cosines[b][i])
			}
		}
		c.rows = append(c.rows, row)
		level = append(level, math.Log(power))
	})
	if frames == 0 {
		return c
	}
	sorted := slices.Sorted(slices.Values(level))
	floor := sorted[(len(sorted)-1)*95/100] - silenceBelow
	for _, l := range level {
		c.active = append(c.active, l > floor)
	}
	return c
}

// cosines is the orthonormal DCT-II from bands to cepstra.
var cosines = func() (m [bands][cepstra]float64) {
	for b := range m {
		for i := range m[b] {
			scale := math.Sqrt(2.0 / bands)
			if i == 0 {
				scale = math.Sqrt(1.0 / bands)
			}
			m[b][i] = scale * math.Cos(math.Pi/bands*(float64(b)+0.5)*float64(i))
		}
	}
	return m
}()
