package model

import (
	"math"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
)

// A conversion by the timbre keeps part of the source's spectrum on average: of its voice, its
// microphone and its room. An equalizer gives the conversion the average of the reference. It
// filters slowly and leaves levels as they are, so that words stay as clear as they were.
const (
	// equalizerFrames is for how many voiced frames the spectrum counts that the source would have to have:
	// the first frames change little.
	equalizerFrames = 20
	// equalizerStep is how many frames share a filter.
	equalizerStep = 16
	// equalizerWidth is the standard deviation of the filter's smoothing over frequency, in Hz.
	equalizerWidth = 160
	// equalizerLimit is the most that the filter changes, 12 dB as the logarithm of a magnitude: a telephone's or a
	// bad microphone's spectrum is not copied as a whole.
	equalizerLimit = 1.4
	// equalizerStrength is how much of the difference is filtered away: a little more than all, for
	// the source's average comes late.
	equalizerStrength = 1.2
)

// Spectrum returns the mean log magnitudes of a voice: what the decoder predicts for codes, of
// every part, that were made of recordings with this timbre, over voiced frames. It is for
// DecoderStream.SetSpectrum, nil where no frame is voiced, and what was said cannot be told from it.
func (c *Codec) Spectrum(codes Codes, timbre []float32, pool *parallel.Pool) []float32 {
	d := c.Decoder.(voicedDecoder)
	r := op.NewRun(pool)
	m := c.Modulation(r, timbre)
	var mean spectrumMean
	for from, frames := 0, codes.Frames(); from < frames; from += blockFrames {
		to := min(frames, from+blockFrames)
		r.Last = to == frames
		s := d.Predict(r, m.apply(r, c.Quantizer.Decode(r, codes.Slice(from, to))), m.blocks)
		semitones, harmonic, levels := d.Voicing(r, s)
		if mean.sum == nil {
			mean = spectrumMean{sum: make([]float64, s.magnitudes.C), loudest: quietest}
		}
		for t := range levels.T {
			mean.add(s.magnitudes.Row(0, t), harmonic.Row(0, t)[0], levels.Row(0, t)[0])
		}
		r.Free(semitones, harmonic, levels)
		s.Free(r)
	}
	if mean.voiced == 0 {
		return nil
	}
	spectrum := make([]float32, len(mean.sum))
	for k, v := range mean.sum {
		spectrum[k] = float32(v / mean.voiced)
	}
	return spectrum
}

// Bins returns of how many magnitudes a spectrum is.
func (c *Codec) Bins() int { return c.ISTFT.Window/2 + 1 }

// A spectrumMean is a mean over the voiced frames so far.
type spectrumMean struct {
	sum     []float64
	voiced  float64
	loudest float32
}

// add adds a frame, if it is voiced. One that is not finite, of a voice that is none, is left out: the stream would
// never come back from it.
func (m *spectrumMean) add(magnitudes []float32, harmonic, level float32) {
	if level-level != 0 {
		return
	}
	if m.loudest = max(m.loudest, level); harmonic <= voicedShare || level <= m.loudest-voicedBelow {
		return
	}
	addTo(m.sum, magnitudes)
	m.voiced++
}

// An equalizer filters a stream of spectra until their mean is a voice's.
type equalizer struct {
	target []float32 // log magnitudes
	weight []float64 // the magnitudes, which say what share of the level each has
	kernel []float64 // of the smoothing, from its middle on
	mean   spectrumMean
	frame  int       // of the stream
	filter []float32 // what is added to log magnitudes
	change []float64
}

// newEqualizer filters towards a spectrum, at a rate in Hz.
func newEqualizer(spectrum []float32, rate int) *equalizer {
	bins := len(spectrum)
	e := &equalizer{
		weight: make([]float64, bins), filter: make([]float32, bins), change: make([]float64, bins),
		mean: spectrumMean{sum: make([]float64, bins)},
	}
	deviation := equalizerWidth * 2 * float64(bins-1) / float64(rate) // in bins
	for k := 0; float64(k) <= 3*deviation; k++ {
		e.kernel = append(e.kernel, math.Exp(-float64(k)*float64(k)/(2*deviation*deviation)))
	}
	e.setTarget(spectrum)
	return e
}

// setTarget changes to another spectrum, as many magnitudes, and starts to listen again: what was
// heard so far was in another voice.
func (e *equalizer) setTarget(spectrum []float32) {
	e.target = spectrum
	for k, v := range spectrum {
		e.weight[k] = math.Exp(float64(v))
	}
	e.reset()
}

// reset starts another utterance.
func (e *equalizer) reset() {
	e.frame = 0
	clear(e.mean.sum)
	e.mean.voiced, e.mean.loudest = 0, quietest
}

// apply filters the next frames, of one sequence. Their levels stay.
func (e *equalizer) apply(r *op.Run, d voicedDecoder, s Spectra) {
	semitones, harmonic, levels := d.Voicing(r, s)
	for t := range levels.T {
		if e.frame%equalizerStep == 0 {
			e.update()
		}
		e.frame++
		row := s.magnitudes.Row(0, t)
		e.mean.add(row, harmonic.Row(0, t)[0], levels.Row(0, t)[0])
		for k, v := range e.filter {
			row[k] += v
		}
	}
	s.setLevels(r, levels)
	r.Free(semitones, harmonic, levels)
}

// update makes the filter of the frames so far.
func (e *equalizer) update() {
	n := e.mean.voiced
	level, weights := 0.0, 0.0
	for k, target := range e.target {
		e.change[k] = equalizerStrength * (float64(n*float64(target)) - e.mean.sum[k]) / (n + equalizerFrames)
		level += float64(e.weight[k] * e.change[k])
		weights += e.weight[k]
	}
	level /= weights // one is recorded louder than the other
	for k, change := range e.change {
		e.change[k] = min(max(change-level, -equalizerLimit), equalizerLimit)
	}
	for k := range e.filter {
		sum, weights := 0.0, 0.0
		for i, w := range e.kernel {
			for _, j := range [...]int{k - i, k + i} {
				if j >= 0 && j < len(e.change) {
					sum += float64(w * e.change[j])
					weights += w
				}
				if i == 0 {
					break
				}
			}
		}
		e.filter[k] = float32(sum / weights)
	}
}
