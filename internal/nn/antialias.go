package nn

import (
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An AntiAliasedSnake is a SnakeBeta at twice the rate, between upsampling and
// downsampling by a Kaiser-windowed sinc; keys act.alpha [C], act.beta [C], both
// logarithms (alias_free_torch/act.py and resample.py, from BigVGAN, arXiv
// 2206.04658).
type AntiAliasedSnake struct {
	snake    op.Snake
	params   [2]*Param // alpha and beta
	up, down [kernel.AntiAliasTaps]float32
	slot     op.Slot
}

// NewAntiAliasedSnake declares an activation over c channels.
func NewAntiAliasedSnake(b *Builder, c int) *AntiAliasedSnake {
	l := &AntiAliasedSnake{slot: op.NewSlot(), up: checkpointSinc, down: checkpointSinc}
	act := b.In("act")
	alpha, beta := act.param("alpha", Constant(0), c), act.param("beta", Constant(0), c)
	l.params = [2]*Param{alpha, beta}
	NewBuffer(b, "upsample.filter", func(v []float32) { copy(l.up[:], v) }, 1, 1, kernel.AntiAliasTaps)
	NewBuffer(b, "downsample.lowpass.filter", func(v []float32) { copy(l.down[:], v) }, 1, 1, kernel.AntiAliasTaps)
	b.onLoad(func(load *Loader) error {
		logA, err := load.Values(alpha)
		if err != nil {
			return err
		}
		logB, err := load.Values(beta)
		if err != nil {
			return err
		}
		l.snake.Alpha, l.snake.Inv = make([]float32, tensor.RoundUp(c)), make([]float32, tensor.RoundUp(c))
		for i := range c {
			l.snake.Alpha[i] = float32(math.Exp(float64(logA[i])))
			l.snake.Inv[i] = float32(1 / (math.Exp(float64(logB[i])) + 1e-9))
		}
		if load.training {
			l.snake.OnGrad = func(da, dinv []float32) {
				if b.net.Frozen {
					return
				}
				for i, inv := range l.snake.Inv[:c] {
					alpha.Grad[i] += l.snake.Alpha[i] * inv * da[i]
					beta.Grad[i] -= float32(math.Exp(float64(logB[i]))) * inv * inv * dinv[i]
				}
			}
		}
		return nil
	})
	return l
}

// Forward leaves x to the caller, which may be a chunk of a stream: [B, T, C] → [B, T, C].
func (l *AntiAliasedSnake) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	for _, p := range l.params {
		p.use(r)
	}
	return r.AntiAlias(l.slot, &op.AntiAlias{Up: l.up, Down: l.down, Snake: l.snake}, x)
}

// checkpointSinc is the filter of both directions (alias_free_torch/filter.py,
// kaiser_sinc_filter1d) as checkpoints hold it, which differs from the exact one by 2.6e-8:
// after dozens of activations in a row the difference is a hundred times that.
var checkpointSinc = [kernel.AntiAliasTaps]float32{
	0.002028965, 0.009389466, -0.025543459, -0.057657383, 0.128572583, 0.443209797,
	0.443209797, 0.128572583, -0.057657383, -0.025543459, 0.009389466, 0.002028965,
}
