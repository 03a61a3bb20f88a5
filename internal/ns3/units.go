package ns3

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A layer takes its input and returns what it emits of the result (see package op).
type layer interface {
	Forward(r *op.Run, x tensor.Tensor) tensor.Tensor
}

// layers run one after the other.
type layers []layer

func (l layers) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	for _, layer := range l {
		x = layer.Forward(r, x)
	}
	return x
}

// activation is the anti-aliased SnakeBeta; keys act.alpha, act.beta,
// upsample.filter, downsample.lowpass.filter.
type activation struct{ *nn.AntiAliasedSnake }

func newActivation(b *nn.Builder, c int) activation {
	return activation{nn.NewAntiAliasedSnake(b, c)}
}

func (l activation) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	y := l.AntiAliasedSnake.Forward(r, x)
	r.Free(x)
	return y
}

// conv is PyTorch's Conv1d with weight norm: zero padding on both sides, not causal;
// keys weight_g, weight_v, bias.
type conv struct{ *nn.Conv }

// newConv declares a convolution that keeps the number of rows.
func newConv(b *nn.Builder, in, out, k, dilation int) conv {
	return conv{nn.NewConv(b, nn.ConvConfig{In: in, Out: out, K: k, Dilation: dilation, ZeroPad: true})}
}

// newDown declares a convolution that keeps one of stride rows.
func newDown(b *nn.Builder, in, out, stride int) conv {
	return conv{nn.NewConv(b, nn.ConvConfig{
		In: in, Out: out, K: 2 * stride, Stride: stride, ZeroPad: true, Pad: (stride + 1) / 2})}
}

func (l conv) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor { return l.Conv.Forward(r, nil, x) }

// up is PyTorch's ConvTranspose1d with weight norm.
type up struct{ *nn.ConvTranspose }

func newUp(b *nn.Builder, in, out, stride int) up {
	return up{nn.NewConvTranspose(b, in, out, stride, false)}
}

func (l up) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	return l.ConvTranspose.Forward(r, nil, x)
}

// tanh ends the decoder.
type tanh struct{}

func (tanh) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	y := r.Activate(op.Tanh, x)
	r.Free(x)
	return y
}

// A residualUnit is x + Conv1(act(Conv7(act(x)))); keys block.0 to block.3
// (ns3_codec/facodec.py, ResidualUnit).
type residualUnit struct {
	inner layers   // block.0, block.1
	act   layer    // block.2
	last  *nn.Conv // block.3
	skip  op.Slot
}

// newResidualUnits declares units of dilations 1, 3 and 9, from index at on.
func newResidualUnits(b *nn.Builder, at, c int) (units layers) {
	for i, dilation := range []int{1, 3, 9} {
		b := b.In(at + i).In("block")
		units = append(units, &residualUnit{
			inner: layers{newActivation(b.In(0), c), newConv(b.In(1), c, c, 7, dilation)},
			act:   newActivation(b.In(2), c),
			last:  newConv(b.In(3), c, c, 1, 1).Conv,
			skip:  op.NewSlot(),
		})
	}
	return units
}

// Forward runs the unit: [1, T, c] → [1, T, c].
func (l *residualUnit) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	h := l.act.Forward(r, l.inner.Forward(r, r.Borrow(x)))
	return l.last.ForwardAdd(r, nil, h, r.Align(l.skip, x, h.T))
}
