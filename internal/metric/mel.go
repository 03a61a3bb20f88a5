package metric

import "math"

// melScales are the mel bands and the window of each scale of the mel loss
// (Kumar et al., "High-fidelity audio compression with improved RVQGAN", 2023,
// and its configuration, which the originals share).
var melScales = []struct{ mels, window int }{
	{5, 32}, {10, 64}, {20, 128}, {40, 256}, {80, 512}, {160, 1024}, {320, 2048},
}

// MelDistance is the mel loss that the codec is trained on: for seven windows
// from 32 to 2048 samples with 5 to 320 bands, the mean absolute difference of
// log10(max(1e-5, mel)), summed; 0 is best. mel is the magnitude spectrum under
// area-normalised triangles on Slaney's scale, 0 Hz to half the rate. Two silent
// waves are equal: it is defined for silence. It serves one goroutine at a time.
type MelDistance struct {
	scales    []melScale
	magnitude []float64
	a, b      []float64
}

type melScale struct {
	*stft
	filters []triangle
}

// triangle is one filter's weights from bin first on.
type triangle struct {
	first   int
	weights []float64
}

// NewMelDistance prepares the distance for waves of a rate in Hz, 24000 for
// FAcodec. Its windows are counted in samples, so numbers at different rates are
// not comparable. It panics for a rate that is not positive.
func NewMelDistance(rate int) *MelDistance {
	if rate <= 0 {
		panic("metric: sample rate is not positive")
	}
	last := melScales[len(melScales)-1]
	d := &MelDistance{
		magnitude: make([]float64, last.window/2+1),
		a:         make([]float64, last.mels),
		b:         make([]float64, last.mels),
	}
	for _, s := range melScales {
		d.scales = append(d.scales, melScale{newSTFT(s.window), slaneyFilters(rate, s.window, s.mels)})
	}
	return d
}

// Distance compares two waves; fewer than 1025 samples, which the longest window
// cannot be reflected over, give NaN.
func (d *MelDistance) Distance(reference, degraded []float32) float64 {
	if !sound(reference, degraded, d.scales[len(d.scales)-1].least()) {
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
		for k, w := range f.weights {
			sum += w * d.magnitude[f.first+k]
		}
		dst[i] = max(logFloor, sum)
	}
}

// slaneyFilters builds the filterbank as librosa.filters.mel does by default. A
// filter narrower than a bin may be empty: its band is then equal in all waves.
func slaneyFilters(rate, window, mels int) []triangle {
	nyquist := float64(rate) / 2
	top := slaneyMel(nyquist)
	edge := func(i int) float64 { return slaneyHz(top * float64(i) / float64(mels+1)) }
	filters := make([]triangle, mels)
	for i := range filters {
		low, mid, high := edge(i), edge(i+1), edge(i+2)
		for k := range window/2 + 1 {
			f := nyquist * float64(k) / float64(window/2)
			w := min((f-low)/(mid-low), (high-f)/(high-mid))
			if w <= 0 {
				continue
			}
			if filters[i].weights == nil {
				filters[i].first = k
			}
			filters[i].weights = append(filters[i].weights, w*2/(high-low))
		}
	}
	return filters
}

// Slaney's scale is linear to 1 kHz, 200/3 Hz a mel, and logarithmic above, 27
// mels for a factor of 6.4.
const (
	slaneyHzPerMel = 200.0 / 3
	slaneyBreak    = 1000.0
)

var slaneyStep = math.Log(6.4) / 27

func slaneyMel(hz float64) float64 {
	if hz < slaneyBreak {
		return hz / slaneyHzPerMel
	}
	return slaneyBreak/slaneyHzPerMel + math.Log(hz/slaneyBreak)/slaneyStep
}

func slaneyHz(mel float64) float64 {
	if mel < slaneyBreak/slaneyHzPerMel {
		return mel * slaneyHzPerMel
	}
	return slaneyBreak * math.Exp(slaneyStep*(mel-slaneyBreak/slaneyHzPerMel))
}
