package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// SpectralFeatures are what an encoder at the frame rate sees of a waveform: of each
// frame the logarithm of the power of every bin, (ln(1e-5 + |X|²) + 4)/4 as a
// log-mel's, and of the lowest Phases bins also the cosine and the sine of the
// phase, Re X/√(1e-5 + |X|²) and Im X likewise. It is read-only.
type SpectralFeatures struct {
	*FrameSpectrum
	Phases int
}

// Channels returns the number of features of a frame.
func (s *SpectralFeatures) Channels() int { return s.Bins() + 2*s.Phases }

// Features returns the features of waveforms x [B, N, 1], one frame for each hop,
// whose window stands about the hop's first sample, where the prosody's mel
// spectrogram has its own, with zeros at both ends: [B, ceil(N/hop), channels].
func (r *Run) Features(slot Slot, s *SpectralFeatures, x tensor.Tensor) tensor.Tensor {
	waves, frames := r.frameSamples(slot, s.FrameSpectrum, x)
	bins := s.Bins()
	sums, differences := r.New(x.B, frames, bins), r.New(x.B, frames, bins)
	r.eachRows(x.B*frames, 4, rowsTask{f: foldRows, y: sums, z: differences, gamma: waves, start: len(waves) / x.B, spectrum: s.FrameSpectrum})
	r.freeFloats(waves)
	re, im := r.times(s.cos, sums), r.times(s.sin, differences) // im of the other sign
	r.Free(sums, differences)
	y := r.New(x.B, frames, s.Channels())
	r.eachRows(x.B*frames, 4, rowsTask{f: featureRows, y: y, a: re, b: im, features: s})
	if !r.Recording() || !r.needsGrad(x) {
		r.Free(re, im)
		return y
	}
	r.record(&y, func(dy tensor.Tensor) {
		r.pool.Split(x.B*frames, 4, func(from, to int) {
			for i := from; i < to; i++ {
				b, t := i/frames, i%frames
				s.gradient(dy.Row(b, t), re.Row(b, t), im.Row(b, t))
			}
		})
		sums, differences := r.times(s.cos, re), r.times(s.sin, im)
		r.Free(re, im)
		dx := r.New(x.B, x.T, 1)
		r.pool.For(x.B, func(b int) {
			lead := s.Window / 2
			wave := make([]float32, max(lead+x.T, (frames-1)*s.Hop+s.Window))
			for t := range frames {
				s.unfold(wave[t*s.Hop:], sums.Row(b, t), differences.Row(b, t))
			}
			for t := range x.T {
				dx.Row(b, t)[0] = wave[lead+t]
			}
		})
		r.Free(sums, differences)
		r.accumulateGrad(x, dx)
	})
	return y
}

// foldRows folds the frames of sequences that lie start samples apart in gamma.
func foldRows(t *rowsTask, from, to int) {
	s, frames := t.spectrum, t.y.T
	for i := from; i < to; i++ {
		s.fold(row(t.y, i), row(t.z, i), t.gamma[i/frames*t.start+i%frames*s.Hop:][:s.Window])
	}
}

func featureRows(t *rowsTask, from, to int) {
	phases, bins := t.features.Phases, t.a.C
	for i := from; i < to; i++ {
		dst, re, im := row(t.y, i), row(t.a, i), row(t.b, i)
		for k, a := range re {
			power := float32(a*a) + float32(im[k]*im[k]) + dsp.MelFloor
			dst[k] = power
			if k < phases {
				inv := 1 / float32(math.Sqrt(float64(power)))
				dst[bins+k], dst[bins+phases+k] = a*inv, -im[k]*inv
			}
		}
		kernel.Log(dst[:bins], dst[:bins])
		for k, v := range dst[:bins] {
			dst[k] = (v + 4) / 4
		}
	}
}

// gradient writes over re and im, which has the other sign, the derivatives with
// respect to them.
func (s *SpectralFeatures) gradient(dy, re, im []float32) {
	bins := len(re)
	for k, a := range re {
		b := -im[k]
		inv := 1 / (a*a + b*b + dsp.MelFloor)
		d := dy[k] * inv / 2
		da, db := d*a, d*b
		if k < s.Phases {
			root := float32(math.Sqrt(float64(inv)))
			dc, ds := dy[bins+k]*root, dy[bins+s.Phases+k]*root
			along := (dc*a + ds*b) * inv
			da += dc - along*a
			db += ds - along*b
		}
		re[k], im[k] = da, -db
	}
}

// frameSamples returns the samples of all frames that can be known, those held in slot
// and the padding included, one sequence after the other, and the number of frames. It
// keeps what the next chunk needs.
func (r *Run) frameSamples(slot Slot, s *FrameSpectrum, x tensor.Tensor) (waves []float32, frames int) {
	m := r.state(slot)
	if x.B != 1 && (!r.Last || m.started) {
		panic("op: a stream of more than one sequence")
	}
	lead := s.Window / 2
	held := lead // zeros
	if m.started {
		held = m.n
	}
	n := held + x.T
	length := n
	switch {
	case r.Last:
		frames = (max(0, n-lead) + s.Hop - 1) / s.Hop
		if frames > 0 {
			length = max(n, (frames-1)*s.Hop+s.Window)
		}
	case n >= s.Window:
		frames = (n-s.Window)/s.Hop + 1
	}
	waves = r.alloc(x.B * length)
	clear(waves)
	for b := range x.B {
		wave := waves[b*length:]
		if m.started {
			copy(wave, m.rows[:m.n])
		}
		for t := range x.T {
			wave[held+t] = x.Row(b, t)[0]
		}
	}
	if !r.Last {
		m.replaceRows(waves[frames*s.Hop:n], n-frames*s.Hop)
		m.started = true
	}
	return waves, frames
}
