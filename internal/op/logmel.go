package op

import (
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A MelSpectrogram computes the log-mel features of dsp.Mel, with a gradient. It is
// read-only.
type MelSpectrogram struct {
	*STFT
	Bands dsp.Filterbank
}

// LogMel returns the log-mel of waveforms x [B, N, 1], one frame for each whole hop,
// centered, with reflection at both ends, which takes more samples than half an FFT:
// [B, N / hop, bands].
func (r *Run) LogMel(m *MelSpectrogram, x tensor.Tensor) tensor.Tensor {
	index, _ := m.centered(x.T)
	frames := x.T / m.Hop
	y := r.New(x.B, frames, len(m.Bands))
	blocks := (frames + stftLanes - 1) / stftLanes
	waves := make([][]float32, x.B)
	for b := range waves {
		waves[b] = r.waveOf(x, b)
	}
	size := m.Bins() * stftLanes
	scratch := r.alloc(x.B * blocks * (m.Window*stftLanes + 2*size))
	r.pool.For(x.B*blocks, func(i int) {
		b, first := i/blocks, i%blocks*stftLanes
		n := min(stftLanes, frames-first)
		frame, re, im := m.split(scratch, i)
		m.gather(frame, waves[b], index, first, n)
		m.fft.Forward(re, im, frame, stftLanes)
		bands := m.powers(re, im)
		for l := range n {
			row := y.Row(b, first+l)
			for k := range row {
				row[k] = dsp.LogMel(float64(bands[k*stftLanes+l]))
			}
		}
	})
	for _, w := range waves {
		r.freeFloats(w)
	}
	if !r.Recording() || !r.needsGrad(x) {
		r.freeFloats(scratch)
		return y
	}
	r.record(&y, func(dy tensor.Tensor) {
		r.pool.For(x.B*blocks, func(i int) {
			b, first := i/blocks, i%blocks*stftLanes
			n := min(stftLanes, frames-first)
			frame, re, im := m.split(scratch, i)
			d := m.powers(re, im) // becomes the gradient of the bands
			for k := range m.Bands {
				for l := range stftLanes {
					i := k*stftLanes + l
					if l < n {
						d[i] = dy.Row(b, first+l)[k] / (4 * (dsp.MelFloor + d[i]))
					} else {
						d[i] = 0
					}
				}
			}
			dpower := make([]float32, size)
			m.Bands.Adjoint(dpower, d, stftLanes)
			for j, v := range dpower {
				re[j] *= 2 * v
				im[j] *= 2 * v
			}
			m.fft.Adjoint(frame, re, im, stftLanes)
		})
		r.accumulateGrad(x, r.scatterAll(m.STFT, scratch, x, index, 0, frames))
		r.freeFloats(scratch)
	})
	return y
}

// powers returns the power in each band and lane, [band][lane].
func (m *MelSpectrogram) powers(re, im []float32) []float32 {
	power := make([]float32, len(re))
	for i, v := range re {
		power[i] = v*v + im[i]*im[i]
	}
	bands := make([]float32, len(m.Bands)*stftLanes)
	m.Bands.Apply(bands, power, stftLanes)
	return bands
}
