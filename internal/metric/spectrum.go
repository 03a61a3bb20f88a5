package metric

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/facodec-go/facodec/internal/filterdesign"
)

// stft computes the magnitudes of a short-time Fourier transform as torch.stft
// does by default: centered frames, reflected ends, a periodic Hann window as
// long as the transform; the hop is a quarter of it.
type stft struct {
	size, hop int
	window    []float64
	fft       *fourier.FFT
	frame     []float64
	coeff     []complex128
}

func newSTFT(size int) *stft {
	s := &stft{
		size:   size,
		hop:    size / 4,
		window: filterdesign.Hann(size),
		fft:    fourier.NewFFT(size),
		frame:  make([]float64, size),
		coeff:  make([]complex128, size/2+1),
	}
	return s
}

// frames returns how many frames n samples have.
func (s *stft) frames(n int) int { return n/s.hop + 1 }

// least returns the fewest samples that can be reflected.
func (s *stft) least() int { return s.size/2 + 1 }

// magnitude writes frame t of x, size/2+1 values.
func (s *stft) magnitude(dst []float64, x []float32, t int) {
	start := t*s.hop - s.size/2
	last := len(x) - 1
	for i, w := range s.window {
		k := start + i
		if k < 0 {
			k = -k
		} else if k > last {
			k = 2*last - k
		}
		s.frame[i] = w * float64(x[k])
	}
	s.fft.Coefficients(s.coeff, s.frame)
	for i, c := range s.coeff {
		dst[i] = math.Sqrt(real(c)*real(c) + imag(c)*imag(c))
	}
}

// logFloor is what magnitudes are clamped to before their logarithm is taken.
const logFloor = 1e-5

// STFTDistance is the multi-scale STFT loss that upstream logs: summed over windows
// of 2048 and 512 samples, the mean absolute difference of log10(max(1e-5,
// magnitude)²) and that of the magnitudes; 0 is best. Two silent waves are equal:
// it is defined for silence. It serves one goroutine at a time.
type STFTDistance struct {
	scales []*stft
	a, b   []float64
}

// NewSTFTDistance prepares the distance. Its windows are counted in samples, so
// numbers at different sample rates are not comparable.
func NewSTFTDistance() *STFTDistance {
	return &STFTDistance{
		scales: []*stft{newSTFT(2048), newSTFT(512)},
		a:      make([]float64, 2048/2+1),
		b:      make([]float64, 2048/2+1),
	}
}

// Distance compares two waves; fewer than 1025 samples, which the longest window
// cannot be reflected over, give NaN.
func (d *STFTDistance) Distance(reference, degraded []float32) float64 {
	if !canCompare(reference, degraded, d.scales[0].least()) {
		return math.NaN()
	}
	var total float64
	for _, s := range d.scales {
		bins, frames := s.size/2+1, s.frames(len(reference))
		var sum float64
		for t := range frames {
			s.magnitude(d.a, reference, t)
			s.magnitude(d.b, degraded, t)
			for k, a := range d.a[:bins] {
				b := d.b[k]
				sum += 2*math.Abs(math.Log10(max(logFloor, a)/max(logFloor, b))) + math.Abs(a-b)
			}
		}
		total += sum / float64(frames*bins)
	}
	return total
}
