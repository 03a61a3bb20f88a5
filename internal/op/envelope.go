package op

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/dsp"
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
	return r.bandLoss(s.STFT, s.Bands, x, target, weight, func(got, want [][][]float64) float64 {
		roots(want)
		segments, counted := s.segments(want)
		losses := make([]float64, len(got))
		r.pool.For(len(got), func(b int) {
			roots(got[b : b+1])
			losses[b] = s.compare(got[b], want[b], segments[b], float64(max(1, counted)))
		})
		return sum(losses)
	})
}

// roots replaces powers by magnitudes.
func roots(powers [][][]float64) {
	for _, bands := range powers {
		for _, row := range bands {
			for i, v := range row {
				row[i] = math.Sqrt(v + envelopeFloor)
			}
		}
	}
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

// compare returns the sum of the losses of segments of one sequence, divided by n, and puts
// the derivatives with respect to the powers that x are the roots of in place of x.
func (s *EnvelopeLoss) compare(x, y [][]float64, starts []int, n float64) (loss float64) {
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
		for i, v := range row {
			row[i] = d[j][i] / (2 * v * n)
		}
	}
	return loss / n
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
