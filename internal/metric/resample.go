package metric

import (
	"math"

	"github.com/facodec-go/facodec/internal/filterdesign"
)

// A sincFilter converts sample rates as the program of STOI's authors does, by
// the resample function of Matlab, in the form in which Octave's signal package
// and pystoi have it: a sinc under a Kaiser window that stops 60 dB. A better
// resampler, audio's, moves frames across STOI's threshold of silence and its
// result by up to 0.005 on the clips of the tests, and then compares with no
// published number.
type sincFilter struct {
	up, down int
	half     int
	taps     []float64 // 2·half+1
}

// newSincFilter prepares the conversion between two rates in Hz.
func newSincFilter(from, to int) *sincFilter {
	up, down := filterdesign.Ratio(from, to)
	f := &sincFilter{up: up, down: down}
	const rejection = 60.0 // dB
	window := filterdesign.Kaiser(0.1102 * (rejection - 8.7))
	cutoff := 1 / float64(2*max(f.up, f.down))
	f.half = int(math.Ceil((rejection - 8) / (28.714 * cutoff / 10)))
	f.taps = make([]float64, 2*f.half+1)
	var sum float64
	for i := range f.taps {
		t := float64(i - f.half)
		f.taps[i] = window(t/float64(f.half)) * filterdesign.Sinc(2*cutoff*t)
		sum += f.taps[i]
	}
	for i := range f.taps {
		f.taps[i] *= float64(f.up) / sum
	}
	return f
}

// resample returns ceil(len(x)·up/down) samples; what lies outside x is silent.
func (f *sincFilter) resample(x []float32) []float64 {
	y := make([]float64, (len(x)*f.up+f.down-1)/f.down)
	for m := range y {
		at := m * f.down // in samples at up times the rate of x
		first := max(0, (at-f.half+f.up-1)/f.up)
		last := min(len(x)-1, (at+f.half)/f.up)
		tap := f.half + at - first*f.up
		var sum float64
		for _, v := range x[first : last+1] {
			sum += f.taps[tap] * float64(v)
			tap -= f.up
		}
		y[m] = sum
	}
	return y
}
