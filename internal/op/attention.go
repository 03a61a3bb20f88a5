package op

import (
	"math"
	"sync/atomic"

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
	if r.Recording() && (r.needsGrad(q) || r.needsGrad(k) || r.needsGrad(v)) {
		r.retain(q, k, v)
		r.record(&y, func(dy tensor.Tensor) {
			dq, dk, dv := r.New(q.B, q.T, q.C), r.Zeros(k.B, k.T, k.C), r.Zeros(v.B, v.T, v.C)
			r.pool.For(q.B*heads, func(i int) {
				b, at := i/heads, i%heads*d
				head := func(x tensor.Tensor) tensor.Tensor { return part(x.Sample(b), at, d) }
				g := attentionGrad{q: head(q), k: head(k), v: head(v), dy: head(dy), scale: scale}
				g.run()
				for _, side := range [][2]tensor.Tensor{{dq, g.dq}, {dk, g.dk}, {dv, g.dv}} {
					for t := range side[1].T {
						copy(side[0].Row(b, t)[at:at+d], side[1].Row(0, t))
					}
				}
			})
			r.release(q, k, v)
			r.accumulateGrad(q, dq)
			r.accumulateGrad(k, dk)
			r.accumulateGrad(v, dv)
		})
	}
	return y
}

// part copies channels at to at+d of one sequence, onto the Go heap.
func part(x tensor.Tensor, at, d int) tensor.Tensor {
	y := tensor.New(1, x.T, d)
	for t := range x.T {
		copy(y.Row(0, t), x.Row(0, t)[at:at+d])
	}
	return y
}

// attentionGrad is the backward pass of one head; all its tensors are [1, T, d].
type attentionGrad struct {
	q, k, v, dy tensor.Tensor
	dq, dk, dv  tensor.Tensor
	scale       float32
}

// run computes the scores again, a block of queries at a time.
func (g *attentionGrad) run() {
	const block = 128
	d, n := g.q.C, g.k.T
	g.dq, g.dk, g.dv = tensor.New(1, g.q.T, d), tensor.New(1, n, d), tensor.New(1, n, d)
	keys, values, keyRows := packColumns(g.k, 0, d), packColumns(g.v, 0, d), packRows(g.k, 0, d)
	for i := range g.q.Data {
		g.q.Data[i] *= g.scale
	}
	for from := 0; from < g.q.T; from += block {
		to := min(g.q.T, from+block)
		q, dy := g.q.Slice(from, to), g.dy.Slice(from, to)
		p, dp := tensor.New(1, to-from, n), tensor.New(1, to-from, n)
		multiply(p, q, keys, false)
		multiply(dp, dy, values, false)
		for t := range p.T {
			row, drow := p.Row(0, t), dp.Row(0, t)
			kernel.Softmax(row)
			var sum float64
			for i, v := range row {
				sum += float64(v) * float64(drow[i])
			}
			for i, v := range row {
				drow[i] = v * (drow[i] - float32(sum))
			}
		}
		multiply(g.dv, transposed(p), packRows(dy, 0, d), true)
		multiply(g.dk, transposed(dp), packRows(q, 0, d), true)
		multiply(g.dq.Slice(from, to), dp, keyRows, false)
	}
	for i := range g.dq.Data {
		g.dq.Data[i] *= g.scale
	}
}

// multiply computes y = a·w, or adds it to y.
func multiply(y, a tensor.Tensor, w *kernel.Panels, add bool) {
	p := kernel.Product{Dst: y.Data, LdDst: y.Stride, A: a.Data, LdA: a.Stride, W: w}
	if add {
		p.Init, p.LdInit = p.Dst, p.LdDst
	}
	p.Run(0, a.T, 0, w.Count())
}

func transposed(x tensor.Tensor) tensor.Tensor {
	y := tensor.New(1, x.C, x.T)
	kernel.Transpose(y.Data, y.Stride, x.Data, x.Stride, x.T, x.C)
	return y
}

// packRows packs channels at to at+d of one sequence as the right side of a product
// that contracts over its rows.
func packRows(x tensor.Tensor, at, d int) *kernel.Panels {
	w := kernel.NewPanels(nil, 1, x.T, d)
	setRows(w, x, at, d)
	return w
}

func setRows(w *kernel.Panels, x tensor.Tensor, at, d int) {
	for panel := range w.Count() {
		from := panel * kernel.Width
		n := min(kernel.Width, d-from)
		dst := w.Data[w.Index(0, 0, from):]
		for t := range x.T {
			copy(dst[t*kernel.Width:][:n], x.Row(0, t)[at+from:])
		}
	}
}

// packColumns packs them as that of a product that contracts over the channels.
func packColumns(x tensor.Tensor, at, d int) *kernel.Panels {
	w := kernel.NewPanels(nil, 1, d, x.T)
	setColumns(w, x, at, d)
	return w
}

func setColumns(w *kernel.Panels, x tensor.Tensor, at, d int) {
	for panel := range w.Count() {
		from := panel * kernel.Width
		n := min(kernel.Width, x.T-from)
		kernel.Transpose(w.Data[w.Index(0, 0, from):], kernel.Width, x.Rows(0, from, from+n)[at:], x.Stride, n, d)
	}
}

// attend computes one head, channels at to at+d, one block of queries at a time, so
// that memory grows linearly with the length. All of it is the run's: as garbage, a minute of
// speech would double the heap before it is collected.
func (r *Run) attend(y, q, k, v tensor.Tensor, at, d int, scale float32) {
	r.Profiler.count(2 * int64(q.T) * int64(k.T) * int64(d))
	keys, values := r.zeroPanels(d, k.T), r.zeroPanels(k.T, d)
	setColumns(keys, k, at, d)
	setRows(values, v, at, d)
	const block = 48
	blocks := (q.T + block - 1) / block
	parts := min(r.pool.Threads(), blocks)
	queries, scores, outs := r.New(parts, block, d), r.New(parts, block, k.T), r.New(parts, block, d)
	var next atomic.Int64
	r.pool.For(parts, func(part int) {
		query, scores, out := queries.Sample(part), scores.Sample(part), outs.Sample(part)
		for {
			i := int(next.Add(1)) - 1
			if i >= blocks {
				return
			}
			from, to := i*block, min(q.T, (i+1)*block)
			n := to - from
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
		}
	})
	r.Free(queries, scores, outs)
	r.freePanels(keys, values)
}

// zeroPanels returns panels of one tap over the run's memory.
func (r *Run) zeroPanels(k, n int) *kernel.Panels {
	data := r.alloc(max(1, kernel.PanelsLen(1, k, n)))
	clear(data)
	return kernel.NewPanels(data, 1, k, n)
}
