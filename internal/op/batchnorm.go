package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A ChannelNorm is batch normalization with fixed statistics, a factor and an offset
// for each channel, followed by a leaky ReLU: v = x·Scale + Shift, times Slope
// where that is negative.
type ChannelNorm struct {
	Scale, Shift []float32
	Slope        float32
}

// NormPool normalizes an image, every frame a sequence over its bins, and keeps
// the largest of every pool bins: x [frames, bins, C] → [frames, bins/pool, C].
// Bins that do not fill a pool are left out, as by PyTorch's MaxPool2d. It is for
// inference only: a recording run does not record it.
func NormPool(r *Run, n ChannelNorm, x tensor.Tensor, pool int) tensor.Tensor {
	y := r.New(x.B, x.T/pool, x.C)
	r.pool.Split(x.B, max(1, grainValues/(x.T*x.Stride)), func(from, to int) {
		row := make([]float32, x.C)
		for frame := from; frame < to; frame++ {
			for bin := range y.T {
				dst := y.Row(frame, bin)
				n.apply(dst, x.Row(frame, bin*pool))
				for i := 1; i < pool; i++ {
					n.apply(row, x.Row(frame, bin*pool+i))
					for c, v := range row {
						dst[c] = max(dst[c], v)
					}
				}
			}
		}
	})
	return y
}

func (n ChannelNorm) apply(dst, x []float32) {
	kernel.Mul(dst, x, n.Scale)
	kernel.Add(dst, dst, n.Shift)
	kernel.LeakyReLU(dst, dst, n.Slope)
}
