package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// RedecoderConfig describes a Redecoder.
type RedecoderConfig struct {
	Latent                     int
	Timbre                     int
	Hidden                     int
	ProsodyBooks, ContentBooks int
	CodebookSize               int
	Decoder                    DecoderConfig
}

// redecoderLayers is the depth of the redecoder's stack in the originals.
const redecoderLayers = 16

// A Redecoder is the voice conversion model of Plachtaa/FAcodec: it decodes the
// codes anew under another timbre; keys encoder.prosody_embed.<i>,
// encoder.content_embed.<i>, encoder.encoder.*, encoder.conv_out, decoder.*
// (modules/redecoder.py).
type Redecoder struct {
	prosody, content []*nn.Embedding
	stack            *nn.WN
	out              *nn.Conv
	decoder          *Decoder
	hidden           int
}

// NewRedecoder declares both of its networks.
func NewRedecoder(encoder, decoder *nn.Builder, c RedecoderConfig) *Redecoder {
	l := &Redecoder{hidden: c.Hidden}
	for i := range c.ProsodyBooks {
		l.prosody = append(l.prosody, nn.NewEmbedding(encoder.In("prosody_embed").In(i), c.CodebookSize, c.Hidden))
	}
	for i := range c.ContentBooks {
		l.content = append(l.content, nn.NewEmbedding(encoder.In("content_embed").In(i), c.CodebookSize, c.Hidden))
	}
	l.stack = nn.NewWN(encoder.In("encoder"), nn.WNConfig{
		Hidden: c.Hidden, Layers: redecoderLayers, Condition: c.Timbre, Causal: c.Decoder.Causal})
	l.out = nn.NewConv(encoder.In("conv_out"), nn.ConvConfig{In: c.Hidden, Out: c.Latent, K: 1, Plain: true})
	l.decoder = NewDecoder(decoder, c.Decoder)
	return l
}

// Condition prepares a timbre vector for Latents.
func (l *Redecoder) Condition(r *op.Run, timbre []float32) []tensor.Tensor {
	g := tensor.New(1, 1, len(timbre))
	copy(g.Data, timbre)
	return l.stack.Condition(r, g)
}

// Latents returns the decoder's input for codes [book][T], from none to all of
// the books of each kind: [1, T, latent]. Conversion uses the first content
// book alone.
func (l *Redecoder) Latents(r *op.Run, prosody, content [][]int32, frames int, condition []tensor.Tensor) tensor.Tensor {
	x := r.Zeros(1, frames, l.hidden)
	for i, codes := range prosody {
		l.prosody[i].Add(r, x, codes)
	}
	for i, codes := range content {
		l.content[i].Add(r, x, codes)
	}
	x = l.stack.Forward(r, x, condition)
	return l.out.Forward(r, nil, x)
}

// Decode turns latents into a waveform: [1, T, latent] → [1, T·hop, 1].
func (l *Redecoder) Decode(r *op.Run, z tensor.Tensor) tensor.Tensor { return l.decoder.Forward(r, z) }
