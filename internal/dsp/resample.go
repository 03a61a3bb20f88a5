package dsp

import "math"

// ResampleHann resamples as torchaudio's functional.resample with its defaults
// (sinc_interp_hann, width 6, rolloff 0.99): what the pretrained teachers heard.
// For everything that people hear use package audio's resampler. The result has
// ceil(to·len(x)/from) samples.
func ResampleHann(x []float32, from, to int) []float32 {
	const width, rolloff = 6, 0.99
	g := gcd(from, to)
	o, n := from/g, to/g
	base := rolloff * float64(min(o, n))
	w := int(math.Ceil(width * float64(o) / base))
	taps := make([][]float64, n)
	for p := range taps {
		taps[p] = make([]float64, 2*w+o)
		for j := range taps[p] {
			t := base * (-float64(p)/float64(n) + float64(j-w)/float64(o))
			t = max(-width, min(width, t))
			window := math.Cos(t * math.Pi / width / 2)
			taps[p][j] = sinc(t) * window * window * base / float64(o)
		}
	}
	y := make([]float32, (n*len(x)+o-1)/o)
	for i := range y {
		start := i/n*o - w
		var sum float64
		for j, tap := range taps[i%n] {
			if k := start + j; k >= 0 && k < len(x) {
				sum += tap * float64(x[k])
			}
		}
		y[i] = float32(sum)
	}
	return y
}

func sinc(t float64) float64 {
	if t == 0 {
		return 1
	}
	return math.Sin(math.Pi*t) / (math.Pi * t)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
