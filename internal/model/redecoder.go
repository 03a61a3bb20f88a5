package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// RedecoderConfig describes a Redecoder.
type RedecoderConfig struct {
	Latent         int
	Timbre         int
	Hidden, Layers int
	Books          [NumParts]int // the codec's; the residual's have no embedding
	CodebookSize   int
	Decoder        DecoderConfig
}

// A Redecoder is the voice conversion model of Plachtaa/FAcodec: it decodes the
// codes with another timbre; keys encoder.prosody_embed.<i>,
// encoder.content_embed.<i>, encoder.encoder.*, encoder.conv_out, decoder.*
// (modules/redecoder.py).
type Redecoder struct {
	prosody, content []*nn.Embedding
	stack            *nn.WN
	out              *nn.Conv
	decoder          *Decoder
	hidden           int
	networks         networks
}

// NewRedecoder declares both of its networks, encoder and decoder.
func NewRedecoder(c RedecoderConfig) *Redecoder {
	encoder, decoder := nn.NewBuilder("encoder"), nn.NewBuilder("decoder")
	l := &Redecoder{hidden: c.Hidden, networks: networks{encoder.Network(), decoder.Network()}}
	// Conversion uses the first content book, so no other learns.
	for i := range c.Books[Prosody] {
		l.prosody = append(l.prosody, nn.NewEmbedding(encoder.In("prosody_embed").In(i).Unused(), c.CodebookSize, c.Hidden))
	}
	for i := range c.Books[Content] {
		book := encoder.In("content_embed").In(i)
		if i > 0 {
			book = book.Unused()
		}
		l.content = append(l.content, nn.NewEmbedding(book, c.CodebookSize, c.Hidden))
	}
	l.stack = nn.NewWN(encoder.In("encoder"), nn.WNConfig{
		Hidden: c.Hidden, Layers: c.Layers, Condition: c.Timbre, Causal: c.Decoder.Causal})
	l.out = nn.NewConv(encoder.In("conv_out"), nn.ConvConfig{In: c.Hidden, Out: c.Latent, K: 1, NoWeightNorm: true})
	l.decoder = NewDecoder(decoder, c.Decoder)
	return l
}

// Params returns every parameter of the redecoder.
func (l *Redecoder) Params() []*nn.Param { return l.networks.params() }

// Networks returns those of the redecoder.
func (l *Redecoder) Networks() []*nn.Network { return l.networks }

// Load derives the weights from src into region.
func (l *Redecoder) Load(src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	return l.networks.load(src, region, pool)
}

// Condition prepares a timbre vector for Latents.
func (l *Redecoder) Condition(r *op.Run, timbre []float32) []tensor.Tensor {
	g := tensor.New(1, 1, len(timbre))
	copy(g.Data, timbre)
	return l.stack.Condition(r, g)
}

// Latents returns the decoder's input for codes [book][B][T], from none to all of
// the books of each kind, under the condition of each sequence: [B, T, latent].
// Conversion uses only the first content book.
func (l *Redecoder) Latents(r *op.Run, prosody, content [][][]int32, frames int, condition []tensor.Tensor) tensor.Tensor {
	x := r.Zeros(condition[0].B, frames, l.hidden)
	for i, codes := range prosody {
		x = l.prosody[i].Add(r, x, codes)
	}
	for i, codes := range content {
		x = l.content[i].Add(r, x, codes)
	}
	x = l.stack.Forward(r, x, condition)
	return l.out.Forward(r, nil, x)
}

// Decode turns latents into a waveform: [B, T, latent] → [B, T·hop, 1].
func (l *Redecoder) Decode(r *op.Run, z tensor.Tensor) tensor.Tensor {
	return l.decoder.Forward(r, z, nil)
}

// A RedecoderStream turns content codes into samples as they arrive, with the
// lookahead of its layers: about 48 frames.
type RedecoderStream struct {
	redecoder *Redecoder
	run       *op.Run
	condition []tensor.Tensor
}

// NewStream starts an utterance in the voice of timbre.
func (l *Redecoder) NewStream(timbre []float32, pool *parallel.Pool) *RedecoderStream {
	run := op.NewRun(pool)
	return &RedecoderStream{redecoder: l, run: run, condition: l.Condition(run, timbre)}
}

// Profile measures the stream from now on; nil ends it.
func (s *RedecoderStream) Profile(p *op.Profiler) { s.run.Profiler = p }

// Reset starts another utterance in the same voice.
func (s *RedecoderStream) Reset() { s.run.Reset() }

// SetTimbre changes the voice from the next frame on.
func (s *RedecoderStream) SetTimbre(timbre []float32) {
	for _, part := range s.condition {
		part.Borrowed = false // of what the layers must not free; nothing uses it any more
		s.run.Free(part)
	}
	s.condition = s.redecoder.Condition(s.run, timbre)
}

// Push adds frames, of which it uses the first content book, and returns the
// samples that are complete. With last the utterance ends, and hop samples for
// every frame will have been returned in all.
func (s *RedecoderStream) Push(codes Codes, last bool) []float32 { return s.Append(nil, codes, last) }

// Append is Push, appending to samples.
func (s *RedecoderStream) Append(samples []float32, codes Codes, last bool) []float32 {
	return appendBlocks(s.run, samples, codes, last, func(block Codes) tensor.Tensor {
		content := block[Content]
		if len(content) > 1 {
			content = content[:1]
		}
		batch := single(s.run, content)
		defer s.run.FreeBooks(batch)
		z := s.redecoder.Latents(s.run, nil, batch, block.Frames(), s.condition)
		return s.redecoder.Decode(s.run, z)
	})
}

// RedecoderInputs are what a redecoder decodes in training: codes and timbre of a batch
// of utterances, from the codec.
type RedecoderInputs struct {
	Content [][]int32     // codes of the first content book, [B][T]
	Timbre  tensor.Tensor // of each whole utterance, [B, 1, timbre]
}

// Forward decodes a batch: [B, T·hop, 1]. Upstream's trainer passes all codes, some of
// them masked at random (train_redecoder.py); this one is trained on what conversion
// uses.
func (l *Redecoder) Forward(r *op.Run, in RedecoderInputs) tensor.Tensor {
	condition := l.stack.Condition(r, r.Borrow(in.Timbre))
	return l.Decode(r, l.Latents(r, nil, [][][]int32{in.Content}, len(in.Content[0]), condition))
}
