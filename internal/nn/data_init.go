package nn

import (
	"math"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// InitFromData is data-dependent initialization (Salimans and Kingma, Weight
// Normalization, arXiv 1602.07868, section 3): before training, the scale g and the
// bias of a layer with weight norm are set so that its output for a first batch has
// mean 0 and standard deviation 1 in every channel. It needs a network loaded for
// training.
//
// With PyTorch's default initialization, the output of an encoder for speech varies
// by a fifteenth of its mean, and every frame has the same code.

// minDeviation is the smallest standard deviation of a channel that is initialized.
const minDeviation = 1e-6

// InitFromData initializes the convolution from act(x), and returns what Forward
// does then.
func (l *Conv) InitFromData(r *op.Run, act op.Activation, x tensor.Tensor) tensor.Tensor {
	params := l.filter.Trainable.(*trainableConv)
	y := l.Forward(r, act, x)
	n := float64(y.B * y.T)
	for j := range y.C {
		var sum, square float64
		each(y, j, func(v *float32) { sum += float64(*v) })
		mean := sum / n
		each(y, j, func(v *float32) { square += (float64(*v) - mean) * (float64(*v) - mean) })
		deviation := math.Sqrt(square / n)
		if deviation < minDeviation {
			continue // a constant output, as for silence, has no scale
		}
		params.initFromData(j, mean, deviation)
		l.filter.Bias[j] = params.bias.Value[j]
		each(y, j, func(v *float32) { *v = float32((float64(*v) - mean) / deviation) })
	}
	return y
}

// each calls f for channel j of every row.
func each(y tensor.Tensor, j int, f func(v *float32)) {
	for b := range y.B {
		for t := range y.T {
			f(&y.Row(b, t)[j])
		}
	}
}

// initFromData rescales output channel o, whose output has this mean and deviation,
// to mean 0 and deviation 1.
func (l *trainableConv) initFromData(o int, mean, deviation float64) {
	l.g.Value[o] = float32(float64(l.g.Value[o]) / deviation)
	l.bias.Value[o] = float32((float64(l.bias.Value[o]) - mean) / deviation)
	l.scale[o] = float32(float64(l.scale[o]) / deviation)
}

// InitFromData initializes the projection from x and the codebook from projected
// rows, which the random numbers of key choose, and returns what Forward does then.
func (l *VectorQuantize) InitFromData(r *op.Run, x tensor.Tensor, key uint64) (codes [][]int32, latent, z tensor.Tensor) {
	latent = l.in.InitFromData(r, nil, r.Borrow(x))
	entries := l.entries.Value
	for i := 0; len(entries) > 0; i++ {
		at := int(op.Uniform(key, uint64(i)) * float64(latent.B*latent.T))
		entries = entries[copy(entries, latent.Row(at/latent.T, at%latent.T)):]
	}
	r.Free(latent)
	l.setEntries(l.entries.Value)
	return l.Forward(r, x)
}

// InitFromData initializes each quantizer from the residual that the earlier ones
// leave of x, which it takes, and returns what Forward does then. The random
// numbers of codebook i are those of key(i).
func (l *ResidualVQ) InitFromData(r *op.Run, x tensor.Tensor, key func(book int) uint64) Quantized {
	return l.chain(r, x, nil, func(i int, x tensor.Tensor) ([][]int32, tensor.Tensor, tensor.Tensor) {
		return l.Quantizers[i].InitFromData(r, x, key(i))
	})
}
