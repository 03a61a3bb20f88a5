package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An Affine is a factor and an offset for each channel; both slices are a multiple
// of tensor.Lane long.
type Affine struct {
	Gamma, Beta []float32
	// OnGrad, if not nil, is handed the gradients of both.
	OnGrad func(gamma, beta []float32)
}

// sumBlock is the number of rows over which the gradients of an Affine are summed at
// a time, whatever the number of threads.
const sumBlock = 32

// LayerNorm returns PyTorch's layer_norm over the channels of x.
func (r *Run) LayerNorm(x tensor.Tensor, n Affine) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	gamma, beta := n.Gamma[:x.C], n.Beta[:x.C]
	r.eachRows(x.B*x.T, max(1, grainValues/(4*x.Stride)), rowsTask{f: layerNormRows, y: y, a: x, gamma: gamma, beta: beta})
	if r.Recording() && (r.needsGrad(x) || n.OnGrad != nil) {
		r.retain(x)
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(x.B, x.T, x.C)
			r.eachBlock(x, n.OnGrad, func(i int, dgamma, dbeta []float32) {
				b, t := i/x.T, i%x.T
				adaptiveLayerNormGrad(dx.Row(b, t), dgamma[:x.C], dbeta[:x.C], dy.Row(b, t), x.Row(b, t), gamma)
			})
			r.release(x)
			r.accumulateGrad(x, dx)
		})
	}
	return y
}

func layerNormRows(t *rowsTask, from, to int) {
	for i := from; i < to; i++ {
		normalizeRow(row(t.y, i), row(t.a, i), t.gamma, t.beta)
	}
}

// normalizeRow writes layer_norm of one row, times gamma plus beta.
func normalizeRow(dst, x, gamma, beta []float32) {
	mean, inv := moments(x)
	normalizeBy(dst, x, mean, inv)
	kernel.Mul(dst, dst, gamma)
	kernel.Add(dst, dst, beta)
}

// normalizeBy writes (x - mean)·inv.
func normalizeBy(dst, x []float32, mean, inv float32) {
	copy(dst, x)
	addConstant(dst, -mean)
	kernel.Scale(dst, dst, inv)
}

// addConstant adds c to every value.
func addConstant(x []float32, c float32) {
	for len(x) > 0 {
		n := min(len(x), len(ones))
		kernel.AddScaled(x[:n], ones[:], c)
		x = x[n:]
	}
}

var ones = func() (v [1024]float32) {
	for i := range v {
		v[i] = 1
	}
	return v
}()

// AddScaledChannels returns x plus h times a factor for each channel: the layer
// scale at the end of a residual block (Touvron et al., arXiv 2103.17239). The Beta of
// scale has no effect.
func (r *Run) AddScaledChannels(x, h tensor.Tensor, scale Affine) tensor.Tensor {
	same(x, h)
	y := r.New(x.B, x.T, x.C)
	width := tensor.RoundUp(x.C)
	r.eachRows(x.B*x.T, max(1, grainValues/x.Stride), rowsTask{f: addScaledRows, y: y, a: x, b: h, gamma: scale.Gamma[:width]})
	if r.Recording() && (r.needsGrad(x) || r.needsGrad(h) || scale.OnGrad != nil) {
		r.retain(h)
		r.record(&y, func(dy tensor.Tensor) {
			dh := r.New(h.B, h.T, h.C)
			r.eachBlock(h, scale.OnGrad, func(i int, dgamma, _ []float32) {
				d := dy.Data[i*dy.Stride:][:width]
				dst := dh.Data[i*dh.Stride:][:width]
				kernel.Mul(dst, d, h.Data[i*h.Stride:])
				kernel.Add(dgamma, dgamma, dst)
				kernel.Mul(dst, d, scale.Gamma)
			})
			r.release(h)
			r.accumulateGrad(h, dh)
			r.accumulateGrad(x, r.takeGrad(dy))
		})
	}
	return y
}

func addScaledRows(t *rowsTask, from, to int) {
	width := len(t.gamma)
	for i := from; i < to; i++ {
		dst := t.y.Data[i*t.y.Stride:][:width]
		kernel.Mul(dst, t.b.Data[i*t.b.Stride:], t.gamma)
		kernel.Add(dst, dst, t.a.Data[i*t.a.Stride:])
	}
}

// eachBlock calls f for every row of x with what sums the gradients of gamma and
// beta over the rows of a block, and hands learned the sums over all.
func (r *Run) eachBlock(x tensor.Tensor, learned func(gamma, beta []float32), f func(row int, dgamma, dbeta []float32)) {
	width := tensor.RoundUp(x.C)
	rows := x.B * x.T
	blocks := (rows + sumBlock - 1) / sumBlock
	sums := r.alloc(max(1, blocks) * 2 * width)
	clear(sums)
	r.pool.For(blocks, func(i int) {
		sum := sums[i*2*width:][:2*width]
		for row := i * sumBlock; row < min(rows, (i+1)*sumBlock); row++ {
			f(row, sum[:width], sum[width:])
		}
	})
	if learned != nil {
		for i := 1; i < blocks; i++ {
			kernel.Add(sums[:2*width], sums[:2*width], sums[i*2*width:])
		}
		learned(sums[:width], sums[width:2*width])
	}
	r.freeFloats(sums)
}
