package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An STFT is a short-time Fourier transform: frames of Window samples, the size of
// the FFT, Hop samples apart, under a periodic Hann window, which is padded with
// zeros on both sides where it is shorter than the FFT, whose size
// dsp.FFTSizeSupported allows. It is read-only.
type STFT struct {
	Window, Hop int
	hann        []float32
	fft         *dsp.FFT
}

// NewSTFT prepares a transform whose window is as long as its FFT.
func NewSTFT(window, hop int) *STFT { return NewPaddedSTFT(window, window, hop) }

// NewPaddedSTFT prepares a transform whose window is centered in the FFT.
func NewPaddedSTFT(fft, window, hop int) *STFT {
	s := &STFT{Window: fft, Hop: hop, hann: make([]float32, fft), fft: dsp.NewFFT(fft)}
	for i := range window {
		s.hann[(fft-window)/2+i] = float32(0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(window)))
	}
	return s
}

// Bins returns the number of bins of a frame.
func (s *STFT) Bins() int { return s.Window/2 + 1 }

// stftLanes is the number of frames that are transformed side by side. A frame's
// values do not depend on its neighbors.
const stftLanes = 32

// reflected returns the index of the sample at each position of a signal of n
// samples that is padded by reflection, with left samples before it and right after
// it.
func reflected(n, left, right int) []int32 {
	index := make([]int32, left+n+right)
	for i := range index {
		at := i - left
		if at < 0 {
			at = -at
		}
		if at >= n {
			at = 2*(n-1) - at
		}
		index[i] = int32(at)
	}
	return index
}

// centered returns the positions of a signal of n samples with half a window of
// reflection on both sides, and the number of frames in them.
func (s *STFT) centered(n int) (index []int32, frames int) {
	return reflected(n, s.Window/2, s.Window/2), n/s.Hop + 1
}

// gather writes the windowed frames from first on, n of them, into x
// [window][lanes]; lanes without a frame are zero.
func (s *STFT) gather(x, wave []float32, index []int32, first, n int) {
	for l := range stftLanes {
		if l >= n {
			for i := range s.Window {
				x[i*stftLanes+l] = 0
			}
			continue
		}
		for i, from := range index[(first+l)*s.Hop:][:s.Window] {
			x[i*stftLanes+l] = wave[from] * s.hann[i]
		}
	}
}

// scatter adds the windowed frames in x to the positions that they were taken
// from, in the order of the frames.
func (s *STFT) scatter(wave, x []float32, index []int32, first, n int) {
	for l := range n {
		for i, to := range index[(first+l)*s.Hop:][:s.Window] {
			wave[to] += x[i*stftLanes+l] * s.hann[i]
		}
	}
}

// waveOf copies sequence b of x [B, N, 1].
func (r *Run) waveOf(x tensor.Tensor, b int) []float32 {
	wave := r.alloc(x.T)
	for t := range wave {
		wave[t] = x.Row(b, t)[0]
	}
	return wave
}

// STFT returns the frames of x [B, N, 1] at the positions of index, without the
// skip first and last ones: [B·frames, bins, 2], real and imaginary parts.
func (r *Run) STFT(s *STFT, x tensor.Tensor, index []int32, skip int) (y tensor.Tensor, frames int) {
	frames = (len(index)-s.Window)/s.Hop + 1 - 2*skip
	bins := s.Bins()
	y = r.New(x.B*frames, bins, 2)
	blocks := (frames + stftLanes - 1) / stftLanes
	waves := make([][]float32, x.B)
	for b := range waves {
		waves[b] = r.waveOf(x, b)
	}
	scratch := r.alloc(x.B * blocks * (s.Window + 2*bins) * stftLanes)
	r.pool.For(x.B*blocks, func(i int) {
		b, first := i/blocks, i%blocks*stftLanes
		n := min(stftLanes, frames-first)
		frame, re, im := s.split(scratch, i)
		s.gather(frame, waves[b], index, skip+first, n)
		s.fft.Forward(re, im, frame, stftLanes)
		for l := range n {
			for k := range bins {
				row := y.Row(b*frames+first+l, k)
				row[0], row[1] = re[k*stftLanes+l], im[k*stftLanes+l]
			}
		}
	})
	r.freeFloats(scratch)
	for _, w := range waves {
		r.freeFloats(w)
	}
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			scratch := r.alloc(x.B * blocks * (s.Window + 2*bins) * stftLanes)
			r.pool.For(x.B*blocks, func(i int) {
				b, first := i/blocks, i%blocks*stftLanes
				frame, re, im := s.split(scratch, i)
				clear(re)
				clear(im)
				for l := range min(stftLanes, frames-first) {
					for k := range bins {
						row := dy.Row(b*frames+first+l, k)
						re[k*stftLanes+l], im[k*stftLanes+l] = row[0], row[1]
					}
				}
				s.fft.Adjoint(frame, re, im, stftLanes)
			})
			r.accumulateGrad(x, r.scatterAll(s, scratch, x, index, skip, frames))
			r.freeFloats(scratch)
		})
	}
	return y, frames
}

// split returns the frames, real and imaginary parts of block i of scratch.
func (s *STFT) split(scratch []float32, i int) (frame, re, im []float32) {
	bins := s.Bins() * stftLanes
	block := scratch[i*(s.Window*stftLanes+2*bins):]
	frame, block = block[:s.Window*stftLanes], block[s.Window*stftLanes:]
	return frame, block[:bins], block[bins : 2*bins]
}

// scatterAll returns the sum of the frames in scratch, one block after the other:
// the gradient with respect to x.
func (r *Run) scatterAll(s *STFT, scratch []float32, x tensor.Tensor, index []int32, skip, frames int) tensor.Tensor {
	dx := r.Zeros(x.B, x.T, 1)
	blocks := (frames + stftLanes - 1) / stftLanes
	r.pool.For(x.B, func(b int) {
		wave := make([]float32, x.T)
		for i := range blocks {
			frame, _, _ := s.split(scratch, b*blocks+i)
			first := i * stftLanes
			s.scatter(wave, frame, index, skip+first, min(stftLanes, frames-first))
		}
		for t, v := range wave {
			dx.Row(b, t)[0] = v
		}
	})
	return dx
}

// ReflectPadded returns the positions of a signal of n samples that is extended by
// reflection, left and right, and then centered: with half a window of reflection
// of what that gave.
func (s *STFT) ReflectPadded(n, left, right int) []int32 {
	inner := reflected(n, left, right)
	outer := reflected(len(inner), s.Window/2, s.Window/2)
	for i, at := range outer {
		outer[i] = inner[at]
	}
	return outer
}
