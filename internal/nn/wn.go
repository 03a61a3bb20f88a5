package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// WNConfig describes a WaveNet-like stack.
type WNConfig struct {
	Hidden, Layers int
	Condition      int // channels of the condition, 0 for none
	Causal         bool
}

// wnKernel is upstream's kernel size for every WN.
const wnKernel = 5

// wnDropout is the dropout probability of every WN in training.
const wnDropout = 0.2

// WN is a stack of gated convolutions with residual and skip paths; keys
// in_layers.<i>, res_skip_layers.<i>, cond_layer (modules/wavenet.py).
type WN struct {
	hidden  int
	in      []*Conv
	resSkip []*Conv
	cond    *Conv
	skips   []op.Slot // x beside the layer's output
	sums    []op.Slot // the sum so far beside the layer's output
}

// NewWN declares the stack.
func NewWN(b *Builder, c WNConfig) *WN {
	l := &WN{hidden: c.Hidden}
	if c.Condition > 0 {
		l.cond = NewSConv(b.In("cond_layer"), ConvConfig{In: c.Condition, Out: 2 * c.Hidden * c.Layers, K: 1})
	}
	for i := range c.Layers {
		l.in = append(l.in, NewSConv(b.In("in_layers").In(i),
			ConvConfig{In: c.Hidden, Out: 2 * c.Hidden, K: wnKernel, Causal: c.Causal}))
		out := 2 * c.Hidden
		if i == c.Layers-1 {
			out = c.Hidden
		}
		l.resSkip = append(l.resSkip, NewSConv(b.In("res_skip_layers").In(i), ConvConfig{In: c.Hidden, Out: out, K: 1}))
		l.skips = append(l.skips, op.NewSlot())
		l.sums = append(l.sums, op.NewSlot())
	}
	return l
}

// Condition returns the terms that a condition vector g [1, 1, condition] adds in
// each layer, for Forward. They are valid for a whole stream.
func (l *WN) Condition(r *op.Run, g tensor.Tensor) []tensor.Tensor {
	all := l.cond.Forward(r, nil, g)
	parts := make([]tensor.Tensor, len(l.in))
	for i := range parts {
		parts[i] = r.Borrow(r.SliceChannels(all, i*2*l.hidden, (i+1)*2*l.hidden))
	}
	r.Free(all)
	return parts
}

// Forward runs the stack, with what Condition returned or nil:
// [B, T, hidden] → [B, T, hidden].
func (l *WN) Forward(r *op.Run, x tensor.Tensor, condition []tensor.Tensor) tensor.Tensor {
	sum := r.Zeros(x.B, x.T, l.hidden)
	for i, in := range l.in {
		var h tensor.Tensor
		if condition != nil {
			h = in.ForwardAdd(r, nil, r.Borrow(x), condition[i])
		} else {
			h = in.Forward(r, nil, r.Borrow(x))
		}
		gated := r.Dropout(r.Gate(h), wnDropout)
		r.Free(h)
		x, sum = r.Align(l.skips[i], x, gated.T), r.Align(l.sums[i], sum, gated.T)
		if i == len(l.in)-1 {
			r.Free(x)
			return l.resSkip[i].ForwardAdd(r, nil, gated, sum)
		}
		h = l.resSkip[i].Forward(r, nil, gated)
		nextX, nextSum := r.AddHalves(x, sum, h)
		r.Free(x, sum, h)
		x, sum = nextX, nextSum
	}
	return sum
}
