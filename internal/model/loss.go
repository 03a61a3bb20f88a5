package model

import (
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A SpectralLoss is a sum of spectral distances at several resolutions. It is
// read-only.
type SpectralLoss []*op.SpectralLoss

// MelLoss is the loss that reconstruction is trained on, for waveforms of a rate
// in Hz (dac/nn/loss.py, MelSpectrogramLoss, with its weights as upstream sets
// them): mean |Δ log10(max(1e-5, mel))| of each of dsp.MelScales, summed.
func MelLoss(rate int) SpectralLoss {
	var l SpectralLoss
	for _, s := range dsp.MelScales {
		filters := dsp.NewFilterbank(dsp.SlaneyFilters(rate, s.Window, s.Mels))
		l = append(l, &op.SpectralLoss{STFT: op.NewSTFT(s.Window, s.Window/4), Filters: filters, Log: 1})
	}
	return l
}

// melSpectrum is what dsp.Mel computes, for waveforms that a network has decoded.
func melSpectrum(c dsp.MelConfig) *op.MelSpectrogram {
	return &op.MelSpectrogram{STFT: op.NewPaddedSTFT(c.FFT, c.Window, c.Hop), Bands: dsp.NewFilterbank(dsp.HTKFilters(c))}
}

// STFTLoss is the loss on linear magnitudes, for windows of 2048 and 512 samples
// (dac/nn/loss.py, MultiScaleSTFTLoss): mean |Δ log10(max(1e-5, |X|)²)| plus
// mean |Δ |X||. Upstream only logs it.
func STFTLoss(int) SpectralLoss {
	var l SpectralLoss
	for _, window := range []int{2048, 512} {
		l = append(l, &op.SpectralLoss{STFT: op.NewSTFT(window, window/4), Log: 2, Linear: 1})
	}
	return l
}

const (
	// envelopeBands are the one-third octaves from lowestBand Hz: the 15 of STOI, up to
	// 4.3 kHz, and three above them, to 8.6 kHz.
	envelopeBands = 18
	lowestBand    = 150
	// envelopeWindow and envelopeSegment are the lengths of STOI's frames and segments in
	// seconds; a window is rounded to the nearest power of two, and overlaps by half.
	envelopeWindow  = 0.0256
	envelopeSegment = 0.384
)

// EnvelopeLoss correlates the envelopes of one-third octaves, as STOI and ESTOI do, for
// waveforms of a rate in Hz (with such a loss: Fu et al., "End-to-End Waveform Utterance
// Enhancement for Direct Evaluation Metrics Optimization", 2018).
func EnvelopeLoss(rate int) *op.EnvelopeLoss {
	window := 1 << int(math.Round(math.Log2(envelopeWindow*float64(rate))))
	bin := float64(rate) / float64(window)
	var bands dsp.Filterbank
	for i := range envelopeBands {
		center := lowestBand * math.Pow(2, float64(i)/3)
		first := int(math.Round(center * math.Pow(2, -1./6) / bin))
		end := min(int(math.Round(center*math.Pow(2, 1./6)/bin)), window/2+1)
		if end <= first {
			continue
		}
		b := dsp.Band{First: first}
		for range end - first {
			b.Weights = append(b.Weights, 1)
		}
		bands = append(bands, b)
	}
	return &op.EnvelopeLoss{
		STFT: op.NewSTFT(window, window/2), Bands: bands,
		Segment: int(math.Round(envelopeSegment * float64(rate) / float64(window/2))),
	}
}

// Value returns the loss between waveforms x and target, [B, 1, N] both, of at least 1025
// samples.
func (l SpectralLoss) Value(r *op.Run, x, target tensor.Tensor, weight float64) float64 {
	var total float64
	for _, s := range l {
		total += r.Spectral(s, x, target, weight)
	}
	return total
}
