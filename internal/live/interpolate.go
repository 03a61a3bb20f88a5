package live

import (
	"math"

	"github.com/facodec-go/facodec/internal/filterdesign"
	"github.com/facodec-go/facodec/internal/kernel"
)

// The design of the interpolation filter: flat to 0.88 of the lower Nyquist frequency,
// aliases and images 90 dB down.
const (
	zeroCrossings = 48
	rolloff       = 0.94
	tableRows     = 512 // per input sample; between rows lines are straight, 106 dB down
)

var kaiser = filterdesign.Kaiser(9)

// An interpolator reads a stream of samples at any step, which may change from sample to
// sample: it converts between rates that are not known exactly.
type interpolator struct {
	half  int       // input samples that an output sees to each side
	table []float32 // [tableRows+1][2·half]
	line  []float32 // input, from the window of the next output on
	frac  float64   // how far the next output lies behind line[half-1]
}

// newInterpolator returns one for steps of about step input samples.
func newInterpolator(step float64) *interpolator {
	scale := rolloff * min(1, 1/step)
	p := &interpolator{half: int(math.Ceil(zeroCrossings/scale/2)) * 2}
	taps := 2 * p.half
	p.table = make([]float32, (tableRows+1)*taps)
	for q := range tableRows + 1 {
		row := p.table[q*taps : (q+1)*taps]
		for k := range row {
			t := float64(k-p.half+1) - float64(q)/tableRows
			row[k] = float32(scale * filterdesign.Sinc(scale*t) * kaiser(t*scale/zeroCrossings))
		}
	}
	p.line = make([]float32, p.half-1, 8*taps) // before the first input, silence
	return p
}

// need returns how many input samples n outputs want beyond those that were pushed.
func (p *interpolator) need(n int, step float64) int {
	if n == 0 {
		return 0
	}
	last := int(p.frac + float64(n-1)*step)
	return max(0, last+2*p.half-len(p.line))
}

func (p *interpolator) push(samples []float32) { p.line = append(p.line, samples...) }

// fill makes outputs of what was pushed, step apart.
func (p *interpolator) fill(dst []float32, step float64) {
	taps := 2 * p.half
	from := 0
	for i := range dst {
		x := p.frac * tableRows
		q := int(x)
		window := p.line[from : from+taps]
		a := kernel.Dot(p.table[q*taps:(q+1)*taps], window)
		b := kernel.Dot(p.table[(q+1)*taps:(q+2)*taps], window)
		dst[i] = float32(a + (x-float64(q))*(b-a))
		p.frac += step
		whole := int(p.frac)
		from += whole
		p.frac -= float64(whole)
	}
	p.line = p.line[:copy(p.line, p.line[min(from, len(p.line)):])]
}
