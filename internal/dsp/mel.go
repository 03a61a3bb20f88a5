// Package dsp holds the signal analysis of the codec: FFT, the log-mel spectrogram that
// its networks take, and pitch.
package dsp

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/facodec-go/facodec/internal/filterdesign"
)

// MelConfig describes a log-mel spectrogram.
type MelConfig struct {
	FFT, Window, Hop, Mels int
	// FilterRate is the sample rate that the filters are built for. Upstream's
	// pitch extractor was trained with filters for 16 kHz on the spectrum of 24 kHz
	// speech.
	FilterRate int
}

// Mel computes the log-mel spectrogram of upstream: periodic Hann window, centered
// frames, power spectrum, HTK-scale triangular filters without area normalization,
// then LogMel (meldataset.py, preprocess; torchaudio's MelSpectrogram). It is used by
// one goroutine at a time.
//
// Mel works frame by frame in float64, for inference, whose codes depend on it.
// LogMels computes many frames side by side in float32, for training data, and
// op.Run.LogMel does so with a gradient.
type Mel struct {
	MelConfig
	window  []float64
	filters []MelFilter
	// The window and the filters in float32.
	window32 []float32
	bank     Filterbank
	fft      *fourier.FFT
	frame    []float64
	coeff    []complex128
	power    []float64
}

// A MelFilter is one triangular filter's weights from bin First on.
type MelFilter struct {
	First   int
	Weights []float64
}

// NewMel prepares a spectrogram.
func NewMel(c MelConfig) *Mel {
	m := &Mel{
		MelConfig: c,
		window:    filterdesign.Hann(c.Window),
		filters:   HTKFilters(c),
		fft:       fourier.NewFFT(c.FFT),
		frame:     make([]float64, c.FFT),
		coeff:     make([]complex128, c.FFT/2+1),
		power:     make([]float64, c.FFT/2+1),
	}
	m.bank, m.window32 = NewFilterbank(m.filters), make([]float32, c.Window)
	for i, w := range m.window {
		m.window32[i] = float32(w)
	}
	return m
}

// HTKFilters builds the filterbank as torchaudio's melscale_fbanks with
// norm=None and mel_scale="htk".
func HTKFilters(c MelConfig) []MelFilter {
	nyquist := float64(c.FilterRate / 2)
	top := 2595 * math.Log10(1+nyquist/700)
	edge := func(i int) float64 {
		return 700 * (math.Pow(10, top*float64(i)/float64(c.Mels+1)/2595) - 1)
	}
	filters := make([]MelFilter, c.Mels)
	for i := range filters {
		low, mid, high := edge(i), edge(i+1), edge(i+2)
		for k := range c.FFT/2 + 1 {
			f := nyquist * float64(k) / float64(c.FFT/2)
			w := min((f-low)/(mid-low), (high-f)/(high-mid))
			if w <= 0 {
				continue
			}
			if filters[i].Weights == nil {
				filters[i].First = k
			}
			filters[i].Weights = append(filters[i].Weights, w)
		}
	}
	return filters
}

// Frame writes the normalized log-mel of one frame, the Window samples that the
// window covers. dst has Mels values.
func (m *Mel) Frame(dst, samples []float32) {
	// Upstream centers the window in the FFT's frame; its place changes the phases
	// only.
	for i, w := range m.window {
		m.frame[i] = w * float64(samples[i])
	}
	clear(m.frame[m.Window:])
	m.fft.Coefficients(m.coeff, m.frame)
	for i, c := range m.coeff {
		m.power[i] = real(c)*real(c) + imag(c)*imag(c)
	}
	for i, f := range m.filters {
		var sum float64
		for k, w := range f.Weights {
			sum += w * m.power[f.First+k]
		}
		dst[i] = LogMel(sum)
	}
}

// MelFloor is added to the power of a mel band before its logarithm is taken.
const MelFloor = 1e-5

// LogMel returns the feature that networks are given of the power in a mel band,
// (log(MelFloor + power) + 4) / 4.
func LogMel(power float64) float32 { return float32((math.Log(MelFloor+power) + 4) / 4) }

// lead returns how many samples of a frame lie before its center.
func (m *Mel) lead() int { return m.FFT/2 - (m.FFT-m.Window)/2 }

// Energy returns upstream's energy target for one normalized log-mel frame, log
// ‖exp(4·m - 4)‖₂ over the mel bins (train.py, log_norm).
func Energy(mel []float32) float32 {
	var sum float64
	for _, v := range mel {
		e := math.Exp(4*float64(v) - 4)
		sum += e * e
	}
	return float32(math.Log(math.Sqrt(sum)))
}
