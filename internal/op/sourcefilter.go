package op

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/facodec-go/facodec/internal/filterdesign"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A SourceFilter makes speech as the source-filter model does: an excitation, the harmonics
// of a pitch mixed with white noise, band by band, is filtered by a spectrum (mixed excitation:
// McCree and Barnwell, 1995; with networks: Wang et al., "Neural source-filter-based
// waveform model", ICASSP 2019). The phases of the harmonics follow from the pitch, and
// those of noise, as of breath and fricatives, differ from frame to frame. A network has
// not to predict either. It is read-only.
type SourceFilter struct {
	*Harmonics
	noiseRe, noiseIm [][]float32 // of noiseFrames frames, of mean power 1 in every bin
}

// lowKnots are the knots of Harmonic: with a window of 1200 samples at 24 kHz up to 840 Hz.
const lowKnots = 8

// noiseFrames are the frames after which the noise begins again, without a seam.
const noiseFrames = 256

var sourceFilters sync.Map // see perFrames

// NewSourceFilter returns the excitation of frames of window samples, hop samples apart. It is
// made once. The noise is always the same, so that an output depends on nothing but its input.
func NewSourceFilter(window, hop int) *SourceFilter {
	return perFrames(&sourceFilters, window, hop, newSourceFilter)
}

func newSourceFilter(window, hop int) *SourceFilter {
	s := &SourceFilter{Harmonics: NewHarmonics(window, hop)}
	samples := make([]float64, noiseFrames*hop)
	state := uint64(1)
	for i := range samples {
		samples[i] = white(&state)
	}
	hann, energy := filterdesign.Hann(window), 0.0
	for _, w := range hann {
		energy += w * w
	}
	scale := 1 / math.Sqrt(energy)
	transform, frame := fourier.NewFFT(window), make([]float64, window)
	bins := make([]complex128, s.Bins())
	for t := range noiseFrames {
		for i := range frame {
			frame[i] = samples[(t*hop+i)%len(samples)] * hann[i] * scale
		}
		re, im := make([]float32, len(bins)), make([]float32, len(bins))
		for k, v := range transform.Coefficients(bins, frame) {
			re[k], im[k] = float32(real(v)), float32(imag(v))
		}
		s.noiseRe, s.noiseIm = append(s.noiseRe, re), append(s.noiseIm, im)
	}
	return s
}

// white returns the next of evenly distributed numbers of mean 0 and variance 1
// (SplitMix64; Steele et al., "Fast splittable pseudorandom number generators", 2014).
func white(state *uint64) float64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return (float64(z>>11)/(1<<53) - 0.5) * math.Sqrt(12)
}

// SourceFilter returns the waveforms [B, T·hop, 1] of excitations under filters x
// [B, T, bins], the natural logarithms of their magnitudes, at most 7. Mixes [B, T,
// Channels] are envelopes: the logits of the share of the harmonics, and a phase offset.
// The pitches [B, T, 1] have no gradient here: they learn from PitchLoss.
func (r *Run) SourceFilter(slot Slot, s *SourceFilter, x, mixes, pitches tensor.Tensor) tensor.Tensor {
	recording := r.Recording() && (r.needsGrad(x) || r.needsGrad(mixes))
	cycles, phases := s.tracks(r, slot, pitches)
	m := r.state(slot)
	task := rowsTask{
		f: sourceRows, y: r.New(x.B, x.T, x.C), z: r.New(x.B, x.T, x.C), a: x, b: mixes,
		gamma: cycles, phases: phases, source: s, start: m.frame,
	}
	if recording {
		task.gainRe, task.gainIm = r.New(x.B, x.T, x.C), r.New(x.B, x.T, x.C)
	}
	re, im, gainRe, gainIm := task.y, task.z, task.gainRe, task.gainIm
	r.eachRows(x.B*x.T, 4, task)
	r.freeFloats(cycles)
	if !r.Last {
		m.frame = (m.frame + x.T) % noiseFrames
	}
	wave := r.overlapAdd(slot, s.FrameSpectrum, re, im)
	if !recording {
		r.Free(re, im)
		return wave
	}
	r.retain(x, mixes)
	r.record(&wave, func(dy tensor.Tensor) {
		da, db := r.spectrumGradients(s.FrameSpectrum, dy, x.T)
		if r.needsGrad(x) {
			r.accumulateGrad(x, r.magnitudeGradient(x, re, im, da, db))
		}
		if r.needsGrad(mixes) {
			r.accumulateGrad(mixes, s.mixGradient(r, mixes, re, im, gainRe, gainIm, da, db))
		}
		r.Free(da, db, re, im, gainRe, gainIm)
		r.release(x, mixes)
	})
	return wave
}

// LogPower returns the logarithm of each frame's power, for log magnitudes x [B, T, bins] as SourceFilter
// takes them: [B, T, 1].
func (r *Run) LogPower(x tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, x.T, 1)
	squares := r.alloc(x.C)
	for i := range x.B * x.T {
		for k, v := range row(x, i) {
			squares[k] = 2 * min(v, maxLogMagnitude)
		}
		kernel.Exp(squares[:x.C], squares[:x.C])
		row(y, i)[0] = float32(math.Log(max(kernel.Sum(squares[:x.C]), 1e-30)))
	}
	r.freeFloats(squares)
	return y
}

// Harmonic returns the mean share of the harmonics at the lowest frequencies that mixes [B, T,
// Channels] stand for: [B, T, 1].
func (s *SourceFilter) Harmonic(r *Run, mixes tensor.Tensor) tensor.Tensor {
	y := r.New(mixes.B, mixes.T, 1)
	n := min(lowKnots, s.knots)
	shares := r.alloc(n)
	for i := range mixes.B * mixes.T {
		kernel.Sigmoid(shares[:n], row(mixes, i)[:n])
		row(y, i)[0] = float32(kernel.Sum(shares[:n]) / float64(n))
	}
	r.freeFloats(shares)
	return y
}

func sourceRows(t *rowsTask, from, to int) {
	s := t.source
	bins := s.Bins()
	own := newScratch(6*bins + s.work())
	defer own.free()
	lineRe, lineIm := own.take(bins), own.take(bins)
	size, share, sin, cos := own.take(bins), own.take(bins), own.take(bins), own.take(bins)
	work := own.take(s.work())
	for i := from; i < to; i++ {
		mix, re, im := row(t.b, i), row(t.y, i), row(t.z, i)
		s.frame(lineRe, lineIm, t.gamma[i], t.phases[i], work)
		s.envelope(share, mix[:s.knots])
		kernel.Sigmoid(share, share)
		s.envelope(size, mix[s.knots:])
		kernel.SinCos(sin, cos, size)
		for k, v := range row(t.a, i) {
			size[k] = min(v, maxLogMagnitude)
		}
		kernel.Exp(size, size)
		kernel.Mul(sin, sin, size)
		kernel.Mul(cos, cos, size)
		frame := (t.start + i%t.a.T) % noiseFrames
		noiseRe, noiseIm := s.noiseRe[frame], s.noiseIm[frame]
		var gainRe, gainIm []float32
		if t.gainRe.Data != nil {
			gainRe, gainIm = row(t.gainRe, i), row(t.gainIm, i)
		}
		for k, p := range share {
			a, b := lineRe[k]-noiseRe[k], lineIm[k]-noiseIm[k]
			if gainRe != nil {
				gainRe[k] = float32(a*cos[k]) - float32(b*sin[k])
				gainIm[k] = float32(a*sin[k]) + float32(b*cos[k])
			}
			a, b = noiseRe[k]+float32(p*a), noiseIm[k]+float32(p*b)
			re[k] = float32(a*cos[k]) - float32(b*sin[k])
			im[k] = float32(a*sin[k]) + float32(b*cos[k])
		}
	}
}

// mixGradient returns the gradient with respect to mixes, from those with respect to the
// spectra re and im, da and db; gainRe and gainIm are what these gain by the share of the
// harmonics.
func (s *SourceFilter) mixGradient(r *Run, mixes, re, im, gainRe, gainIm, da, db tensor.Tensor) tensor.Tensor {
	d := r.New(mixes.B, mixes.T, mixes.C)
	r.pool.Split(d.B*d.T, 4, func(from, to int) {
		own := newScratch(2 * re.C)
		defer own.free()
		shares, offsets := own.take(re.C), own.take(re.C)
		for i := from; i < to; i++ {
			re, im, da, db, dx := row(re, i), row(im, i), row(da, i), row(db, i), row(d, i)
			gainRe, gainIm := row(gainRe, i), row(gainIm, i)
			s.envelope(shares, row(mixes, i)[:s.knots])
			kernel.Sigmoid(shares, shares)
			for k, a := range da {
				p := shares[k]
				shares[k] = p * (1 - p) * (a*gainRe[k] + db[k]*gainIm[k])
				offsets[k] = db[k]*re[k] - a*im[k]
			}
			clear(dx)
			s.envelopeGradient(dx[:s.knots], shares)
			s.envelopeGradient(dx[s.knots:], offsets)
		}
	})
	return d
}
