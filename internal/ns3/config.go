package ns3

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/weights"
)

// What all checkpoints of the family share.
const (
	SampleRate = 16000 // Hz
	Hop        = 200   // samples in a frame
	FrameRate  = SampleRate / Hop

	// A frame of codes of version 1 depends on samples up to this many behind its first
	// one, and a sample of the decoder's output on frames up to this many behind its own.
	EncoderLookahead = 5277
	DecoderLookahead = 28
)

// Sizes that the shapes of a checkpoint do not tell.
const transformerHeads = 4

// Config describes a codec, version 1 (encoder and decoder) or 2 (their V2).
type Config struct {
	V2          bool
	Encoder     EncoderConfig
	Quantizer   QuantizerConfig
	Decoder     DecoderConfig
	Timbre      TransformerConfig
	ProsodyMels int // of version 2
	Prosody     TransformerConfig
}

// RedecoderConfig describes a Redecoder.
type RedecoderConfig struct {
	CodebookSize int
	Books        [model.NumParts]int // tables of embeddings
	Prosody      TransformerConfig
	Decoder      DecoderConfig
}

// TransformerConfig describes one of the transformers.
type TransformerConfig struct{ Hidden, Kernel, Layers int }

func (c TransformerConfig) of(dim, condition int) nn.TransformerConfig {
	return nn.TransformerConfig{
		Dim: dim, Hidden: c.Hidden, Kernel: c.Kernel, Heads: transformerHeads, Layers: c.Layers, Condition: condition,
	}
}

// Published is the configuration of the published checkpoints.
func Published(v2 bool) Config {
	transformer := TransformerConfig{Hidden: 1024, Kernel: 5, Layers: 4}
	return Config{
		V2:          v2,
		Encoder:     EncoderConfig{Dim: 32, Rates: []int{2, 4, 5, 5}, Latent: 256},
		Quantizer:   QuantizerConfig{Latent: 256, CodebookSize: 1024, CodebookDim: 8, Books: [model.NumParts]int{1, 2, 3}},
		Decoder:     DecoderConfig{Latent: 256, Dim: 1024, Rates: []int{5, 5, 4, 2}},
		Timbre:      transformer,
		ProsodyMels: 20,
		Prosody:     transformer,
	}
}

// PublishedRedecoder is the configuration of the published redecoder.
func PublishedRedecoder() RedecoderConfig {
	return RedecoderConfig{
		CodebookSize: 1024, Books: [model.NumParts]int{1, 2, 3},
		Prosody: TransformerConfig{Hidden: 1024, Kernel: 5, Layers: 4},
		Decoder: DecoderConfig{Latent: 256, Dim: 1280, Rates: []int{5, 5, 4, 2}},
	}
}

// shapes reads sizes off a checkpoint's tensors. The first fault stays.
type shapes struct {
	src weights.Source
	err error
}

// of returns the shape of a tensor that must have so many dimensions, none of them 0
// or beyond what any network of the family has.
func (s *shapes) of(key string, dims int) []int {
	t, ok := s.src.Lookup(key)
	switch {
	case s.err != nil:
	case !ok:
		s.err = fmt.Errorf("%w: missing: %s", ErrShapes, key)
	case len(t.Shape) != dims:
		s.err = fmt.Errorf("%w: %s is %v and should have %s", ErrShapes, key, t.Shape, plural.Of(dims, "dimension"))
	default:
		for _, d := range t.Shape {
			if d < 1 || d > 1<<16 {
				s.err = fmt.Errorf("%w: %s is %v", ErrShapes, key, t.Shape)
			}
		}
	}
	if s.err != nil {
		return []int{1, 1, 1}[:dims]
	}
	return t.Shape
}

// count returns how many of the keys that format makes of first, first+1 … there are.
func (s *shapes) count(format string, first int) (n int) {
	for {
		if _, ok := s.src.Lookup(fmt.Sprintf(format, first+n)); !ok {
			return n
		}
		n++
	}
}

// encoder reads the sizes of an encoder.
func (s *shapes) encoder() (c EncoderConfig) {
	c.Dim = s.of("block.0.weight_g", 3)[0]
	blocks := s.count("block.%d.block.4.weight_v", 1)
	for i := range blocks {
		c.Rates = append(c.Rates, s.of(fmt.Sprintf("block.%d.block.4.weight_v", i+1), 3)[2]/2)
	}
	c.Latent = s.of(fmt.Sprintf("block.%d.weight_g", blocks+2), 3)[0]
	s.rates(c.Rates)
	return c
}

// rates checks that strides make a frame of Hop samples.
func (s *shapes) rates(rates []int) {
	hop := 1
	for _, rate := range rates {
		if rate < 2 || hop > Hop {
			hop = 0
			break
		}
		hop *= rate
	}
	if s.err == nil && hop != Hop {
		s.err = fmt.Errorf("%w: strides %v make no frame of %s", ErrShapes, rates, plural.Of(Hop, "sample"))
	}
}

// decoder reads the sizes of what a decoder and a redecoder have in common.
func (s *shapes) decoder() (c DecoderConfig) {
	first := s.of("model.0.weight_v", 3)
	c.Dim, c.Latent = first[0], first[1]
	for i := range s.count("model.%d.block.1.weight_v", 1) {
		c.Rates = append(c.Rates, s.of(fmt.Sprintf("model.%d.block.1.weight_v", i+1), 3)[2]/2)
	}
	s.rates(c.Rates)
	if s.err == nil && (c.Dim%(1<<len(c.Rates)) != 0 || c.Latent%transformerHeads != 0) {
		s.err = fmt.Errorf("%w: model.0.weight_v is %v", ErrShapes, first)
	}
	return c
}

func (s *shapes) transformer(name string) (c TransformerConfig) {
	c.Layers = s.count(name+".layers.%d.ffn.ffn_1.weight", 0)
	ffn := s.of(name+".layers.0.ffn.ffn_1.weight", 3)
	c.Hidden, c.Kernel = ffn[0], ffn[2]
	return c
}

// ConfigOf reads the sizes of a codec off its two checkpoints under their bare keys.
// The encoder's may be nil, for a codec that does without.
func ConfigOf(encoder, decoder weights.Source) (Config, error) {
	e, d := &shapes{src: encoder}, &shapes{src: decoder}
	kind, _ := KindOf(decoder)
	c := Config{V2: kind == KindDecoderV2, Decoder: d.decoder()}
	if encoder != nil {
		c.Encoder = e.encoder()
	}
	book := d.of("quantizer.0.layers.0._codebook.weight", 2)
	c.Quantizer = QuantizerConfig{Latent: c.Decoder.Latent, CodebookSize: book[0], CodebookDim: book[1]}
	for i := range partCount {
		c.Quantizer.Books[i] = d.count(fmt.Sprintf("quantizer.%d.layers.%%d._codebook.weight", i), 0)
		if d.err == nil && c.Quantizer.Books[i] == 0 {
			d.err = fmt.Errorf("%w: missing: quantizer.%d.layers.0._codebook.weight", ErrShapes, i)
		}
	}
	c.Timbre = d.transformer("timbre_encoder")
	if c.V2 {
		c.ProsodyMels = d.of("melspec_linear.weight", 2)[1]
		c.Prosody = d.transformer("melspec_encoder")
		if d.err == nil && c.ProsodyMels > melBands {
			d.err = fmt.Errorf("%w: melspec_linear.weight has %d bands of %d", ErrShapes, c.ProsodyMels, melBands)
		}
	}
	switch {
	case e.err != nil:
		return c, fmt.Errorf("%v: %w", c.EncoderKind(), e.err)
	case d.err != nil:
		return c, fmt.Errorf("%v: %w", c.DecoderKind(), d.err)
	case encoder != nil && c.Encoder.Latent != c.Decoder.Latent:
		return c, fmt.Errorf("%w: frames of %s for a decoder of %d", ErrShapes, plural.Of(c.Encoder.Latent, "channel"), c.Decoder.Latent)
	}
	return c, nil
}

// RedecoderConfigOf reads the sizes of a redecoder off its checkpoint under its bare
// keys.
func RedecoderConfigOf(src weights.Source) (RedecoderConfig, error) {
	s := &shapes{src: src}
	c := RedecoderConfig{Decoder: s.decoder(), CodebookSize: s.of("prosody_embs.0.weight", 2)[0]}
	for i, name := range embeddingNames[:partCount] {
		c.Books[i] = s.count(name+".%d.weight", 0)
	}
	if s.err == nil && c.Books[model.Content] == 0 {
		s.err = fmt.Errorf("%w: missing: content_embs.0.weight", ErrShapes)
	}
	c.Prosody = s.transformer("timbre_cond_prosody_enc")
	if s.err != nil {
		return c, fmt.Errorf("%v: %w", KindRedecoder, s.err)
	}
	return c, nil
}

// CheckKind says what keeps a checkpoint, under its bare keys, from being a network of a
// kind, of whatever sizes.
func CheckKind(kind Kind, src weights.Source) error {
	switch kind {
	case KindRedecoder:
		c, err := RedecoderConfigOf(src)
		if err != nil {
			return err
		}
		return NewRedecoder(c).Check(Named(src, kind))
	case KindEncoder, KindEncoderV2:
		s := &shapes{src: src}
		c := s.encoder()
		if s.err != nil {
			return fmt.Errorf("%v: %w", kind, s.err)
		}
		b := nn.NewBuilder(string(kind))
		NewEncoder(b, c)
		if kind == KindEncoderV2 {
			NewMel(b, melBands)
		}
		return nn.Check(Named(src, kind), b.Network())
	}
	c, err := ConfigOf(nil, src)
	if err != nil {
		return err
	}
	codec := NewCodec(c)
	codec.LeaveOut(partEncoder)
	return codec.Check(Named(src, kind))
}
