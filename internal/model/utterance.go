package model

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
)

// UtteranceCodec runs whole utterances through a codec, one after the other, and uses
// the memory of one for the next. It serves one goroutine at a time. The codec's
// weights may be reloaded between two calls.
type UtteranceCodec struct {
	codec   *Codec
	encoder *EncoderStream
	timbre  *TimbreStream
	decoder DecoderStream
}

// NewUtteranceCodec prepares for utterances.
func (c *Codec) NewUtteranceCodec(pool *parallel.Pool) *UtteranceCodec {
	return &UtteranceCodec{
		codec: c, encoder: c.NewEncoderStream(pool), timbre: c.NewTimbreStream(pool),
		decoder: DecoderStream{codec: c, run: op.NewRun(pool)},
	}
}

// Encode returns the codes of an utterance of at least one sample,
// ceil(len(samples)/hop) frames.
func (u *UtteranceCodec) Encode(samples []float32) Codes {
	u.encoder.Reset()
	return u.encoder.Push(samples, true)
}

// Timbre returns an utterance's timbre, [latent].
func (u *UtteranceCodec) Timbre(samples []float32) []float32 {
	s := u.timbre
	s.run.Reset()
	clear(s.sum)
	s.frames = 0
	s.Push(samples)
	s.EndClip()
	return s.Timbre()
}

// Decode decodes codes with a timbre and returns the first n samples, at
// most hop for each frame.
func (u *UtteranceCodec) Decode(codes Codes, timbre []float32, n int) []float32 {
	s := &u.decoder
	s.Reset()
	s.SetTimbre(timbre)
	return s.Push(codes, true)[:n]
}
