package ns3

import (
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/filterdesign"
	"github.com/facodec-go/facodec/internal/nn"
	"gonum.org/v1/gonum/dsp/fourier"
)

// The spectrogram of version 2 (ns3_codec/melspec.py, MelSpectrogram).
const (
	melFFT    = 1024
	melWindow = 800
	melBands  = 80
	// The signal is continued by reflection for melPad samples at both ends, and
	// frames begin there.
	melPad = (melFFT - Hop) / 2
)

// A Mel computes what version 2 takes prosody from: the lowest bands of the
// logarithmic mel spectrogram of magnitudes. Its window and filters are computed, or
// those of a checkpoint; keys mel_transform.mel_basis [80, 513],
// mel_transform.hann_window [800].
type Mel struct {
	bands   int
	window  []float64
	filters []dsp.MelFilter
}

// NewMel declares a spectrogram of the lowest bands under b's prefix.
func NewMel(b *nn.Builder, bands int) *Mel {
	m := &Mel{bands: bands, window: filterdesign.Hann(melWindow), filters: dsp.SlaneyFilters(SampleRate, melFFT, melBands)[:bands]}
	b = b.In("mel_transform")
	nn.NewBuffer(b, "hann_window", func(v []float32) {
		for i := range m.window {
			m.window[i] = float64(v[i])
		}
	}, melWindow)
	const bins = melFFT/2 + 1
	nn.NewBuffer(b, "mel_basis", func(v []float32) {
		for i := range m.filters {
			m.filters[i] = triangle(v[i*bins : (i+1)*bins])
		}
	}, melBands, bins)
	return m
}

// melBuffers returns the buffers of an encoder's file of version 2, by their keys.
func melBuffers() map[string]buffer {
	m := NewMel(nn.NewBuilder("buffers"), melBands)
	window := make([]float32, melWindow)
	for i, v := range m.window {
		window[i] = float32(v)
	}
	const bins = melFFT/2 + 1
	basis := make([]float32, melBands*bins)
	for i, f := range m.filters {
		for k, w := range f.Weights {
			basis[i*bins+f.First+k] = float32(w)
		}
	}
	return map[string]buffer{
		"mel_transform.hann_window": {[]int{melWindow}, window},
		"mel_transform.mel_basis":   {[]int{melBands, bins}, basis},
	}
}

// triangle returns a row of a filterbank without the zeros around it.
func triangle(row []float32) (f dsp.MelFilter) {
	for k, w := range row {
		switch {
		case w == 0 && f.Weights == nil:
			f.First = k + 1
		default:
			f.Weights = append(f.Weights, float64(w))
		}
	}
	for n := len(f.Weights); n > 0 && f.Weights[n-1] == 0; n-- {
		f.Weights = f.Weights[:n-1]
	}
	return f
}

// A melStream computes the frames of a waveform that arrives in pieces.
type melStream struct {
	*dsp.FrameStream
	mel   *Mel
	fft   *fourier.FFT
	frame []float64
	coeff []complex128
}

func (m *Mel) stream() *melStream {
	const lead = melPad - (melFFT-melWindow)/2 // the window stands in the middle of a frame
	return &melStream{
		FrameStream: dsp.Framing{Window: melWindow, Hop: Hop, Lead: lead, Pad: melPad}.Stream(),
		mel:         m, fft: fourier.NewFFT(melFFT),
		frame: make([]float64, melFFT), coeff: make([]complex128, melFFT/2+1),
	}
}

// Push adds samples and returns the frames that are complete, one after the other.
// With last the waveform ends: ceil(total/Hop) frames will have been returned in
// all.
func (s *melStream) Push(samples []float32, last bool) (rows []float32) {
	s.FrameStream.Push(samples, last, func(frame []float32) {
		for i, w := range s.mel.window {
			s.frame[i] = w * float64(frame[i])
		}
		clear(s.frame[melWindow:])
		s.fft.Coefficients(s.coeff, s.frame)
		for _, f := range s.mel.filters {
			var sum float64
			for k, w := range f.Weights {
				c := s.coeff[f.First+k]
				sum += w * math.Sqrt(real(c)*real(c)+imag(c)*imag(c)+1e-9)
			}
			rows = append(rows, float32(math.Log(max(sum, 1e-5))))
		}
	})
	return rows
}
