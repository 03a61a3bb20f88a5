package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A SpectralLoss compares the magnitude spectra of two waveforms, or the bands of a
// filterbank applied to them. It is read-only.
type SpectralLoss struct {
	*STFT
	// Filters, if not nil, are applied to the magnitudes.
	Filters dsp.Filterbank
	// Log is the factor on log10(max(1e-5, v)); Linear that on v itself. The loss is
	// the mean absolute difference of each, over all elements.
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

// Spectral returns the loss between x and target, [B, N, 1] both: frames are
// centered, with half a window of reflection at both ends.
func (r *Run) Spectral(s *SpectralLoss, x, target tensor.Tensor, weight float64) float64 {
	same(x, target)
	index, frames := s.centered(x.T)
	blocks := (frames + stftLanes - 1) / stftLanes
	recording := r.Recording() && r.needsGrad(x) && weight != 0
	bins, rows := s.Bins()*stftLanes, s.rows()*stftLanes
	var scratch []float32 // the gradients of the frames
	if recording {
		scratch = r.alloc(x.B * blocks * (s.Window*stftLanes + 2*bins))
	}
	waves, targets := make([][]float32, x.B), make([][]float32, x.B)
	for b := range waves {
		waves[b], targets[b] = r.waveOf(x, b), r.waveOf(target, b)
	}
	n := float64(x.B * frames * s.rows())
	sums := make([]float64, x.B*blocks)
	r.pool.For(len(sums), func(i int) {
		b, first := i/blocks, i%blocks*stftLanes
		count := min(stftLanes, frames-first)
		own := make([]float32, s.Window*stftLanes+4*bins+2*rows)
		cut := func(n int) (v []float32) { v, own = own[:n], own[n:]; return v }
		frame, re, im, magnitude, spare := cut(s.Window*stftLanes), cut(bins), cut(bins), cut(bins), cut(bins)
		got, want := cut(rows), cut(rows)
		s.gather(frame, targets[b], index, first, count)
		s.fft.Forward(re, im, frame, stftLanes)
		s.values(want, magnitude, re, im)
		s.gather(frame, waves[b], index, first, count)
		s.fft.Forward(re, im, frame, stftLanes)
		s.values(got, magnitude, re, im)
		sums[i] = s.compare(got, want, count, float32(weight/n))
		if recording {
			s.backward(spare, got, magnitude, re, im)
			frame, _, _ := s.split(scratch, i)
			s.fft.Adjoint(frame, re, im, stftLanes)
		}
	})
	for b := range waves {
		r.freeFloats(waves[b])
		r.freeFloats(targets[b])
	}
	if recording {
		dx := r.scatterAll(s.STFT, scratch, x, index, 0, frames)
		r.freeFloats(scratch)
		r.recordLoss(func() { r.accumulateGrad(x, dx) })
	}
	var total float64
	for _, v := range sums {
		total += v
	}
	return total / n
}

// values writes the magnitudes and the values to compare, which are their bands or
// the magnitudes themselves.
func (s *SpectralLoss) values(dst, magnitude, re, im []float32) {
	for i, v := range re {
		magnitude[i] = float32(math.Sqrt(float64(v*v + im[i]*im[i])))
	}
	if s.Filters == nil {
		copy(dst, magnitude)
		return
	}
	s.Filters.Apply(dst, magnitude, stftLanes)
}

// compare returns the sum of the losses of the first count lanes and overwrites got
// with their derivative times scale.
func (s *SpectralLoss) compare(got, want []float32, count int, scale float32) float64 {
	var total float64
	for i := 0; i < len(got); i += stftLanes {
		for l := range count {
			g, w := got[i+l], want[i+l]
			var d float32
			if s.Log != 0 {
				a, b := math.Log10(float64(max(g, spectralFloor))), math.Log10(float64(max(w, spectralFloor)))
				total += s.Log * math.Abs(a-b)
				if g >= spectralFloor {
					d += float32(s.Log/math.Ln10) / g * sign(a-b)
				}
			}
			if s.Linear != 0 {
				e := float64(g) - float64(w)
				total += s.Linear * math.Abs(e)
				d += float32(s.Linear) * sign(e)
			}
			got[i+l] = d * scale
		}
		clear(got[i+count : i+stftLanes])
	}
	return total
}

func sign(v float64) float32 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// backward turns the derivative with respect to the values compared into that with
// respect to the real and imaginary parts, over which it is written.
func (s *SpectralLoss) backward(spare, d, magnitude, re, im []float32) {
	if s.Filters != nil {
		s.Filters.Adjoint(spare, d, stftLanes)
		d = spare
	}
	for i, m := range magnitude {
		if m == 0 {
			re[i], im[i] = 0, 0
			continue
		}
		g := d[i] / m
		re[i] *= g
		im[i] *= g
	}
}
