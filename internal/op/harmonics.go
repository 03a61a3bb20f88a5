package op

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Harmonics are the harmonics of a voice in the frames of a FrameSpectrum: those of a
// constant pitch within a frame, all of one phase, their amplitudes and phase offsets
// under smooth envelopes (the sinusoidal part of harmonic-plus-noise models: Engel et
// al., "DDSP", ICLR 2020; with an inverse transform, Li et al., "HiFTNet", arXiv
// 2309.09493). A network has not to keep the phases of hundreds of bins from drifting
// apart: they follow from the pitch. It is read-only.
type Harmonics struct {
	*FrameSpectrum
	knots int       // of an envelope
	lobe  []float32 // of the window's transform, from 2 bins below the center to 2 above
}

const (
	// The pitch is lowestPitch·2^(pitchOctaves·sigmoid(x)) cycles of a window: with 1200
	// samples at 24 kHz, 60 to 679 Hz.
	lowestPitch  = 3
	pitchOctaves = 3.5
	// knotBins are the bins from a knot of an envelope to the next, between which it is
	// linear.
	knotBins = 6
	// lobeSteps are the steps of a bin in the table of the main lobe.
	lobeSteps = 512
)

// NewHarmonics prepares the harmonics in frames of window samples, hop samples apart.
func NewHarmonics(window, hop int) *Harmonics {
	h := &Harmonics{FrameSpectrum: NewFrameSpectrum(window, hop), lobe: make([]float32, 4*lobeSteps+2)}
	h.knots = (h.Bins()-1+knotBins-1)/knotBins + 1
	for i := range h.lobe {
		// The transform of a Hann window, sinc(d)/(1-d²), for d bins from its center.
		switch d := float64(i)/lobeSteps - 2; {
		case i == 2*lobeSteps:
			h.lobe[i] = 1
		case i == lobeSteps || i == 3*lobeSteps:
			h.lobe[i] = 0.5
		case i < 4*lobeSteps:
			h.lobe[i] = float32(math.Sin(math.Pi*d) / (math.Pi * d * (1 - d*d)))
		}
	}
	return h
}

// Channels returns the number of values of a frame's envelopes: the logarithms of the
// amplitudes at the knots, and the phase offsets there.
func (h *Harmonics) Channels() int { return 2 * h.knots }

// cycles returns the pitches that x [B, T, 1] stands for, in cycles of a window, and the
// sigmoids that they are made of.
func (r *Run) cycles(x tensor.Tensor) (cycles, sigmoids []float32) {
	n := x.B * x.T
	cycles, sigmoids = r.alloc(n), r.alloc(n)
	for i := range n {
		sigmoids[i] = row(x, i)[0]
	}
	kernel.Sigmoid(sigmoids[:n], sigmoids[:n])
	for i, v := range sigmoids[:n] {
		cycles[i] = v * float32(pitchOctaves*math.Ln2)
	}
	kernel.Exp(cycles[:n], cycles[:n])
	for i := range n {
		cycles[i] *= lowestPitch
	}
	return cycles, sigmoids
}

// Semitones returns the pitches that x [B, T, 1] stands for in semitones above the lowest.
func (r *Run) Semitones(x tensor.Tensor) tensor.Tensor {
	cycles, sigmoids := r.cycles(x)
	r.freeFloats(cycles)
	y := r.New(x.B, x.T, 1)
	for i := range x.B * x.T {
		row(y, i)[0] = float32(12 * pitchOctaves * sigmoids[i])
	}
	r.freeFloats(sigmoids)
	return y
}

// A phaseState is the phase of the first harmonic at the middle of a frame, and what it
// gains at the frame's pitch in half of a hop, both in turns of 2^32.
type phaseState struct{ phase, half uint32 }

// next returns the state at the next frame, with another pitch.
func (p phaseState) next(h *Harmonics, cycles float32) phaseState {
	turns := float64(cycles) * (float64(h.Hop) / float64(2*h.Window))
	half := uint32(int64(turns * (1 << 32)))
	return phaseState{p.phase + p.half + half, half}
}

// spectra returns the spectra of harmonics with such envelopes [B, T, Channels] and
// pitches [B, T, 1], their phases going on from those that slot holds.
func (h *Harmonics) spectra(r *Run, slot Slot, envelopes, pitches tensor.Tensor) (re, im tensor.Tensor) {
	bins := h.Bins()
	re, im = r.New(pitches.B, pitches.T, bins), r.New(pitches.B, pitches.T, bins)
	cycles, phases := h.tracks(r, slot, pitches)
	r.eachRows(len(phases), 4, rowsTask{f: harmonicRows, y: re, z: im, a: envelopes, gamma: cycles, phases: phases, harmonics: h})
	r.freeFloats(cycles)
	return re, im
}

// tracks returns the pitches in cycles of a window, and the phases of the first harmonic at the
// middle of each frame, going on from those that slot holds. The phases are of use
// until the next call.
func (h *Harmonics) tracks(r *Run, slot Slot, pitches tensor.Tensor) (cycles []float32, phases []uint32) {
	cycles, sigmoids := r.cycles(pitches)
	r.freeFloats(sigmoids)
	m := r.state(slot)
	r.phases = slices.Grow(r.phases[:0], pitches.B*pitches.T)[:pitches.B*pitches.T]
	phases = r.phases
	for b := range pitches.B {
		state := m.phase
		for t := range pitches.T {
			i := b*pitches.T + t
			state = state.next(h, cycles[i])
			phases[i] = state.phase
		}
		if !r.Last {
			m.phase = state
		}
	}
	return cycles, phases
}

func harmonicRows(t *rowsTask, from, to int) {
	h := t.harmonics
	bins := h.Bins()
	own := newScratch(4*bins + h.work())
	defer own.free()
	size, sin, cos, offset, work := own.take(bins), own.take(bins), own.take(bins), own.take(bins), own.take(h.work())
	for i := from; i < to; i++ {
		x, re, im := row(t.a, i), row(t.y, i), row(t.z, i)
		h.frame(re, im, t.gamma[i], t.phases[i], work)
		h.envelope(size, x[:h.knots])
		for k, v := range size {
			size[k] = min(v, maxLogMagnitude)
		}
		kernel.Exp(size, size)
		h.envelope(offset, x[h.knots:])
		kernel.SinCos(sin, cos, offset)
		for k, a := range re {
			b := im[k]
			re[k] = size[k] * (float32(a*cos[k]) - float32(b*sin[k]))
			im[k] = size[k] * (float32(a*sin[k]) + float32(b*cos[k]))
		}
	}
}

// work returns how many values frame works with: three for each harmonic of the lowest pitch.
func (h *Harmonics) work() int { return 3 * (h.Bins()/lowestPitch + 1) }

// frame writes the spectrum of a frame's harmonics, all of amplitude 1, of a pitch in cycles of
// a window and the first one's phase.
func (h *Harmonics) frame(re, im []float32, cycles float32, phase uint32, work []float32) {
	most := len(work) / 3
	angles, sines, cosines := work[:most], work[most:2*most], work[2*most:]
	n := h.angles(angles, cycles, phase)
	kernel.SinCos(sines[:n], cosines[:n], angles[:n])
	h.lines(re, im, cycles, sines[:n], cosines[:n])
}

// angles writes the phases of the harmonics whose main lobe lies within the bins, in
// radians, and returns their number: none of a pitch that is no number, as weights that
// diverge in training give.
func (h *Harmonics) angles(dst []float32, cycles float32, phase uint32) int {
	if !(cycles >= lowestPitch) {
		return 0
	}
	n := min(int(float32(h.Bins()-3)/cycles), len(dst))
	for i := range n {
		dst[i] = float32(int32(phase*uint32(i+1))) * float32(math.Pi/(1<<31))
	}
	return n
}

// lines writes the spectrum of harmonics of amplitude 1 with such phases, under the
// window, whose middle is the origin of time for them and its first sample for the bins.
func (h *Harmonics) lines(re, im []float32, cycles float32, sines, cosines []float32) {
	clear(re)
	clear(im)
	for i, sin := range sines {
		center := float32(i+1) * cycles
		first := int(center) - 1
		at := (float32(first) - center + 2) * lobeSteps // of the first bin in the table
		step := int(at)
		fraction := at - float32(step)
		for k := first; k < first+4; k++ {
			a, b := h.lobe[step], h.lobe[step+1]
			w := a + float32(fraction*(b-a))
			if k%2 != 0 {
				w = -w
			}
			re[k] += float32(w * cosines[i])
			im[k] += float32(w * sin)
			step += lobeSteps
		}
	}
}

// envelope writes the values of an envelope at every bin.
func (h *Harmonics) envelope(dst, knots []float32) {
	for k := range dst {
		j, f := k/knotBins, float32(k%knotBins)/knotBins
		if f == 0 {
			dst[k] = knots[j]
			continue
		}
		dst[k] = knots[j] + float32(f*(knots[j+1]-knots[j]))
	}
}

// envelopeGradient adds to the gradient of an envelope's knots that of its bins.
func (h *Harmonics) envelopeGradient(knots, bins []float32) {
	for k, v := range bins {
		j, f := k/knotBins, float32(k%knotBins)/knotBins
		knots[j] += (1 - f) * v
		if f > 0 {
			knots[j+1] += f * v
		}
	}
}

// gradient returns the gradient with respect to the envelopes, from those with respect to
// the spectra re and im, da and db.
func (h *Harmonics) gradient(r *Run, envelopes, re, im, da, db tensor.Tensor) tensor.Tensor {
	d := r.New(envelopes.B, envelopes.T, envelopes.C)
	r.pool.Split(d.B*d.T, 4, func(from, to int) {
		own := newScratch(3 * re.C)
		defer own.free()
		size, amplitudes, offsets := own.take(re.C), own.take(re.C), own.take(re.C)
		for i := from; i < to; i++ {
			re, im, da, db, dx := row(re, i), row(im, i), row(da, i), row(db, i), row(d, i)
			h.envelope(size, row(envelopes, i)[:h.knots])
			for k, a := range da {
				amplitudes[k] = a*re[k] + db[k]*im[k]
				if size[k] >= maxLogMagnitude {
					amplitudes[k] = 0
				}
				offsets[k] = db[k]*re[k] - a*im[k]
			}
			clear(dx)
			h.envelopeGradient(dx[:h.knots], amplitudes)
			h.envelopeGradient(dx[h.knots:], offsets)
		}
	})
	return d
}

// PitchLoss is the mean over all frames of how many octaves the pitches that x [B, T, 1]
// stands for are off, frames without a pitch counting as 0. The pitches wanted are cycles
// of a window, 0 for none.
func (r *Run) PitchLoss(x, want tensor.Tensor, weight float64) (sum float64) {
	same(x, want)
	n := x.B * x.T
	cycles, sigmoids := r.cycles(x)
	r.freeFloats(cycles)
	var dx tensor.Tensor
	recording := r.Recording() && r.needsGrad(x)
	if recording {
		dx = r.New(x.B, x.T, 1)
	}
	for i := range n {
		if recording {
			clear(row(dx, i))
		}
		target := float64(row(want, i)[0])
		if !(target > 0) {
			continue
		}
		s := float64(sigmoids[i])
		off := pitchOctaves*s - min(max(math.Log2(target/lowestPitch), 0), pitchOctaves)
		sum += math.Abs(off)
		if recording {
			row(dx, i)[0] = float32(math.Copysign(weight/float64(n)*pitchOctaves*s*(1-s), off))
		}
	}
	r.freeFloats(sigmoids)
	if recording {
		r.recordLoss(func() { r.accumulateGrad(x, dx) })
	}
	return sum / float64(n)
}
