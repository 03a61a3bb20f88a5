package audio

import (
	"math"

	"github.com/facodec-go/facodec/internal/filterdesign"
)

// The design of the resampling filter. 96 zero crossings under this Kaiser window
// leave a transition of 0.1 of the lower Nyquist frequency around the cut-off:
// flat below 0.905, more than 140 dB down above 1.005.
const (
	zeroCrossings = 96
	rolloff       = 0.958
)

var kaiser = filterdesign.Kaiser(14.77)

const (
	// exactCoefs is the largest table, in coefficients, that holds a row for
	// every phase: 4 MB. All pairs of common rates need less than a tenth of it.
	exactCoefs = 1 << 19
	// tableDensity is the number of rows per zero crossing of a table that is
	// interpolated between rows. Straight lines between rows leave images
	// (1/(2*density))² down, about -150 dB, and the table takes 7 MB.
	tableDensity = 4096
)

// filter is the sinc filter between two rates, as a table of rows of 2*half
// coefficients. Row q holds the filter for an output that lies q/rows input
// samples after the center of its window.
type filter struct {
	up, down int // the ratio to/from in lowest terms: phases per input sample, and the step of one output
	half     int // input samples that an output sees to each side
	rows     int // rows per input sample; the table has one more, as the end of the last interval
	table    []float64
}

func newFilter(from, to int) *filter {
	up, down := filterdesign.Ratio(from, to)
	f := &filter{up: up, down: down}
	// A lower output rate stretches the filter, so that it cuts at the output's
	// Nyquist frequency instead of the input's.
	scale := rolloff * min(1, float64(to)/float64(from))
	width := zeroCrossings / scale
	// Even, so that the number of coefficients is divisible by 4; see dot.
	f.half = int(math.Ceil(width/2)) * 2
	f.rows = f.up
	if f.up*2*f.half > exactCoefs {
		f.rows = int(math.Ceil(tableDensity * scale))
	}
	taps := 2 * f.half
	f.table = make([]float64, (f.rows+1)*taps)
	for q := 0; q <= f.rows; q++ {
		row := f.table[q*taps : (q+1)*taps]
		for k := range row {
			t := float64(k-f.half+1) - float64(q)/float64(f.rows) // from the output to the input, in input samples
			row[k] = scale * filterdesign.Sinc(scale*t) * kaiser(t/width)
		}
	}
	return f
}

// at returns the output that lies phase/up input samples after the center,
// window[half-1], of its window.
func (f *filter) at(window []float64, phase int) float64 {
	taps := len(window)
	if f.rows == f.up {
		return dot(f.table[phase*taps:(phase+1)*taps], window)
	}
	pos := int64(phase) * int64(f.rows)
	q := int(pos / int64(f.up))
	frac := float64(pos%int64(f.up)) / float64(f.up)
	a := dot(f.table[q*taps:(q+1)*taps], window)
	b := dot(f.table[(q+1)*taps:(q+2)*taps], window)
	return a + frac*(b-a)
}

// dot returns the sum of a[i]*b[i] in four fixed chains: the order does not depend
// on anything but the length, so chunked and whole input agree to the bit. One
// chain alone would wait four cycles for every addition.
func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	return (s0 + s1) + (s2 + s3)
}
