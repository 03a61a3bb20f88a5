package metric

import (
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
)

// MelDistance is the mel loss that the codec is trained on: for seven windows
// from 32 to 2048 samples with 5 to 320 bands, the mean absolute difference of
// log10(max(1e-5, mel)), summed; 0 is best. mel is the magnitude spectrum under
// area-normalized triangles on Slaney's scale, 0 Hz to half the rate. Two silent
// waves are equal: it is defined for silence. It serves one goroutine at a time.
type MelDistance struct {
	scales    []melScale
	magnitude []float64
	a, b      []float64
}

type melScale struct {
	*stft
	filters []dsp.MelFilter
}

// NewMelDistance prepares the distance for waves of a rate in Hz, 24000 for
// FAcodec. Its windows are counted in samples, so numbers at different rates are
// not comparable. It panics for a rate that is not positive.
func NewMelDistance(rate int) *MelDistance {
	if rate <= 0 {
		panic("metric: sample rate is not positive")
	}
	last := dsp.MelScales[len(dsp.MelScales)-1]
	d := &MelDistance{
		magnitude: make([]float64, last.Window/2+1),
		a:         make([]float64, last.Mels),
		b:         make([]float64, last.Mels),
	}
	for _, s := range dsp.MelScales {
		d.scales = append(d.scales, melScale{newSTFT(s.Window), dsp.SlaneyFilters(rate, s.Window, s.Mels)})
	}
	return d
}

// Distance compares two waves; fewer than 1025 samples, which the longest window
// cannot be reflected over, give NaN.
func (d *MelDistance) Distance(reference, degraded []float32) float64 {
	if !canCompare(reference, degraded, d.scales[len(d.scales)-1].least()) {
		return math.NaN()
	}
	var total float64
	for _, s := range d.scales {
		frames := s.frames(len(reference))
		var sum float64
		for t := range frames {
			d.bands(d.a, s, reference, t)
			d.bands(d.b, s, degraded, t)
			for i := range s.filters {
				sum += math.Abs(math.Log10(d.a[i] / d.b[i]))
			}
		}
		total += sum / float64(frames*len(s.filters))
	}
	return total
}

// bands writes the clamped mel bands of frame t.
func (d *MelDistance) bands(dst []float64, s melScale, x []float32, t int) {
	s.magnitude(d.magnitude, x, t)
	for i, f := range s.filters {
		var sum float64
		for k, w := range f.Weights {
			sum += w * d.magnitude[f.First+k]
		}
		dst[i] = max(logFloor, sum)
	}
}
