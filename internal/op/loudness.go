package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A LoudnessLoss compares the loudness of bands, as PESQ does (ITU-T P.862; as a loss:
// Martín-Doñas et al., "A Deep Learning Loss Function Based on the Perceptual Evaluation of
// the Speech Quality", 2018). A logarithm weighs what is inaudible as much as what is heard;
// loudness does not. It is read-only.
type LoudnessLoss struct {
	*STFT
	Bands dsp.Filterbank // of the power of the bins
}

const (
	// loudnessExponent is Zwicker's.
	loudnessExponent = 0.23
	// hearingThreshold is the power, as a part of the mean of a target's, below which
	// nothing is heard.
	hearingThreshold = 1e-5
	// What is louder than in the target, noise between harmonics say, is more annoying
	// than what is missing: from a ratio of powers whose addedExponent-th power is addedFrom on,
	// it counts addedShare times that power, at most addedMost, on top.
	addedExponent, addedFrom, addedMost = 1.2, 3, 12
	addedShare                          = 0.3
)

// Loudness returns the loss between waveforms x and target, [B, 1, N] both: the mean
// difference of loudness over that of the target, which does not depend on the level. Frames
// are centered, with half a window of reflection at both ends.
func (r *Run) Loudness(s *LoudnessLoss, x, target tensor.Tensor, weight float64) float64 {
	return r.bandLoss(s.STFT, s.Bands, x, target, weight, func(got, want [][][]float64) float64 {
		losses := make([]float64, len(got))
		r.pool.For(len(got), func(b int) { losses[b] = loudnessDistance(got[b], want[b], float64(len(got))) })
		return sum(losses)
	})
}

// loudnessDistance returns the loss of one sequence, divided by n, for powers [band][frame],
// and puts its derivatives with respect to x in their place.
func loudnessDistance(x, y [][]float64, n float64) (loss float64) {
	threshold, heard := 0.0, 0.0
	for _, row := range y {
		threshold += hearingThreshold * sum(row) / float64(len(y)*len(row))
	}
	threshold += envelopeFloor
	silence := math.Pow(threshold, loudnessExponent)
	for _, row := range y {
		for _, v := range row {
			heard += math.Pow(v+threshold, loudnessExponent) - silence
		}
	}
	scale := 1 / (n * (heard + silence)) // of a silent target, too
	for j, row := range x {
		for i, v := range row {
			a, b := v+threshold, y[j][i]+threshold
			loud := math.Pow(a, loudnessExponent)
			d := loud - math.Pow(b, loudnessExponent)
			factor := scale
			if ratio := math.Pow(a/b, addedExponent); ratio >= addedFrom {
				factor *= 1 + addedShare*min(ratio, addedMost)
			}
			loss += factor * math.Abs(d)
			row[i] = math.Copysign(factor, d) * loudnessExponent * loud / a
		}
	}
	return loss
}
