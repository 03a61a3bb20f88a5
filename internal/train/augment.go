package train

import (
	"math"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/op"
)

// siteAugment is where augmentation is drawn (see op.Random.Key).
const siteAugment = siteSpeed + 2

// augmentation makes recordings of other rooms, microphones and lines out of clean
// ones: reverberation, noise, an equalizer, a limited band, each with a probability of
// its own and in the order in which a recording meets them. What comes out is both
// what the codec encodes and what it is to reconstruct. The level stays: the peak is
// that of the input.
type augmentation struct {
	config.Augment
	rate float64 // samples a second
}

// enabled says whether any augmentation is on.
func (a augmentation) enabled() bool {
	return a.Room > 0 || a.Noise > 0 || a.Equalizer > 0 || a.BandLimit > 0
}

// apply returns x as number i of a step draws it. It leaves x alone.
func (a augmentation) apply(x []float32, random op.Random, i int) []float32 {
	if !a.enabled() || len(x) == 0 {
		return x
	}
	d := &draws{key: random.Key(siteAugment, i)}
	y := make([]float64, len(x))
	for t, v := range x {
		y[t] = float64(v)
	}
	before := peakOf(y)
	for _, effect := range []struct {
		probability float64
		apply       func(y []float64, d *draws)
	}{{a.Room, a.reverberate}, {a.Noise, a.addNoise}, {a.Equalizer, a.equalize}, {a.BandLimit, a.limitBand}} {
		if d.uniform(0, 1) < effect.probability {
			effect.apply(y, d)
		}
	}
	scale := 1.0
	if after := peakOf(y); after > 0 {
		scale = before / after
	}
	out := make([]float32, len(x))
	for t, v := range y {
		out[t] = float32(v * scale)
	}
	return out
}

// draws are the random numbers of one clip, one after the other.
type draws struct{ key, n uint64 }

func (d *draws) uniform(from, to float64) float64 {
	d.n++
	return from + (to-from)*op.Uniform(d.key, d.n-1)
}

// logUniform is even over the logarithm.
func (d *draws) logUniform(from, to float64) float64 {
	return math.Exp(d.uniform(math.Log(from), math.Log(to)))
}

func peakOf(y []float64) (peak float64) {
	for _, v := range y {
		peak = max(peak, math.Abs(v))
	}
	return peak
}

// reverberate adds the sound of a small room: four comb filters side by side, whose
// echoes die away by 60 dB in a tenth to half a second, and an allpass (Schroeder,
// "Natural Sounding Artificial Reverberation", J. Audio Eng. Soc. 10(3), 1962).
func (a augmentation) reverberate(y []float64, d *draws) {
	decay := d.logUniform(0.1, 0.5)
	wet := d.uniform(0.05, 0.35)
	sum := make([]float64, len(y))
	for range 4 {
		delay := d.uniform(0.012, 0.04)
		n := max(1, int(delay*a.rate))
		feedback := math.Pow(10, -3*delay/decay)
		line := make([]float64, n)
		for t, v := range y {
			at := t % n
			echo := line[at]
			line[at] = v + feedback*echo
			sum[t] += echo / 4
		}
	}
	n := max(1, int(d.uniform(0.003, 0.007)*a.rate))
	line := make([]float64, n)
	const gain = 0.6
	for t, v := range sum {
		at := t % n
		delayed := line[at]
		line[at] = v + gain*delayed
		y[t] += wet * (delayed - gain*line[at])
	}
}

// addNoise adds noise between white and brown, 15 to 45 dB below the speech.
func (a augmentation) addNoise(y []float64, d *draws) {
	color := d.uniform(0, 0.95)
	below := d.uniform(15, 45)
	noise := make([]float64, len(y))
	var last, energy, speech float64
	for t, v := range y {
		last = color*last + d.uniform(-1, 1)
		noise[t] = last
		energy += last * last
		speech += v * v
	}
	if energy == 0 {
		return
	}
	level := math.Sqrt(speech/energy) * math.Pow(10, -below/20)
	for t, v := range noise {
		y[t] += level * v
	}
}

// equalize raises or lowers three bands by up to 8 dB.
func (a augmentation) equalize(y []float64, d *draws) {
	for range 3 {
		peaking(d.logUniform(80, 8000)/a.rate, d.uniform(0.5, 1.5), d.uniform(-8, 8)).run(y)
	}
}

// limitBand leaves what a telephone lets through, 300 to 3400 Hz, or all below a
// frequency between 3.5 and 9 kHz.
func (a augmentation) limitBand(y []float64, d *draws) {
	edge := d.logUniform(3500, 9000)
	if d.uniform(0, 1) < 0.25 {
		edge = 3400
		highPass(300/a.rate, math.Sqrt2/2).run(y)
	}
	if edge >= 0.45*a.rate {
		return
	}
	for _, q := range butterworth8 {
		lowPass(edge/a.rate, q).run(y)
	}
}

// butterworth8 are the quality factors of the four sections of a Butterworth filter
// of order 8, 1/(2·cos((2i+1)π/16)).
var butterworth8 = [4]float64{0.5097955791041592, 0.6013448869350453, 0.8999762231364156, 2.5629154477415055}

// A biquad is a filter of second order, normalized to a0 = 1. Frequencies below are in
// cycles a sample (R. Bristow-Johnson, "Cookbook formulae for audio equalizer biquad
// filter coefficients").
type biquad struct{ b0, b1, b2, a1, a2 float64 }

func (f biquad) run(y []float64) {
	var x1, x2, y1, y2 float64
	for t, x := range y {
		v := f.b0*x + f.b1*x1 + f.b2*x2 - f.a1*y1 - f.a2*y2
		x1, x2, y1, y2 = x, x1, v, y1
		y[t] = v
	}
}

func lowPass(frequency, q float64) biquad {
	sin, cos := math.Sincos(2 * math.Pi * frequency)
	alpha := sin / (2 * q)
	return normalized(biquad{(1 - cos) / 2, 1 - cos, (1 - cos) / 2, -2 * cos, 1 - alpha}, 1+alpha)
}

func highPass(frequency, q float64) biquad {
	sin, cos := math.Sincos(2 * math.Pi * frequency)
	alpha := sin / (2 * q)
	return normalized(biquad{(1 + cos) / 2, -1 - cos, (1 + cos) / 2, -2 * cos, 1 - alpha}, 1+alpha)
}

func peaking(frequency, q, gainDB float64) biquad {
	sin, cos := math.Sincos(2 * math.Pi * frequency)
	alpha, a := sin/(2*q), math.Pow(10, gainDB/40)
	return normalized(biquad{1 + alpha*a, -2 * cos, 1 - alpha*a, -2 * cos, 1 - alpha/a}, 1+alpha/a)
}

func normalized(f biquad, a0 float64) biquad {
	return biquad{f.b0 / a0, f.b1 / a0, f.b2 / a0, f.a1 / a0, f.a2 / a0}
}
