package op

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An EnvelopeLoss compares how the magnitudes of bands rise and fall in two waveforms, as
// the measures of intelligibility do: STOI (Taal et al., "An Algorithm for Intelligibility
// Prediction of Time-Frequency Weighted Noisy Speech", 2011), which correlates each band
// over time, and ESTOI (Jensen and Taal, "An Algorithm for Predicting the Intelligibility of
// Speech Masked by Modulated Noise Maskers", 2016), which then correlates each frame over
// the bands. It is read-only.
type EnvelopeLoss struct {
	*STFT
	Bands   dsp.Filterbank // of the power of the bins
	Segment int            // frames that are correlated
}

const (
	// segmentSteps are the segments that begin within the length of one.
	segmentSteps = 9
	// quietSegment is the energy, as a part of that of the loudest segment, below which
	// one does not count.
	quietSegment = 1e-4
	// envelopeFloor is added to powers, and to squared lengths of what is normalized.
	envelopeFloor = 1e-8
)

// Envelope returns the loss between waveforms x and target, [B, 1, N] both: 1 minus the mean
// of both correlations, from 0 to 2, over all segments that are not quiet in target; 0
// where there is none. Frames are centered, with half a window of reflection at both ends.
func (r *Run) Envelope(s *EnvelopeLoss, x, target tensor.Tensor, weight float64) float64 {
	same(x, target)
	centered := s.Centered()
	frames := s.frames(centered.length(x.C))
	blocks := (frames + stftLanes - 1) / stftLanes
	recording := r.Recording() && r.needsGrad(x) && weight != 0
	bins, bands := s.Bins()*stftLanes, len(s.Bands)
	got, want := envelopes(x.B, bands, frames), envelopes(x.B, bands, frames)
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
		re, im := own.take(bins), []float32(nil)
		values := func(dst [][]float64, wave []float32) {
			s.gather(frame, wave, first, count)
			s.fft.Forward(re, im, frame, stftLanes)
			for k, v := range re {
				power[k] = float32(v*v) + float32(im[k]*im[k])
			}
			s.Bands.Apply(sums, power, stftLanes)
			for j := range dst {
				for l := range count {
					dst[j][first+l] = math.Sqrt(float64(sums[j*stftLanes+l]) + envelopeFloor)
				}
			}
		}
		im = own.take(bins)
		values(want[b], targets[b])
		if recording {
			re, im = spectra[i*2*bins:][:bins], spectra[i*2*bins+bins:][:bins]
		}
		values(got[b], waves[b])
	})
	r.freeAll(waves)
	r.freeAll(targets)
	segments, counted := s.segments(want)
	if counted == 0 {
		if recording {
			r.freeFloats(spectra)
		}
		return 0
	}
	losses := make([]float64, x.B)
	r.pool.For(x.B, func(b int) {
		losses[b] = s.compare(got[b], want[b], segments[b]) / float64(counted) // got becomes the gradient
	})
	if recording {
		all := r.allocFrames(s.STFT, x.B, frames)
		factor := weight / float64(counted)
		r.pool.For(x.B*blocks, func(i int) {
			b, first := i/blocks, i%blocks*stftLanes
			count := min(stftLanes, frames-first)
			own := newScratch(s.Window*stftLanes + bins + bands*stftLanes)
			defer own.free()
			frame, d, sums := own.take(s.Window*stftLanes), own.take(bins), own.take(bands*stftLanes)
			clear(sums)
			for j, row := range got[b] {
				for l := range count {
					sums[j*stftLanes+l] = float32(factor * row[first+l])
				}
			}
			s.Bands.Adjoint(d, sums, stftLanes)
			re, im := spectra[i*2*bins:][:bins], spectra[i*2*bins+bins:][:bins]
			kernel.Mul(re, re, d)
			kernel.Mul(im, im, d)
			s.fft.Adjoint(frame, re, im, stftLanes)
			s.spread(all[b][first*s.Window:], frame, count)
		})
		r.freeFloats(spectra)
		dx := r.sumFrames(s.STFT, all, x, centered, 0)
		r.recordLoss(func() { r.accumulateGrad(x, dx) })
	}
	var total float64
	for _, v := range losses {
		total += v
	}
	return total
}

// envelopes returns memory for [batch][band][frame].
func envelopes(batch, bands, frames int) [][][]float64 {
	all := make([][][]float64, batch)
	for b := range all {
		all[b] = make([][]float64, bands)
		for j := range all[b] {
			all[b][j] = make([]float64, frames)
		}
	}
	return all
}

// segments returns for each sequence of a batch where the segments begin that count, and
// how many there are in all.
func (s *EnvelopeLoss) segments(want [][][]float64) (starts [][]int, counted int) {
	starts = make([][]int, len(want))
	for b, bands := range want {
		frames := len(bands[0])
		length := min(s.Segment, frames)
		var energies []float64
		for at := 0; at+length <= frames; at += max(1, length/segmentSteps) {
			energy := 0.0
			for _, row := range bands {
				for _, v := range row[at:][:length] {
					energy += v * v
				}
			}
			energies = append(energies, energy)
		}
		loudest := slices.Max(energies)
		for i, energy := range energies {
			if energy > quietSegment*loudest && loudest > float64(length*len(bands))*2*envelopeFloor {
				starts[b] = append(starts[b], i*max(1, length/segmentSteps))
			}
		}
		counted += len(starts[b])
	}
	return starts, counted
}

// compare returns the sum of the losses of segments of one sequence, and puts the
// derivatives with respect to the powers that x are the roots of, halved, in place of x: what
// a bin's real and imaginary part are to be multiplied with.
func (s *EnvelopeLoss) compare(x, y [][]float64, starts []int) (loss float64) {
	bands, length := len(x), min(s.Segment, len(x[0]))
	d := make([][]float64, bands)
	rows := func() [][]float64 {
		m := make([][]float64, bands)
		for j := range m {
			m[j] = make([]float64, length)
		}
		return m
	}
	a, b, da := rows(), rows(), rows()
	lengths := make([]float64, bands)
	column, other, dcolumn := make([]float64, bands), make([]float64, bands), make([]float64, bands)
	for j := range d {
		d[j] = make([]float64, len(x[j]))
	}
	for _, at := range starts {
		for j := range a {
			copy(a[j], x[j][at:])
			copy(b[j], y[j][at:])
			lengths[j] = standardize(a[j])
			standardize(b[j])
			for n, v := range b[j] {
				da[j][n] = -v / (2 * float64(bands))
				loss -= a[j][n] * v / (2 * float64(bands))
			}
		}
		for n := range length {
			for j := range a {
				column[j], other[j] = a[j][n], b[j][n]
			}
			size := standardize(column)
			standardize(other)
			for j, v := range other {
				dcolumn[j] = -v / (2 * float64(length))
				loss -= column[j] * v / (2 * float64(length))
			}
			standardizeGradient(dcolumn, column, size)
			for j, v := range dcolumn {
				da[j][n] += v
			}
		}
		loss++
		for j := range da {
			standardizeGradient(da[j], a[j], lengths[j])
			for n, v := range da[j] {
				d[j][at+n] += v
			}
		}
	}
	for j, row := range x {
		for n, v := range row {
			row[n] = d[j][n] / v
		}
	}
	return loss
}

// standardize subtracts the mean of v, and makes its length 1; it returns the length.
func standardize(v []float64) float64 {
	mean, square := 0.0, envelopeFloor
	for _, a := range v {
		mean += a / float64(len(v))
	}
	for _, a := range v {
		square += (a - mean) * (a - mean)
	}
	length := math.Sqrt(square)
	for i, a := range v {
		v[i] = (a - mean) / length
	}
	return length
}

// standardizeGradient turns a gradient with respect to a standardized vector into that with
// respect to the one before.
func standardizeGradient(d, standardized []float64, length float64) {
	mean, along := 0.0, 0.0
	for i, v := range d {
		mean += v / float64(len(d))
		along += v * standardized[i]
	}
	for i, v := range d {
		d[i] = (v - mean - standardized[i]*along) / length
	}
}
