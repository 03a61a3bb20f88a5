package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Attention returns multi-head self-attention: for each head
// softmax(q·kᵀ/sqrt(d))·v, heads side by side (modules/attentions.py,
// MultiHeadAttention without relative positions). It sees a whole utterance.
func (r *Run) Attention(q, k, v tensor.Tensor, heads int) tensor.Tensor {
	y := r.New(q.B, q.T, q.C)
	d := q.C / heads
	scale := float32(1 / math.Sqrt(float64(d)))
	for b := range q.B {
		for h := range heads {
			r.attend(y.Sample(b), q.Sample(b), k.Sample(b), v.Sample(b), h*d, d, scale)
		}
	}
	return y
}

// attend computes one head, channels at to at+d, a block of queries at a time so
// that memory grows with the length and not with its square.
func (r *Run) attend(y, q, k, v tensor.Tensor, at, d int, scale float32) {
	r.Meter.count(2 * int64(q.T) * int64(k.T) * int64(d))
	keys, values := attentionPanels(k, v, at, d)
	const block = 48
	blocks := (q.T + block - 1) / block
	r.pool.For(blocks, func(i int) {
		from, to := i*block, min(q.T, (i+1)*block)
		n := to - from
		// Not from the run's memory, which belongs to one goroutine.
		query := tensor.New(1, n, d)
		scores := tensor.New(1, n, k.T)
		out := tensor.New(1, n, d)
		for t := range n {
			for j, x := range q.Row(0, from+t)[at : at+d] {
				query.Row(0, t)[j] = x * scale
			}
		}
		p := kernel.Product{Dst: scores.Data, LdDst: scores.Stride, A: query.Data, LdA: query.Stride, W: keys}
		p.Run(0, n, 0, keys.Count())
		for t := range n {
			kernel.Softmax(scores.Row(0, t))
		}
		p = kernel.Product{Dst: out.Data, LdDst: out.Stride, A: scores.Data, LdA: scores.Stride, W: values}
		p.Run(0, n, 0, values.Count())
		for t := range n {
			copy(y.Row(0, from+t)[at:at+d], out.Row(0, t))
		}
	})
}

// attentionPanels packs one head's keys (transposed) and values as the right
// sides of its two products.
func attentionPanels(k, v tensor.Tensor, at, d int) (keys, values *kernel.Panels) {
	keys, values = kernel.NewPanels(nil, 1, d, k.T), kernel.NewPanels(nil, 1, k.T, d)
	for t := range k.T {
		for j, x := range k.Row(0, t)[at : at+d] {
			keys.Data[keys.Index(0, j, t)] = x
		}
		for j, x := range v.Row(0, t)[at : at+d] {
			values.Data[values.Index(0, t, j)] = x
		}
	}
	return keys, values
}
