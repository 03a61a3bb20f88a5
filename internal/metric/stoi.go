package metric

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/filterdesign"
)

// What STOI is computed with (Taal et al. 2011, section II).
const (
	stoiRate    = 10000                 // Hz
	stoiWindow  = 256                   // samples of a frame
	stoiHop     = stoiWindow / 2        // samples from frame to frame
	stoiFFT     = 2 * stoiWindow        // a frame is padded with zeros to this
	stoiBands   = 15                    // one-third octaves
	stoiLowest  = 150.0                 // Hz, the center of the first band
	stoiSegment = 30                    // frames, 384 ms
	stoiRange   = 40.0                  // dB below the loudest frame: a frame under it is silent
	stoiClip    = 15.0                  // dB, the lower bound of a band's signal-to-distortion ratio, negated
	epsilon     = 2.220446049250313e-16 // keeps empty bands from dividing by zero
)

// STOI is the short-time objective intelligibility (Taal, Hendriks, Heusdens and
// Jensen, "An algorithm for intelligibility prediction of time-frequency
// weighted noisy speech", IEEE TASLP 19(7), 2011) and its extended form (Jensen
// and Taal, IEEE/ACM TASLP 24(11), 2016): about 0, nothing is understood, to 1.
// What a paper leaves open (the last frame, which bins a band has) is as in the
// authors' program and in pystoi. It serves one goroutine at a time.
type STOI struct {
	rate   *sincFilter // nil at 10 kHz
	window []float64
	edges  [stoiBands][2]int // a band has the bins from one to before the other
	fft    *fourier.FFT
	frame  []float64
	coeff  []complex128
}

// NewSTOI prepares the metric for waves of a rate in Hz, audio.MinRate to
// audio.MaxRate.
func NewSTOI(rate int) (*STOI, error) {
	if rate < audio.MinRate || rate > audio.MaxRate {
		return nil, fmt.Errorf("STOI at %d Hz: %w", rate, audio.ErrRate)
	}
	s := &STOI{
		window: filterdesign.Hann(stoiWindow + 1)[1:], // the symmetric one without its two zeros
		fft:    fourier.NewFFT(stoiFFT),
		frame:  make([]float64, stoiFFT),
		coeff:  make([]complex128, stoiFFT/2+1),
	}
	if rate != stoiRate {
		s.rate = newSincFilter(rate, stoiRate)
	}
	for j := range s.edges {
		for side := range 2 {
			hz := stoiLowest * math.Pow(2, float64(2*j-1+2*side)/6)
			// The bin nearest to the edge; none lies in the middle between two.
			s.edges[j][side] = int(math.Round(hz * stoiFFT / stoiRate))
		}
	}
	return s, nil
}

// Measure returns the intelligibility of a degraded wave. It is NaN where the
// reference is silent, or has fewer than 31 frames of 12.8 ms that are not, which
// make no segment. A silent degraded wave has 0.
func (s *STOI) Measure(reference, degraded []float32) float64 {
	x, y, ok := s.spectra(reference, degraded)
	if !ok {
		return math.NaN()
	}
	clip := 1 + math.Pow(10, stoiClip/20)
	segments := len(x[0]) - stoiSegment + 1
	a, b := make([]float64, stoiSegment), make([]float64, stoiSegment)
	var sum float64
	for j := range x {
		for m := range segments {
			copy(a, x[j][m:])
			copy(b, y[j][m:])
			scale := norm(a) / (norm(b) + epsilon)
			for i, v := range a {
				b[i] = min(b[i]*scale, v*clip)
			}
			subtractMean(a)
			subtractMean(b)
			sum += dot(a, b) / ((norm(a) + epsilon) * (norm(b) + epsilon))
		}
	}
	return sum / float64(segments*stoiBands)
}

// Extended returns the extended intelligibility: the bands of a segment are
// normalized over time, then its frames over the bands, and correlated. It is
// NaN where Measure is. A band or a frame without variation counts as 0.
func (s *STOI) Extended(reference, degraded []float32) float64 {
	x, y, ok := s.spectra(reference, degraded)
	if !ok {
		return math.NaN()
	}
	segments := len(x[0]) - stoiSegment + 1
	var a, b [stoiSegment][stoiBands]float64
	var sum float64
	for m := range segments {
		normalizeSegment(&a, x, m)
		normalizeSegment(&b, y, m)
		for i := range a {
			sum += dot(a[i][:], b[i][:])
		}
	}
	return sum / float64(segments*stoiSegment)
}

// normalizeSegment writes the segment from frame m on.
func normalizeSegment(dst *[stoiSegment][stoiBands]float64, spectrum [][]float64, m int) {
	var band [stoiSegment]float64
	for j := range spectrum {
		copy(band[:], spectrum[j][m:])
		normalize(band[:])
		for i, v := range band {
			dst[i][j] = v
		}
	}
	for i := range dst {
		normalize(dst[i][:])
	}
}

// normalize gives x mean 0 and norm 1, or zeros where nothing varies.
func normalize(x []float64) {
	energy := center(x)
	if energy == 0 {
		clear(x)
		return
	}
	scale := 1 / math.Sqrt(energy)
	for i := range x {
		x[i] *= scale
	}
}

func norm(x []float64) float64 { return math.Sqrt(dot(x, x)) }

func subtractMean(x []float64) {
	var sum float64
	for _, v := range x {
		sum += v
	}
	for i := range x {
		x[i] -= sum / float64(len(x))
	}
}

// spectra returns the magnitudes of the two waves at 10 kHz without the silent
// frames of the reference, [band][frame]; false where there is no segment.
func (s *STOI) spectra(reference, degraded []float32) (x, y [][]float64, ok bool) {
	if !canCompare(reference, degraded, 1) {
		return nil, nil, false
	}
	r, d := s.resample(reference), s.resample(degraded)
	keep := s.audible(r)
	if len(keep) < stoiSegment+1 { // the last frame of what is kept is not used
		return nil, nil, false
	}
	return s.bands(s.join(r, keep)), s.bands(s.join(d, keep)), true
}

func (s *STOI) resample(x []float32) []float64 {
	if s.rate == nil {
		return widen(x)
	}
	return s.rate.resample(x)
}

// audible returns where the frames of x start that are not silent, none for a
// wave of zeros.
func (s *STOI) audible(x []float64) (keep []int) {
	var levels []float64
	loudest := math.Inf(-1)
	var energy float64
	for start := 0; start < len(x)-stoiWindow; start += stoiHop {
		var sum float64
		for i, w := range s.window {
			v := w * x[start+i]
			sum += v * v
		}
		energy += sum
		level := 20 * math.Log10(math.Sqrt(sum)+epsilon)
		levels = append(levels, level)
		loudest = max(loudest, level)
	}
	if energy == 0 {
		return nil
	}
	for i, level := range levels {
		if loudest-stoiRange < level {
			keep = append(keep, i*stoiHop)
		}
	}
	return keep
}

// join adds up the windowed frames that are kept as if they followed each other.
func (s *STOI) join(x []float64, keep []int) []float64 {
	y := make([]float64, (len(keep)-1)*stoiHop+stoiWindow)
	for n, start := range keep {
		for i, w := range s.window {
			y[n*stoiHop+i] += w * x[start+i]
		}
	}
	return y
}

// bands returns the magnitudes in one-third octaves, [band][frame].
func (s *STOI) bands(x []float64) [][]float64 {
	out := make([][]float64, stoiBands)
	clear(s.frame[stoiWindow:])
	for start := 0; start < len(x)-stoiWindow; start += stoiHop {
		for i, w := range s.window {
			s.frame[i] = w * x[start+i]
		}
		s.fft.Coefficients(s.coeff, s.frame)
		for j, edge := range s.edges {
			var sum float64
			for _, c := range s.coeff[edge[0]:edge[1]] {
				sum += real(c)*real(c) + imag(c)*imag(c)
			}
			out[j] = append(out[j], math.Sqrt(sum))
		}
	}
	return out
}
