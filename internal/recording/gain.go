package recording

import "math"

// A Gain is the factor that brings a recording to the level of training, where each
// is peak normalized: scaled to peak 1 (Plachtaa/FAcodec, meldataset.py).
type Gain float32

// GainFor returns the gain of samples. Silence has gain 1, and so have samples whose
// peak is no number.
func GainFor(samples []float32) Gain { return gainOf(peakOf(0, samples)) }

// peakOf returns the peak of samples before and of these.
func peakOf(peak float32, samples []float32) float32 {
	for _, v := range samples {
		peak = max(peak, v, -v)
	}
	return peak
}

func gainOf(peak float32) Gain {
	// The inverse of a subnormal peak may be beyond float32.
	if peak < 0x1p-126 || peak-peak != 0 {
		return 1
	}
	return Gain(1 / peak)
}

// Decibels returns the gain of so many decibels.
func Decibels(dB float64) Gain { return Gain(math.Pow(10, dB/20)) }

// Apply brings samples to the level of training, in place.
func (g Gain) Apply(samples []float32) { scale(samples, float32(g)) }

// Undo brings samples back to the recording's own level, in place.
func (g Gain) Undo(samples []float32) { scale(samples, 1/float32(g)) }

func scale(samples []float32, factor float32) {
	if factor == 1 {
		return
	}
	for i := range samples {
		samples[i] *= factor
	}
}
