package op

import (
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// bandLoss returns a loss on the powers of bands of the frames of waveforms x and target,
// [B, 1, N] both: compare returns it for powers [B][band][frame], and puts its derivatives
// with respect to those of x in their place. Frames are centered, with half a window of
// reflection at both ends.
func (r *Run) bandLoss(s *STFT, filters dsp.Filterbank, x, target tensor.Tensor, weight float64,
	compare func(got, want [][][]float64) float64) float64 {
	same(x, target)
	centered := s.Centered()
	frames := s.frames(centered.length(x.C))
	blocks := (frames + stftLanes - 1) / stftLanes
	recording := r.Recording() && r.needsGrad(x) && weight != 0
	bins, bands := s.Bins()*stftLanes, len(filters)
	got, want := bandFrames(x.B, bands, frames), bandFrames(x.B, bands, frames)
	var spectra []float32 // of x
	if recording {
		spectra = r.alloc(x.B * blocks * 2 * bins)
	}
	waves, targets := r.extended(x, centered), r.extended(target, centered)
	r.pool.For(x.B*blocks, func(i int) {
		b, first := i/blocks, i%blocks*stftLanes
		count := min(stftLanes, frames-first)
		own := newScratch(s.Window*stftLanes + 3*bins + bands*stftLanes)
		defer own.free()
		frame, power, sums := own.take(s.Window*stftLanes), own.take(bins), own.take(bands*stftLanes)
		re, im := own.take(bins), own.take(bins)
		values := func(dst [][]float64, wave []float32) {
			s.gather(frame, wave, first, count)
			s.fft.Forward(re, im, frame, stftLanes)
			for k, v := range re {
				power[k] = float32(v*v) + float32(im[k]*im[k])
			}
			filters.Apply(sums, power, stftLanes)
			for j := range dst {
				for l := range count {
					dst[j][first+l] = float64(sums[j*stftLanes+l])
				}
			}
		}
		values(want[b], targets[b])
		if recording {
			re, im = spectra[i*2*bins:][:bins], spectra[i*2*bins+bins:][:bins]
		}
		values(got[b], waves[b])
	})
	r.freeAll(waves)
	r.freeAll(targets)
	loss := compare(got, want)
	if !recording {
		return loss
	}
	all := r.allocFrames(s, x.B, frames)
	r.pool.For(x.B*blocks, func(i int) {
		b, first := i/blocks, i%blocks*stftLanes
		count := min(stftLanes, frames-first)
		own := newScratch(s.Window*stftLanes + bins + bands*stftLanes)
		defer own.free()
		frame, d, sums := own.take(s.Window*stftLanes), own.take(bins), own.take(bands*stftLanes)
		clear(sums)
		for j, row := range got[b] {
			for l := range count {
				sums[j*stftLanes+l] = float32(2 * weight * row[first+l])
			}
		}
		filters.Adjoint(d, sums, stftLanes)
		re, im := spectra[i*2*bins:][:bins], spectra[i*2*bins+bins:][:bins]
		kernel.Mul(re, re, d)
		kernel.Mul(im, im, d)
		s.fft.Adjoint(frame, re, im, stftLanes)
		s.spread(all[b][first*s.Window:], frame, count)
	})
	r.freeFloats(spectra)
	dx := r.sumFrames(s, all, x, centered, 0)
	r.recordLoss(func() { r.accumulateGrad(x, dx) })
	return loss
}

// bandFrames returns memory for [batch][band][frame].
func bandFrames(batch, bands, frames int) [][][]float64 {
	all := make([][][]float64, batch)
	for b := range all {
		values := make([]float64, bands*frames)
		for j := range bands {
			all[b] = append(all[b], values[j*frames:][:frames:frames])
		}
	}
	return all
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
