// Package model holds the networks of FAcodec, one file each. Names follow the paper
// (NaturalSpeech 3, arXiv 2403.03100), upstream and the checkpoint's keys.
package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// EncoderConfig describes an Encoder.
type EncoderConfig struct {
	Dim    int   // channels after the first convolution
	Rates  []int // strides of the blocks; each doubles the channels
	Latent int   // channels of the result
	LSTM   int   // layers, 0 for none
	Causal bool
}

// An Encoder turns a waveform into latent frames, one for each Π Rates samples;
// keys block.<i>.* (dac/model/dac.py, Encoder).
type Encoder struct {
	first  *nn.Conv        // block.0
	blocks []*encoderBlock // block.1 …
	lstm   *nn.SLSTM
	snake  *nn.Snake
	last   *nn.Conv
}

type encoderBlock struct {
	units [3]*nn.ResidualUnit // block.0 … block.2
	snake *nn.Snake           // block.3
	down  *nn.Conv            // block.4
}

// NewEncoder declares an encoder under b's prefix.
func NewEncoder(b *nn.Builder, c EncoderConfig) *Encoder {
	l := &Encoder{}
	next := numbered(b.In("block"))
	l.first = nn.NewSConv(next(), nn.ConvConfig{In: 1, Out: c.Dim, K: 7, Causal: c.Causal})
	dim, frame := c.Dim, 1 // frame: its rows at the block
	for _, rate := range c.Rates {
		frame *= rate
	}
	for _, rate := range c.Rates {
		l.blocks = append(l.blocks, newEncoderBlock(next().In("block"), dim, rate, c.Causal, frame))
		dim *= 2
		frame /= rate
	}
	if c.LSTM > 0 {
		l.lstm = nn.NewSLSTM(next(), dim, c.LSTM)
	}
	l.snake = nn.NewSnake(next(), dim)
	l.last = nn.NewSConv(next(), nn.ConvConfig{In: dim, Out: c.Latent, K: 3, Causal: c.Causal})
	return l
}

func newEncoderBlock(b *nn.Builder, dim, stride int, causal bool, frame int) *encoderBlock {
	return &encoderBlock{
		units: residualUnits(b, 0, dim, causal, frame),
		snake: nn.NewSnake(b.In(3), dim),
		down:  nn.NewSConv(b.In(4), nn.ConvConfig{In: dim, Out: 2 * dim, K: 2 * stride, Stride: stride, Causal: causal}),
	}
}

// residualUnits declares the three units of a block, from index at on, where a frame has
// so many rows.
func residualUnits(b *nn.Builder, at, dim int, causal bool, frame int) (units [3]*nn.ResidualUnit) {
	for i, dilation := range []int{1, 3, 9} {
		units[i] = nn.NewResidualUnit(b.In(at+i), dim, dilation, causal, frame)
	}
	return units
}

// numbered returns a function that returns the builders of b's layers 0, 1, 2 … in
// turn: where an optional layer is left out, later ones have lower numbers.
func numbered(b *nn.Builder) func() *nn.Builder {
	i := -1
	return func() *nn.Builder {
		i++
		return b.In(i)
	}
}

// Forward encodes a waveform: [B, N, 1] → [B, ceil(N/hop), latent].
func (l *Encoder) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	return l.forward(r, x, (*nn.Conv).Forward)
}

// InitFromData initializes the convolutions between the residual units from a first
// batch (see nn.Conv.InitFromData) and then returns what Forward does. The residual
// units keep their small initial weights: initialized from data, each would double the
// variance, and training would diverge at any learning rate.
func (l *Encoder) InitFromData(r *op.Run, x tensor.Tensor) tensor.Tensor {
	return l.forward(r, x, (*nn.Conv).InitFromData)
}

// forward runs the convolutions between the residual units with conv.
func (l *Encoder) forward(r *op.Run, x tensor.Tensor, conv func(*nn.Conv, *op.Run, op.Activation, tensor.Tensor) tensor.Tensor) tensor.Tensor {
	x = conv(l.first, r, nil, x) // [B, N, dim]
	for _, b := range l.blocks {
		for _, u := range b.units {
			x = u.Forward(r, x)
		}
		x = conv(b.down, r, b.snake, x) // [B, T/rate, 2·dim]
	}
	if l.lstm != nil {
		x = l.lstm.Forward(r, x)
	}
	return conv(l.last, r, l.snake, x)
}
