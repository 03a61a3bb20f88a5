package op

import (
	"sync"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/filterdesign"
	"github.com/facodec-go/facodec/internal/kernel"
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
	for i, w := range filterdesign.Hann(window) {
		s.hann[(fft-window)/2+i] = float32(w)
	}
	return s
}

// Bins returns the number of bins of a frame.
func (s *STFT) Bins() int { return s.Window/2 + 1 }

// stftLanes is the number of frames that are transformed side by side, the width of the
// rows of kernel.ScaleRows. A frame's values do not depend on its neighbors.
const stftLanes = 2 * kernel.Width

// A Reflection is the samples by which a signal is extended by reflection before its first
// and behind its last one, each time by so many; the next time it is what came of that.
type Reflection [][2]int

// Centered extends a signal by half a window on both sides.
func (s *STFT) Centered() Reflection { return Reflection{{s.Window / 2, s.Window / 2}} }

// ReflectPadded extends a signal by left and right samples, and then centers it: by half
// a window of what that gave.
func (s *STFT) ReflectPadded(left, right int) Reflection {
	return append(Reflection{{left, right}}, s.Centered()...)
}

// length returns the number of samples that n become.
func (p Reflection) length(n int) int {
	for _, side := range p {
		n += side[0] + side[1]
	}
	return n
}

// Fits reports whether a signal of n samples is long enough: every sample is reflected
// about the first or the last one to one of the signal.
func (p Reflection) Fits(n int) bool {
	for _, side := range p {
		if max(side[0], side[1]) >= n {
			return false
		}
		n += side[0] + side[1]
	}
	return true
}

// apply writes the extended signal of wave to dst, length(len(wave)) samples.
func (p Reflection) apply(dst, wave []float32) {
	at, n := 0, len(wave)
	for _, side := range p {
		at += side[0]
	}
	copy(dst[at:], wave)
	for _, side := range p {
		x := dst[at-side[0]:][:side[0]+n+side[1]]
		for i := range side[0] {
			x[i] = x[2*side[0]-i]
		}
		end := side[0] + n
		for i := range side[1] {
			x[end+i] = x[end-2-i]
		}
		at, n = at-side[0], len(x)
	}
}

// adjoint adds, in d, an extended signal of n samples, the gradient of each reflected
// sample to that of the one that it was taken from, and returns the gradient of the n.
func (p Reflection) adjoint(d []float32, n int) []float32 {
	for len(p) > 0 {
		side := p[len(p)-1]
		p = p[:len(p)-1]
		end := len(d) - side[1]
		for i := range side[0] {
			d[2*side[0]-i] += d[i]
		}
		for i := range side[1] {
			d[end-2-i] += d[end+i]
		}
		d = d[side[0]:end]
	}
	return d[:n]
}

// extended returns the extended signal of each waveform of x [B, 1, N].
func (r *Run) extended(x tensor.Tensor, p Reflection) [][]float32 {
	waves := make([][]float32, x.B)
	for b := range waves {
		waves[b] = r.alloc(p.length(x.C))
		p.apply(waves[b], x.Row(b, 0))
	}
	return waves
}

func (r *Run) freeAll(all [][]float32) {
	for _, v := range all {
		r.freeFloats(v)
	}
}

// frames returns the number of frames of n samples.
func (s *STFT) frames(n int) int { return (n-s.Window)/s.Hop + 1 }

// gather writes the windowed frames from first on, n of them, into x
// [window][lanes]; lanes without a frame are zero.
func (s *STFT) gather(x, wave []float32, first, n int) {
	if n < stftLanes {
		clear(x)
	}
	kernel.Transpose(x, stftLanes, wave[first*s.Hop:], s.Hop, n, s.Window)
	kernel.ScaleRows(x, s.hann)
}

// spread is the adjoint of gather, but for the sum of what overlaps: it writes n
// windowed frames one behind the other. x is overwritten.
func (s *STFT) spread(frames, x []float32, n int) {
	kernel.ScaleRows(x, s.hann)
	kernel.Transpose(frames, s.Window, x, stftLanes, s.Window, n)
}

// sumFrames returns the gradient with respect to x [B, 1, N] from the frames of each
// waveform, which lie one behind the other, those from frame skip on; it takes frames.
func (r *Run) sumFrames(s *STFT, frames [][]float32, x tensor.Tensor, p Reflection, skip int) tensor.Tensor {
	dx := r.New(x.B, 1, x.C)
	waves := make([][]float32, x.B)
	for b := range waves {
		waves[b] = r.alloc(p.length(x.C))
	}
	r.pool.For(x.B, func(b int) {
		wave := waves[b]
		clear(wave)
		for i := 0; i < len(frames[b])/s.Window; i++ {
			to := wave[(skip+i)*s.Hop:][:s.Window]
			kernel.Add(to, to, frames[b][i*s.Window:])
		}
		copy(dx.Row(b, 0), p.adjoint(wave, x.C))
	})
	r.freeAll(waves)
	r.freeAll(frames)
	return dx
}

// allocFrames returns memory for so many frames of each waveform.
func (r *Run) allocFrames(s *STFT, b, frames int) [][]float32 {
	all := make([][]float32, b)
	for i := range all {
		all[i] = r.alloc(frames * s.Window)
	}
	return all
}

// A scratch is memory for one call of a loop's body, which may not allocate from the run.
type scratch struct{ all, rest []float32 }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// newScratch returns n values in all; free gives them back.
func newScratch(n int) *scratch {
	s := scratches.Get().(*scratch)
	if len(s.all) < n {
		s.all = make([]float32, n)
	}
	s.rest = s.all
	return s
}

// take returns the next n values, which are not zeroed.
func (s *scratch) take(n int) (v []float32) {
	v, s.rest = s.rest[:n:n], s.rest[n:]
	return v
}

func (s *scratch) free() { scratches.Put(s) }

// STFT returns the spectrograms of waveforms x [B, 1, N] that are extended by p, without
// the skip first and last frames: images with a border of one frame, [B, frames, bins, 2],
// real and imaginary parts.
func (r *Run) STFT(s *STFT, x tensor.Tensor, p Reflection, skip int) Image {
	frames, bins := s.frames(p.length(x.C))-2*skip, s.Bins()
	y := r.newImage(x.B, frames, bins, 2, 1)
	blocks := (frames + stftLanes - 1) / stftLanes
	waves := r.extended(x, p)
	size := (s.Window + 2*bins) * stftLanes
	r.pool.For(x.B*blocks, func(i int) {
		b, first := i/blocks, i%blocks*stftLanes
		n := min(stftLanes, frames-first)
		own := newScratch(size)
		defer own.free()
		frame, re, im := own.take(s.Window*stftLanes), own.take(bins*stftLanes), own.take(bins*stftLanes)
		s.gather(frame, waves[b], skip+first, n)
		s.fft.Forward(re, im, frame, stftLanes)
		for l := range n {
			i := b*frames + first + l
			dst := y.bins(i, 0, bins)
			for k := range bins {
				dst[2*k], dst[2*k+1] = re[k*stftLanes+l], im[k*stftLanes+l]
			}
			y.clearAround(i)
		}
	})
	r.freeAll(waves)
	if r.Recording() && r.needsGrad(x) {
		shape := y
		r.record(&y.Tensor, func(dy tensor.Tensor) {
			d, all := shape.with(dy), r.allocFrames(s, x.B, frames)
			r.pool.For(x.B*blocks, func(i int) {
				b, first := i/blocks, i%blocks*stftLanes
				n := min(stftLanes, frames-first)
				own := newScratch(size)
				defer own.free()
				frame, re, im := own.take(s.Window*stftLanes), own.take(bins*stftLanes), own.take(bins*stftLanes)
				if n < stftLanes {
					clear(re)
					clear(im)
				}
				for l := range n {
					src := d.bins(b*frames+first+l, 0, bins)
					for k := range bins {
						re[k*stftLanes+l], im[k*stftLanes+l] = src[2*k], src[2*k+1]
					}
				}
				s.fft.Adjoint(frame, re, im, stftLanes)
				s.spread(all[b][first*s.Window:], frame, n)
			})
			r.accumulateGrad(x, r.sumFrames(s, all, x, p, skip))
		})
	}
	return y
}

// Waveforms returns x [B, N, 1] as waveforms [B, 1, N]: a row of samples each, without
// the padding of a row for every sample. Losses and discriminators work on them.
func (r *Run) Waveforms(x tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, 1, x.T)
	for b := range x.B {
		r.pool.Split(x.T, grainValues/x.Stride+1, func(from, to int) {
			dst, src := y.Row(b, 0)[from:to], x.Rows(b, from, to)
			for t := range dst {
				dst[t] = src[t*x.Stride]
			}
		})
	}
	if r.Recording() && r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(x.B, x.T, 1)
			for b := range x.B {
				r.pool.Split(x.T, grainValues/dx.Stride+1, func(from, to int) {
					dst := dx.Rows(b, from, to)
					clear(dst)
					for t, v := range dy.Row(b, 0)[from:to] {
						dst[t*dx.Stride] = v
					}
				})
			}
			r.accumulateGrad(x, dx)
		})
	}
	return y
}
