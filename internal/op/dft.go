package op

import (
	"math"
	"sync"

	"github.com/facodec-go/facodec/internal/filterdesign"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A FrameSpectrum says how the networks that work at the frame rate see a waveform:
// frames of Window samples, an even multiple of Hop, under a periodic Hann window.
// The transform, of any even length, is a product with its cosines and its sines
// over half a frame, folded about the middle: of the sums of mirrored samples the
// real parts are made, of the differences the imaginary ones. It is read-only.
type FrameSpectrum struct {
	Window, Hop int
	hann        []float32
	squares     []float32 // of hann
	// [n][k] cos(2πnk/Window) and sin(2πnk/Window), both symmetric, so that they serve
	// the transform, its inverse and the gradients of both.
	cos, sin *kernel.Panels
}

var frameSpectra sync.Map // see perFrames

// NewFrameSpectrum returns the transform of frames of window samples, hop samples
// apart. It is made once.
func NewFrameSpectrum(window, hop int) *FrameSpectrum {
	return perFrames(&frameSpectra, window, hop, newFrameSpectrum)
}

// perFrames returns what is read-only and depends on the frames alone, made once for all who
// use it: made is a map of it by window and hop.
func perFrames[T any](made *sync.Map, window, hop int, compute func(window, hop int) T) T {
	key := [2]int{window, hop}
	once, ok := made.Load(key)
	if !ok {
		once, _ = made.LoadOrStore(key, sync.OnceValue(func() T { return compute(window, hop) }))
	}
	return once.(func() T)()
}

func newFrameSpectrum(window, hop int) *FrameSpectrum {
	s := &FrameSpectrum{Window: window, Hop: hop, hann: make([]float32, window), squares: make([]float32, window)}
	cosines, sines := make([]float32, window), make([]float32, window)
	for i, w := range filterdesign.Hann(window) {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(window))
		cosines[i], sines[i] = float32(cos), float32(sin)
		s.hann[i] = float32(w)
		s.squares[i] = float32(s.hann[i] * s.hann[i])
	}
	bins := s.Bins()
	s.cos, s.sin = kernel.NewPanels(nil, 1, bins, bins), kernel.NewPanels(nil, 1, bins, bins)
	for n := range bins {
		for k := range bins {
			at, turn := s.cos.Index(0, n, k), n*k%window
			s.cos.Data[at], s.sin.Data[at] = cosines[turn], sines[turn]
		}
	}
	return s
}

// Bins returns the number of bins of a frame, Window/2+1.
func (s *FrameSpectrum) Bins() int { return s.Window/2 + 1 }

// fold writes the sums and differences of the mirrored samples of one frame, each
// under the window. The middle and the first sample stand in the sums alone.
func (s *FrameSpectrum) fold(sums, differences, frame []float32) {
	n, half := s.Window, s.Window/2
	sums[0], differences[0] = s.hann[0]*frame[0], 0
	sums[half], differences[half] = s.hann[half]*frame[half], 0
	for i := 1; i < half; i++ {
		a, b := s.hann[i]*frame[i], s.hann[n-i]*frame[n-i]
		sums[i], differences[i] = a+b, a-b
	}
}

// unfold adds to frame, under the window, what sums and differences stand for: the
// transpose of fold.
func (s *FrameSpectrum) unfold(frame, sums, differences []float32) {
	n, half := s.Window, s.Window/2
	frame[0] += float32(s.hann[0] * sums[0])
	frame[half] += float32(s.hann[half] * sums[half])
	for i := 1; i < half; i++ {
		a, b := sums[i], differences[i]
		frame[i] += float32(s.hann[i] * (a + b))
		frame[n-i] += float32(s.hann[n-i] * (a - b))
	}
}

// times returns the product of the rows of x with cosines or sines.
func (r *Run) times(w *kernel.Panels, x tensor.Tensor) tensor.Tensor {
	return r.product(Filter{Panels: w}, ConvShape{K: 1, Stride: 1, Dilation: 1}, x, 0, x.T, nil)
}
