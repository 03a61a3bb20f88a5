package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Snake is the codec's activation, x + sin²(αx)/(α + 1e-9); key alpha
// [1, C, 1] (dac/nn/layers.py).
type Snake struct {
	op.Snake
	alpha *Param
}

// NewSnake declares a Snake over c channels.
func NewSnake(b *Builder, c int) *Snake {
	alpha := b.param("alpha", Constant(1), 1, c, 1)
	l := &Snake{alpha: alpha}
	b.onLoad(func(load *Loader) error {
		v, err := load.Values(alpha)
		if err != nil {
			return err
		}
		l.Alpha, l.Inv = padded(v), make([]float32, tensor.RoundUp(c))
		for i, a := range v {
			l.Inv[i] = 1 / (a + 1e-9)
		}
		if load.training {
			l.OnGrad = func(da, dinv []float32) {
				if b.net.Frozen {
					return
				}
				for i, inv := range l.Inv[:c] {
					alpha.Grad[i] += inv*da[i] - inv*inv*dinv[i]
				}
			}
		}
		return nil
	})
	return l
}

// A ResidualUnit is x + Conv1(Snake(Conv7(Snake(x)))); keys block.0 to block.3
// (dac/model/dac.py).
type ResidualUnit struct {
	snake1, snake2 *Snake
	conv1, conv2   *Conv
	skip           op.Slot
}

// NewResidualUnit declares a residual unit over c channels, where a frame of the codec has
// so many rows (see ConvConfig.Frame).
func NewResidualUnit(b *Builder, c, dilation int, causal bool, frame int) *ResidualUnit {
	b = b.In("block")
	return &ResidualUnit{
		snake1: NewSnake(b.In(0), c),
		conv1:  NewSConv(b.In(1), ConvConfig{In: c, Out: c, K: 7, Dilation: dilation, Causal: causal, Frame: frame}),
		snake2: NewSnake(b.In(2), c),
		conv2:  NewSConv(b.In(3), ConvConfig{In: c, Out: c, K: 1, Causal: causal}),
		skip:   op.NewSlot(),
	}
}

// Forward runs the unit: [B, T, c] → [B, T, c].
func (l *ResidualUnit) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	if y, ok := r.ResidualBF16(op.ResidualUnit{
		Slot: l.conv1.slot, Wide: l.conv1.filter, Shape: l.conv1.shape, WideAct: l.snake1,
		Pointwise: l.conv2.filter, PointwiseAct: l.snake2, Skip: l.skip,
	}, x); ok {
		return y
	}
	h := l.conv1.Forward(r, l.snake1, r.Borrow(x))
	return l.conv2.ForwardAdd(r, l.snake2, h, r.Align(l.skip, x, h.T))
}
