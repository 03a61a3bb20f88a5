package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A SpectralLoss compares the magnitude spectra of two waveforms, or the bands of a
// filterbank applied to them. It is read-only.
type SpectralLoss struct {
	*STFT
	// Filters, if not nil, are applied to the magnitudes.
	Filters dsp.Filterbank
	// Log is the factor on log10(max(1e-5, v)); Linear that on v itself. The loss is
	// the mean absolute difference of each, over all elements. Neither is negative.
	Log, Linear float64
}

// spectralFloor is what magnitudes are clamped to before their logarithm is taken.
const spectralFloor = 1e-5

// Rows returns the number of values of a frame.
func (s *SpectralLoss) rows() int {
	if s.Filters != nil {
		return len(s.Filters)
	}
	return s.Bins()
}

// Spectral returns the loss between waveforms x and target, [B, 1, N] both: frames are
// centered, with half a window of reflection at both ends.
func (r *Run) Spectral(s *SpectralLoss, x, target tensor.Tensor, weight float64) float64 {
	same(x, target)
	centered := s.Centered()
	frames := s.frames(centered.length(x.C))
	blocks := (frames + stftLanes - 1) / stftLanes
	recording := r.Recording() && r.needsGrad(x) && weight != 0
	bins, rows := s.Bins()*stftLanes, s.rows()*stftLanes
	var all [][]float32 // the gradients of the frames
	if recording {
		all = r.allocFrames(s.STFT, x.B, frames)
	}
	waves, targets := r.extended(x, centered), r.extended(target, centered)
	n := float64(x.B * frames * s.rows())
	sums := make([]float64, x.B*blocks)
	r.pool.For(len(sums), func(i int) {
		b, first := i/blocks, i%blocks*stftLanes
		count := min(stftLanes, frames-first)
		own := newScratch(s.Window*stftLanes + 4*bins + 2*rows)
		defer own.free()
		frame, re, im, magnitude, spare := own.take(s.Window*stftLanes), own.take(bins), own.take(bins), own.take(bins), own.take(bins)
		got, want := own.take(rows), own.take(rows)
		values := func(dst, wave []float32) {
			s.gather(frame, wave, first, count)
			s.fft.Forward(re, im, frame, stftLanes)
			if s.Filters == nil {
				kernel.Magnitude(dst, re, im)
				return
			}
			kernel.Magnitude(magnitude, re, im)
			s.Filters.Apply(dst, magnitude, stftLanes)
		}
		values(want, targets[b])
		values(got, waves[b])
		if s.Filters == nil {
			copy(magnitude, got)
		}
		kernel.SpectralDistance(got, want, spectralFloor, float32(s.Log/math.Ln10), float32(s.Linear))
		sums[i] = kernel.Sum(want) // lanes without a frame have no distance
		if recording {
			kernel.Scale(got, got, float32(weight/n))
			d := got
			if s.Filters != nil {
				s.Filters.Adjoint(spare, got, stftLanes)
				d = spare
			}
			kernel.MagnitudeGrad(re, im, d, magnitude)
			s.fft.Adjoint(frame, re, im, stftLanes)
			s.spread(all[b][first*s.Window:], frame, count)
		}
	})
	r.freeAll(waves)
	r.freeAll(targets)
	if recording {
		dx := r.sumFrames(s.STFT, all, x, centered, 0)
		r.recordLoss(func() { r.accumulateGrad(x, dx) })
	}
	var total float64
	for _, v := range sums {
		total += v
	}
	return total / n
}
