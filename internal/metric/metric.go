// Package metric measures how close decoded speech is to the source: for
// validation during training and for the evaluation of a checkpoint on files.
//
// A metric that is undefined for its input, or whose input is faulty (waves or
// tracks of different lengths, too short, silent where that has no meaning, a
// sample that is NaN or infinite), is NaN and never a number that looks like a
// result; a Table counts such values and leaves them out of its means. Every
// other value is finite. Nothing depends on the number of threads.
//
// Waves are mono and of equal length: a codec's output is as long as its input, and
// cropping would hide an error.
package metric

import "math"

// canCompare reports whether two waves can be compared: one length, at least the least
// number of samples, and every sample a finite number.
func canCompare(reference, degraded []float32, least int) bool {
	return len(reference) == len(degraded) && len(reference) >= max(least, 1) &&
		finite(reference) && finite(degraded)
}

type float interface{ ~float32 | ~float64 }

func finite[T float](x []T) bool {
	for _, v := range x {
		if v-v != 0 { // NaN or infinite
			return false
		}
	}
	return true
}

// center subtracts the mean in place and returns the energy that is left: 0 for
// what is constant but for rounding, which float32 input cannot come near
// otherwise.
func center(x []float64) (energy float64) {
	var sum, before float64
	for _, v := range x {
		sum += v
		before += v * v
	}
	mean := sum / float64(len(x))
	for i := range x {
		x[i] -= mean
		energy += x[i] * x[i]
	}
	if energy <= 1e-20*before {
		return 0
	}
	return energy
}

func dot(x, y []float64) (sum float64) {
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// limitSISDR is where SI-SDR ends on both sides, in dB: float32 waves say little
// beyond it, and a mean over files stays finite.
const limitSISDR = 100

// SISDR returns the scale-invariant signal-to-distortion ratio of two waves in
// dB, higher is better (Le Roux et al., "SDR - half-baked or well done?", ICASSP
// 2019, section 2), after subtraction of each wave's mean, limited to -100 to
// 100: two equal waves have 100. It is NaN where either wave is silent or
// constant.
func SISDR(reference, degraded []float32) float64 {
	if !canCompare(reference, degraded, 2) {
		return math.NaN()
	}
	s, e := widen(reference), widen(degraded)
	target, estimate := center(s), center(e)
	if target == 0 || estimate == 0 {
		return math.NaN()
	}
	scale := dot(s, e) / target
	var noise float64
	for i, v := range s {
		d := e[i] - scale*v
		noise += d * d
	}
	ratio := 10 * math.Log10(scale*scale*target/noise) // ±Inf where a part is zero
	return max(-limitSISDR, min(limitSISDR, ratio))
}
