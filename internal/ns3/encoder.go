// Package ns3 holds the networks of the FACodec that was published with
// NaturalSpeech 3 (arXiv 2403.03100): open-mmlab/Amphion, models/codec/ns3_codec,
// checkpoints amphion/naturalspeech3_facodec. It is the second family of models:
// 16 kHz, 200 samples a frame, not causal; package model has the first. One file has one
// block; names follow the checkpoints' keys.
//
// Encoder, quantizer and decoder stream by the rule of package op, delayed by their
// lookahead. Timbre, and in version 2 prosody, are computed by transformers over whole
// utterances (see transformer.go).
package ns3

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
}

// An Encoder turns a waveform into latent frames; keys block.<i>.*
// (ns3_codec/facodec.py, FACodecEncoder).
type Encoder struct{ blocks layers }

// NewEncoder declares an encoder under b's prefix.
func NewEncoder(b *nn.Builder, c EncoderConfig) *Encoder {
	b = b.In("block")
	l := &Encoder{blocks: layers{newConv(b.In(0), 1, c.Dim, 7, 1)}}
	dim := c.Dim
	for i, rate := range c.Rates {
		b := b.In(i + 1).In("block")
		block := newResidualUnits(b, 0, dim)
		l.blocks = append(l.blocks, append(block, newActivation(b.In(3), dim), newDown(b.In(4), dim, 2*dim, rate)))
		dim *= 2
	}
	n := len(l.blocks)
	l.blocks = append(l.blocks, newActivation(b.In(n), dim), newConv(b.In(n+1), dim, c.Latent, 3, 1))
	return l
}

// Forward encodes a waveform: [1, N, 1] → [1, T, latent], T being N/hop where N is a
// multiple of hop.
func (l *Encoder) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor { return l.blocks.Forward(r, x) }
