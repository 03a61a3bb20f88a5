package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TimbreConfig describes a TimbreEncoder.
type TimbreConfig struct {
	Mels, Hidden, Out int
}

// A TimbreEncoder turns the log-mel of an utterance into one vector; keys
// spectral.*, temporal.*, slf_attn.*, fc.* (modules/style_encoder.py).
type TimbreEncoder struct {
	spectral   [2]*nn.Conv // spectral.0, spectral.3
	temporal   [2]*nn.Conv // temporal.<i>.conv1
	q, k, v, o *nn.Conv    // slf_attn.conv_*
	fc         *nn.Conv
}

// timbreDropout is the dropout in training.
const timbreDropout = 0.1

// timbreHeads is the number of attention heads.
const timbreHeads = 2

// NewTimbreEncoder declares a timbre encoder under b's prefix.
func NewTimbreEncoder(b *nn.Builder, c TimbreConfig) *TimbreEncoder {
	h := c.Hidden
	pointwise := func(b *nn.Builder, in, out int) *nn.Conv {
		return nn.NewConv(b, nn.ConvConfig{In: in, Out: out, K: 1, NoWeightNorm: true})
	}
	l := &TimbreEncoder{}
	l.spectral[0] = pointwise(b.In("spectral").In(0), c.Mels, h)
	l.spectral[1] = pointwise(b.In("spectral").In(3), h, h)
	for i := range l.temporal {
		l.temporal[i] = nn.NewConv(b.In("temporal").In(i).In("conv1"),
			nn.ConvConfig{In: h, Out: 2 * h, K: 5, ZeroPad: true, NoWeightNorm: true})
	}
	attention := b.In("slf_attn")
	l.q = pointwise(attention.In("conv_q"), h, h).InitWeight(nn.XavierUniform)
	l.k = pointwise(attention.In("conv_k"), h, h).InitCopy(l.q)
	l.v = pointwise(attention.In("conv_v"), h, h).InitWeight(nn.XavierUniform)
	l.o = pointwise(attention.In("conv_o"), h, h)
	l.fc = pointwise(b.In("fc"), h, c.Out)
	return l
}

// Forward returns the frames whose mean is the timbre: [B, T, mels] →
// [B, T, out]. Its input is a whole utterance: the run's first chunk must be its last.
func (l *TimbreEncoder) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	x = l.spectral[0].Forward(r, nil, x) // [B, T, hidden]
	x = r.Dropout(replace(r, x, r.Activate(op.Mish, x)), timbreDropout)
	x = l.spectral[1].Forward(r, nil, x)
	x = r.Dropout(replace(r, x, r.Activate(op.Mish, x)), timbreDropout)
	for _, conv := range l.temporal {
		h := conv.Forward(r, nil, r.Borrow(x)) // [B, T, 2·hidden]
		h = r.Dropout(replace(r, h, r.GLU(h)), timbreDropout)
		x = replace(r, h, addAndFree(r, x, h))
	}
	q, k, v := l.q.Forward(r, nil, r.Borrow(x)), l.k.Forward(r, nil, r.Borrow(x)), l.v.Forward(r, nil, r.Borrow(x))
	h := r.Attention(q, k, v, timbreHeads)
	r.Free(q, k, v)
	h = r.Dropout(l.o.Forward(r, nil, h), timbreDropout)
	x = replace(r, h, addAndFree(r, x, h))
	return l.fc.Forward(r, nil, x)
}

// addAndFree frees x and returns x + y.
func addAndFree(r *op.Run, x, y tensor.Tensor) tensor.Tensor { return replace(r, x, r.Add(y, x)) }

// replace frees x and returns y, which was made from it.
func replace(r *op.Run, x, y tensor.Tensor) tensor.Tensor {
	r.Free(x)
	return y
}
