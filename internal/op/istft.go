package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// maxLogMagnitude bounds the logarithm of a magnitude: e⁷ is more than three times what a
// tone of full scale has under a window of 1200 samples.
const maxLogMagnitude = 7

// InverseSTFT turns frames x [B, T, 2·bins], the natural logarithm of the magnitude
// of every bin and then the phases, into waveforms [B, T·hop, 1]: the inverse
// transforms of the frames, each under the window, are added up where they overlap
// and divided by the sum of the squared windows that do (Griffin and Lim, 1984; the
// head of Vocos, arXiv 2306.00814). A window is centered on the middle of its frame's
// hop, so that a stream lags behind its frames by half of what a window has beyond
// its hop. Magnitudes are at most e⁷.
func (r *Run) InverseSTFT(slot Slot, s *FrameSpectrum, x tensor.Tensor) tensor.Tensor {
	re, im := r.polarSpectra(s, x)
	wave := r.overlapAdd(slot, s, re, im)
	if !r.Recording() || !r.needsGrad(x) {
		r.Free(re, im)
		return wave
	}
	r.retain(x)
	r.record(&wave, func(dy tensor.Tensor) {
		da, db := r.spectrumGradients(s, dy, x.T)
		dx := r.polarGradient(x, re, im, da, db)
		r.Free(da, db, re, im)
		r.release(x)
		r.accumulateGrad(x, dx)
	})
	return wave
}

// HarmonicInverseSTFT is InverseSTFT of frames x to which harmonics are added, with such
// envelopes [B, T, Channels] and pitches [B, T, 1], which have no gradient here: they
// learn from PitchLoss.
func (r *Run) HarmonicInverseSTFT(slot Slot, h *Harmonics, x, envelopes, pitches tensor.Tensor) tensor.Tensor {
	s := h.FrameSpectrum
	re, im := r.polarSpectra(s, x)
	lineRe, lineIm := h.spectra(r, slot, envelopes, pitches)
	sumRe, sumIm := r.New(x.B, x.T, re.C), r.New(x.B, x.T, re.C)
	r.eachRows(x.B*x.T, 16, rowsTask{f: addRows, y: sumRe, a: re, b: lineRe})
	r.eachRows(x.B*x.T, 16, rowsTask{f: addRows, y: sumIm, a: im, b: lineIm})
	wave := r.overlapAdd(slot, s, sumRe, sumIm)
	r.Free(sumRe, sumIm)
	if !r.Recording() || !r.needsGrad(x) && !r.needsGrad(envelopes) {
		r.Free(re, im, lineRe, lineIm)
		return wave
	}
	r.retain(x, envelopes)
	r.record(&wave, func(dy tensor.Tensor) {
		da, db := r.spectrumGradients(s, dy, x.T)
		if r.needsGrad(x) {
			r.accumulateGrad(x, r.polarGradient(x, re, im, da, db))
		}
		if r.needsGrad(envelopes) {
			r.accumulateGrad(envelopes, h.gradient(r, envelopes, lineRe, lineIm, da, db))
		}
		r.Free(da, db, re, im, lineRe, lineIm)
		r.release(x, envelopes)
	})
	return wave
}

// polarSpectra returns real and imaginary parts of log magnitudes and phases.
func (r *Run) polarSpectra(s *FrameSpectrum, x tensor.Tensor) (re, im tensor.Tensor) {
	re, im = r.New(x.B, x.T, s.Bins()), r.New(x.B, x.T, s.Bins())
	r.eachRows(x.B*x.T, 4, rowsTask{f: polarRows, y: re, z: im, a: x})
	return re, im
}

// spectrumGradients returns the gradients with respect to the real and imaginary parts of
// so many frames.
func (r *Run) spectrumGradients(s *FrameSpectrum, dy tensor.Tensor, frames int) (da, db tensor.Tensor) {
	sums, differences := r.frameGradients(s, dy, frames)
	da, db = r.times(s.cos, sums), r.times(s.sin, differences)
	r.Free(sums, differences)
	twice := float32(2 / float64(s.Window)) // but for the first and the last bin
	last := s.Bins() - 1
	r.pool.Split(da.B*da.T, 4, func(from, to int) {
		for i := from; i < to; i++ {
			a, b := row(da, i), row(db, i)
			for _, k := range []int{0, last} {
				a[k], b[k] = a[k]/2, b[k]/2
			}
			kernel.Scale(a, a, twice)
			kernel.Scale(b, b, -twice)
		}
	})
	return da, db
}

// polarGradient returns the gradient with respect to log magnitudes and phases x, whose
// real and imaginary parts are re and im, from the gradients with respect to those.
func (r *Run) polarGradient(x, re, im, da, db tensor.Tensor) tensor.Tensor {
	bins := re.C
	dx := r.New(x.B, x.T, x.C)
	r.pool.Split(x.B*x.T, 4, func(from, to int) {
		own := newScratch(bins)
		defer own.free()
		other := own.take(bins)
		for i := from; i < to; i++ {
			d, x, re, im, da, db := row(dx, i), row(x, i), row(re, i), row(im, i), row(da, i), row(db, i)
			magnitude, phase := d[:bins], d[bins:]
			magnitudeGradient(magnitude, x[:bins], re, im, da, db, other)
			kernel.Mul(phase, db, re)
			kernel.Mul(other, da, im)
			kernel.Sub(phase, phase, other)
		}
	})
	return dx
}

// magnitudeGradient is polarGradient of log magnitudes x alone.
func (r *Run) magnitudeGradient(x, re, im, da, db tensor.Tensor) tensor.Tensor {
	dx := r.New(x.B, x.T, x.C)
	r.pool.Split(x.B*x.T, 4, func(from, to int) {
		own := newScratch(x.C)
		defer own.free()
		other := own.take(x.C)
		for i := from; i < to; i++ {
			magnitudeGradient(row(dx, i), row(x, i), row(re, i), row(im, i), row(da, i), row(db, i), other)
		}
	})
	return dx
}

// magnitudeGradient writes the gradient of the log magnitudes x of a frame; other is
// memory.
func magnitudeGradient(dst, x, re, im, da, db, other []float32) {
	kernel.Mul(dst, da, re)
	kernel.Mul(other, db, im)
	kernel.Add(dst, dst, other)
	for k := range dst {
		if x[k] >= maxLogMagnitude {
			dst[k] = 0
		}
	}
}

func polarRows(t *rowsTask, from, to int) {
	bins := t.y.C
	size := newScratch(bins)
	magnitudes := size.take(bins)
	for i := from; i < to; i++ {
		x := row(t.a, i)
		polar(row(t.y, i), row(t.z, i), x[:bins], x[bins:], magnitudes)
	}
	size.free()
}

// polar writes real and imaginary parts; size is memory for the magnitudes.
func polar(re, im, logMagnitude, phase, size []float32) {
	for k, m := range logMagnitude {
		size[k] = min(m, maxLogMagnitude)
	}
	kernel.Exp(size, size)
	kernel.SinCos(im, re, phase)
	kernel.Mul(re, re, size)
	kernel.Mul(im, im, size)
}

// lead returns the samples of a window before the first of its frame's hop.
func (s *FrameSpectrum) lead() int { return (s.Window - s.Hop) / 2 }

// overlapAdd makes waveforms of spectra [B, T, bins], adding to what slot holds.
func (r *Run) overlapAdd(slot Slot, s *FrameSpectrum, re, im tensor.Tensor) tensor.Tensor {
	m := r.state(slot)
	if re.B != 1 && (!r.Last || m.started) {
		panic("op: a stream of more than one sequence")
	}
	frames, hop, tail := re.T, s.Hop, s.Window-s.Hop
	skip := 0 // of what lies before the first sample
	if !m.started {
		skip = s.lead()
		m.h, m.c = make([]float32, tail), make([]float32, tail)
	} else if m.skip > 0 {
		skip = m.skip
	}
	// Samples from the first hop on that no later frame adds to.
	length := frames * hop
	if r.Last && (frames > 0 || m.started) {
		length += s.lead()
	}
	out := max(0, length-skip)
	y := r.New(re.B, out, 1)
	sums, differences := r.spectrumParts(s, re, im)
	wave, weight := r.alloc(re.B*(frames*hop+tail)), r.alloc(re.B*(frames*hop+tail))
	clear(wave)
	clear(weight)
	for b := range re.B {
		copy(wave[b*(frames*hop+tail):], m.h)
		copy(weight[b*(frames*hop+tail):], m.c)
	}
	r.eachRows(re.B, 1, rowsTask{
		f: overlapRows, y: y, a: sums, b: differences, gamma: wave, beta: weight, spectrum: s, start: skip,
	})
	if !r.Last {
		copy(m.h, wave[frames*hop:])
		copy(m.c, weight[frames*hop:])
	}
	r.freeFloats(wave)
	r.freeFloats(weight)
	r.Free(sums, differences)
	if !r.Last {
		m.skip = max(0, skip-length)
		m.started = true
	} else if !m.started {
		m.h, m.c = nil, nil
	}
	return y
}

// overlapRows adds up the frames of each sequence in gamma, and their weights in beta,
// and writes the quotients.
func overlapRows(t *rowsTask, from, to int) {
	s, frames := t.spectrum, t.a.T
	size := frames*s.Hop + s.Window - s.Hop
	for b := from; b < to; b++ {
		wave, weight := t.gamma[b*size:(b+1)*size], t.beta[b*size:(b+1)*size]
		for i := range frames {
			s.unfold(wave[i*s.Hop:], t.a.Row(b, i), t.b.Row(b, i))
			s.addWeights(weight[i*s.Hop:])
		}
		for i := range t.y.T {
			t.y.Row(b, i)[0] = wave[t.start+i] / weight[t.start+i]
		}
	}
}

// addWeights adds the squared window.
func (s *FrameSpectrum) addWeights(weight []float32) {
	weight = weight[:len(s.squares)]
	kernel.Add(weight, weight, s.squares)
}

// spectrumParts returns the even and the odd parts of the inverse transforms of
// spectra, over half a frame each. It scales copies: what is given stays.
func (r *Run) spectrumParts(s *FrameSpectrum, re, im tensor.Tensor) (even, odd tensor.Tensor) {
	a, b := r.New(re.B, re.T, re.C), r.New(im.B, im.T, im.C)
	r.eachRows(re.B*re.T, 16, rowsTask{f: partRows, y: a, z: b, a: re, b: im, spectrum: s})
	even, odd = r.times(s.cos, a), r.times(s.sin, b)
	r.Free(a, b)
	return even, odd
}

// partRows scales spectra for spectrumParts: every bin but the first and the last stands for
// two of the whole transform.
func partRows(t *rowsTask, from, to int) {
	inverse, twice := float32(1/float64(t.spectrum.Window)), float32(2/float64(t.spectrum.Window))
	last := t.a.C - 1
	for i := from; i < to; i++ {
		re, x := row(t.a, i), row(t.y, i)
		kernel.Scale(x, re, twice)
		x[0], x[last] = inverse*re[0], inverse*re[last]
		kernel.Scale(row(t.z, i), row(t.b, i), -twice)
	}
}

// frameGradients returns the gradients with respect to the even and odd parts of
// each frame of whole waveforms.
func (r *Run) frameGradients(s *FrameSpectrum, dy tensor.Tensor, frames int) (sums, differences tensor.Tensor) {
	sums, differences = r.New(dy.B, frames, s.Bins()), r.New(dy.B, frames, s.Bins())
	weight := make([]float32, frames*s.Hop+s.Window-s.Hop)
	for t := range frames {
		s.addWeights(weight[t*s.Hop:])
	}
	lead := s.lead()
	r.pool.For(dy.B, func(b int) {
		wave := make([]float32, len(weight))
		for i := range dy.T {
			wave[lead+i] = dy.Row(b, i)[0] / weight[lead+i]
		}
		for t := range frames {
			s.fold(sums.Row(b, t), differences.Row(b, t), wave[t*s.Hop:][:s.Window])
		}
	})
	return sums, differences
}
