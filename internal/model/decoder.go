package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// DecoderConfig describes a Decoder.
type DecoderConfig struct {
	Latent int   // channels of the input
	Dim    int   // channels after the first convolution
	Rates  []int // strides of the blocks; each halves the channels
	LSTM   int   // layers, 0 for none
	Causal bool
}

// A Decoder turns latent frames into a waveform; keys model.<i>.*
// (dac/model/dac.py, Decoder).
type Decoder struct {
	first  *nn.Conv // model.0
	lstm   *nn.SLSTM
	blocks []*decoderBlock
	snake  *nn.Snake
	last   *nn.Conv
}

type decoderBlock struct {
	snake *nn.Snake           // block.0
	up    *nn.ConvTranspose   // block.1
	units [3]*nn.ResidualUnit // block.2 … block.4
}

// NewDecoder declares a decoder under b's prefix.
func NewDecoder(b *nn.Builder, c DecoderConfig) *Decoder {
	l := &Decoder{}
	next := numbered(b.In("model"))
	l.first = nn.NewSConv(next(), nn.ConvConfig{In: c.Latent, Out: c.Dim, K: 7, Causal: c.Causal})
	if c.LSTM > 0 {
		l.lstm = nn.NewSLSTM(next(), c.Dim, c.LSTM)
	}
	dim, frame := c.Dim, 1 // frame: its rows after the block
	for _, rate := range c.Rates {
		frame *= rate
		b := next().In("block")
		l.blocks = append(l.blocks, &decoderBlock{
			snake: nn.NewSnake(b.In(0), dim),
			up:    nn.NewSConvTranspose(b.In(1), dim, dim/2, rate, c.Causal),
			units: residualUnits(b, 2, dim/2, c.Causal, frame),
		})
		dim /= 2
	}
	l.snake = nn.NewSnake(next(), dim)
	l.last = nn.NewSConv(next(), nn.ConvConfig{In: dim, Out: 1, K: 7, Causal: c.Causal})
	return l
}

// Modulations is that of a WaveDecoder: nil.
func (l *Decoder) Modulations(*op.Run, tensor.Tensor) []tensor.Tensor { return nil }

// Forward decodes latent frames: [B, T, latent] → [B, T·hop, 1].
func (l *Decoder) Forward(r *op.Run, x tensor.Tensor, _ []tensor.Tensor) tensor.Tensor {
	x = l.first.Forward(r, nil, x) // [B, T, dim]
	if l.lstm != nil {
		x = l.lstm.Forward(r, x)
	}
	for _, b := range l.blocks {
		x = b.up.Forward(r, b.snake, x) // [B, T·rate, dim/2]
		for _, u := range b.units {
			x = u.Forward(r, x)
		}
	}
	x = l.last.Forward(r, l.snake, x)
	y := r.Activate(op.Tanh, x)
	r.Free(x)
	return y
}
