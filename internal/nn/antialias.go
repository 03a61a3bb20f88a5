package nn

import (
	"math"
	"sync"

	"github.com/facodec-go/facodec/internal/filterdesign"
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

// Forward leaves x to the caller: [B, T, C] → [B, T, C].
func (l *AntiAliasedSnake) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	for _, p := range l.params {
		p.use(r)
	}
	up, down := resampling(x.T)
	h := r.Resample(up, x)
	act := r.Activate(&l.snake, h)
	r.Free(h)
	y := r.Resample(down, act)
	r.Free(act)
	return y
}

// Stream is Forward for inference: it takes x, [1, T, C], which may be a chunk of a
// stream, and uses the filters of the checkpoint.
func (l *AntiAliasedSnake) Stream(r *op.Run, x tensor.Tensor) tensor.Tensor {
	y := r.AntiAlias(l.slot, &op.AntiAlias{Up: l.up, Down: l.down, Snake: l.snake}, x)
	r.Free(x)
	return y
}

// checkpointSinc is the filter as checkpoints hold it, which differs from kaiserSinc
// by 2.6e-8: after dozens of activations in a row the difference is a hundred times
// that.
var checkpointSinc = [kernel.AntiAliasTaps]float32{
	0.002028965, 0.009389466, -0.025543459, -0.057657383, 0.128572583, 0.443209797,
	0.443209797, 0.128572583, -0.057657383, -0.025543459, 0.009389466, 0.002028965,
}

// The filter of both directions.
const (
	sincTaps      = 12
	sincCutoff    = 0.25
	sincHalfWidth = 0.3
)

// kaiserSinc is the filter, its taps adding up to 1 (alias_free_torch/filter.py,
// kaiser_sinc_filter1d).
var kaiserSinc = sync.OnceValue(func() (taps [sincTaps]float64) {
	const half = sincTaps / 2
	a := 2.285*(half-1)*math.Pi*4*sincHalfWidth + 7.95
	var beta float64
	switch {
	case a > 50:
		beta = 0.1102 * (a - 8.7)
	case a >= 21:
		beta = 0.5842*math.Pow(a-21, 0.4) + 0.07886*(a-21)
	}
	window := filterdesign.Kaiser(beta)
	var sum float64
	for i := range taps {
		t := float64(i-half) + 0.5
		x := 2*float64(i)/(sincTaps-1) - 1
		taps[i] = 2 * sincCutoff * window(x) * filterdesign.Sinc(2*sincCutoff*t)
		sum += taps[i]
	}
	for i := range taps {
		taps[i] /= sum
	}
	return taps
})

var resamplings sync.Map // *[2]*op.Resampling by the number of rows

// resampling returns the resampling of n rows to 2·n, and back, padded by
// repeating the first and last row (alias_free_torch/resample.py).
func resampling(n int) (up, down *op.Resampling) {
	if p, ok := resamplings.Load(n); ok {
		pair := p.(*[2]*op.Resampling)
		return pair[0], pair[1]
	}
	filter := kaiserSinc()
	var double, half [][]op.Tap
	const crop, pad = 15, 5
	for t := range 2 * n {
		var row tapRow
		for j := range n + 2*pad {
			if i := t + crop - 2*j; i >= 0 && i < sincTaps {
				row.add(min(max(j-pad, 0), n-1), 2*filter[i])
			}
		}
		double = append(double, row.taps())
	}
	for t := range n {
		var row tapRow
		for i, w := range filter {
			row.add(min(max(2*t+i-pad, 0), 2*n-1), w)
		}
		half = append(half, row.taps())
	}
	pair := &[2]*op.Resampling{op.NewResampling(n, double), op.NewResampling(2*n, half)}
	resamplings.Store(n, pair)
	return pair[0], pair[1]
}

// tapRow collects the taps of an output row; those of one input row are added up.
type tapRow struct {
	rows    []int
	weights []float64
}

func (m *tapRow) add(row int, weight float64) {
	if n := len(m.rows); n > 0 && m.rows[n-1] == row {
		m.weights[n-1] += weight
		return
	}
	m.rows, m.weights = append(m.rows, row), append(m.weights, weight)
}

func (m *tapRow) taps() []op.Tap {
	terms := make([]op.Tap, len(m.rows))
	for i, row := range m.rows {
		terms[i] = op.Tap{Row: row, Weight: float32(m.weights[i])}
	}
	return terms
}
