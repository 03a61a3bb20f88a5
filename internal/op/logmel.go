package op

import (
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A MelSpectrogram computes the log-mel features of dsp.Mel, with a gradient. It is
// read-only.
type MelSpectrogram struct {
	*STFT
	Bands dsp.Filterbank
}

// LogMel returns the log-mel of waveforms x [B, 1, N], one frame for each whole hop,
// centered, with reflection at both ends, which takes more samples than half an FFT:
// [B, N / hop, bands].
func (r *Run) LogMel(m *MelSpectrogram, x tensor.Tensor) tensor.Tensor {
	centered := m.Centered()
	frames := x.C / m.Hop
	y := r.New(x.B, frames, len(m.Bands))
	blocks := (frames + stftLanes - 1) / stftLanes
	waves := r.extended(x, centered)
	bins, bands := m.Bins()*stftLanes, len(m.Bands)*stftLanes
	spectra := r.alloc(x.B * blocks * (2*bins + bands)) // what the backward pass reads
	parts := func(i int) (re, im, power []float32) {
		v := spectra[i*(2*bins+bands):]
		return v[:bins], v[bins : 2*bins], v[2*bins:][:bands]
	}
	r.pool.For(x.B*blocks, func(i int) {
		b, first := i/blocks, i%blocks*stftLanes
		n := min(stftLanes, frames-first)
		own := newScratch(m.Window*stftLanes + 2*bins + bands)
		defer own.free()
		frame, square, spare, log := own.take(m.Window*stftLanes), own.take(bins), own.take(bins), own.take(bands)
		re, im, power := parts(i)
		m.gather(frame, waves[b], first, n)
		m.fft.Forward(re, im, frame, stftLanes)
		kernel.Mul(square, re, re)
		kernel.Mul(spare, im, im)
		kernel.Add(square, square, spare)
		m.Bands.Apply(power, square, stftLanes)
		for k, v := range power {
			power[k] = v + dsp.MelFloor
		}
		kernel.Log(log, power)
		for l := range n {
			row := y.Row(b, first+l)
			for k := range row {
				row[k] = (log[k*stftLanes+l] + 4) / 4
			}
		}
	})
	r.freeAll(waves)
	if !r.Recording() || !r.needsGrad(x) {
		r.freeFloats(spectra)
		return y
	}
	r.record(&y, func(dy tensor.Tensor) {
		all := r.allocFrames(m.STFT, x.B, frames)
		r.pool.For(x.B*blocks, func(i int) {
			b, first := i/blocks, i%blocks*stftLanes
			n := min(stftLanes, frames-first)
			own := newScratch(m.Window*stftLanes + bins + bands)
			defer own.free()
			frame, dpower, d := own.take(m.Window*stftLanes), own.take(bins), own.take(bands)
			re, im, power := parts(i)
			for k := range m.Bands {
				for l := range stftLanes {
					i := k*stftLanes + l
					d[i] = 0
					if l < n {
						d[i] = dy.Row(b, first+l)[k] / (2 * power[i]) // of half the power
					}
				}
			}
			m.Bands.Adjoint(dpower, d, stftLanes)
			kernel.Mul(re, re, dpower)
			kernel.Mul(im, im, dpower)
			m.fft.Adjoint(frame, re, im, stftLanes)
			m.spread(all[b][first*m.Window:], frame, n)
		})
		r.freeFloats(spectra)
		r.accumulateGrad(x, r.sumFrames(m.STFT, all, x, centered, 0))
	})
	return y
}
