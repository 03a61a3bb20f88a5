package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A MelSpectrogram computes the log-mel features that networks are given,
// (log(1e-5 + mel) + 4) / 4 of the power in each band. It is read-only.
type MelSpectrogram struct {
	*STFT
	Bands []Band
}

// melFloor is added to the power before its logarithm is taken.
const melFloor = 1e-5

// LogMel returns the log-mel of waveforms x [B, N, 1], one frame for each whole hop,
// centred, with reflection at both ends, which takes more samples than half an FFT:
// [B, N / hop, bands].
func (r *Run) LogMel(m *MelSpectrogram, x tensor.Tensor) tensor.Tensor {
	index, _ := m.centred(x.T)
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
		var sum [stftLanes]float32
		for k, band := range m.Bands {
			m.power(&sum, band, re, im)
			for l := range n {
				y.Row(b, first+l)[k] = float32((math.Log(melFloor+float64(sum[l])) + 4) / 4)
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
			slope := make([]float32, size) // of each bin's power
			var sum, d [stftLanes]float32
			for k, band := range m.Bands {
				m.power(&sum, band, re, im)
				for l := range n {
					d[l] = dy.Row(b, first+l)[k] / (4 * (melFloor + sum[l]))
				}
				for j, w := range band.Weights {
					kernel.AddScaled(slope[(band.First+j)*stftLanes:][:stftLanes], d[:], w)
				}
			}
			for j, v := range slope {
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

// power sums a band of the power of each lane.
func (m *MelSpectrogram) power(sum *[stftLanes]float32, band Band, re, im []float32) {
	clear(sum[:])
	for j, w := range band.Weights {
		at := (band.First + j) * stftLanes
		re, im := re[at:at+stftLanes], im[at:at+stftLanes]
		for l := range sum {
			sum[l] += w * (re[l]*re[l] + im[l]*im[l])
		}
	}
}
