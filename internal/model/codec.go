package model

import (
	"slices"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// CodecConfig describes the networks of a Codec.
type CodecConfig struct {
	Encoder   EncoderConfig
	Quantizer QuantizerConfig
	Decoder   DecoderConfig
	// STFT and ISTFT, if not nil, describe the networks that replace Encoder and Decoder.
	STFT, ISTFT  *FrameConfig
	Harmonics    bool          // ISTFT adds the harmonics of a pitch
	SourceFilter bool          // ISTFT filters a mix of harmonics and noise
	Mel          dsp.MelConfig // Mel.Hop is the codec's
}

// A WaveEncoder turns a waveform into latent frames: [B, N, 1] →
// [B, ceil(N/hop), latent].
type WaveEncoder interface {
	Forward(r *op.Run, x tensor.Tensor) tensor.Tensor
	// InitFromData initializes a network in training from a first batch (see
	// nn.Conv.InitFromData) and then returns what Forward does.
	InitFromData(r *op.Run, x tensor.Tensor) tensor.Tensor
}

// A WaveDecoder turns latent frames into a waveform: [B, T, latent] → [B, T·hop, 1].
type WaveDecoder interface {
	// Modulations projects timbres [B, 1, latent] once for all frames, for Forward; nil for
	// a decoder that depends on the timbre by its input alone.
	Modulations(r *op.Run, timbres tensor.Tensor) []tensor.Tensor
	Forward(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) tensor.Tensor
}

// A pitchDecoder is a WaveDecoder that learns the pitch of speech.
type pitchDecoder interface {
	// ForwardPitch is Forward that also returns what stands for the pitch of each frame in
	// op.Run.PitchLoss, [B, T, 1].
	ForwardPitch(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) (wave, pitch tensor.Tensor)
}

// waveEncoder declares the encoder that c describes.
func (c CodecConfig) waveEncoder(b *nn.Builder) WaveEncoder {
	if c.STFT != nil {
		return NewSTFTEncoder(b, *c.STFT)
	}
	return NewEncoder(b, c.Encoder)
}

// waveDecoder declares the decoder that c describes.
func (c CodecConfig) waveDecoder(b *nn.Builder) WaveDecoder {
	switch {
	case c.ISTFT != nil && c.SourceFilter:
		return NewSourceFilterDecoder(b, *c.ISTFT)
	case c.ISTFT != nil && c.Harmonics:
		return NewHarmonicDecoder(b, *c.ISTFT)
	case c.ISTFT != nil:
		return NewISTFTDecoder(b, *c.ISTFT)
	}
	return NewDecoder(b, c.Decoder)
}

// A Codec is the three networks of inference, under the names encoder, quantizer
// and decoder. Once loaded it is read-only and serves any number of streams at
// the same time.
type Codec struct {
	CodecConfig
	Encoder   WaveEncoder
	Quantizer *Quantizer
	Decoder   WaveDecoder
	networks  networks
}

// NewCodec declares the networks.
func NewCodec(c CodecConfig) *Codec {
	encoder, quantizer, decoder := nn.NewBuilder("encoder"), nn.NewBuilder("quantizer"), nn.NewBuilder("decoder")
	encoder.Network().Codes, quantizer.Network().Codes = true, true
	codec := &Codec{
		CodecConfig: c,
		Encoder:     c.waveEncoder(encoder),
		Quantizer:   NewQuantizer(quantizer, c.Quantizer),
		Decoder:     c.waveDecoder(decoder),
		networks:    networks{encoder.Network(), quantizer.Network(), decoder.Network()},
	}
	// Phases that add up take over what differs in the decoder's input, too.
	quantizer.Network().AlwaysExact = decoder.Network().AlwaysExact
	return codec
}

// FrameRate returns the frames in a second, rounded down where it is no whole
// number.
func (c *Codec) FrameRate() int { return c.Mel.FilterRate / c.Mel.Hop }

// Hop returns the samples in a frame.
func (c *Codec) Hop() int { return c.Mel.Hop }

// LeaveOut drops a network, "encoder" or "decoder", that will not run: Load
// does not need its tensors, and streams that need it must not be created.
func (c *Codec) LeaveOut(network string) {
	c.networks = slices.DeleteFunc(c.networks, func(n *nn.Network) bool { return n.Prefix == network })
}

// Networks returns encoder, quantizer and decoder, those that were not left out.
func (c *Codec) Networks() []*nn.Network { return c.networks }

// Params returns every parameter of the codec.
func (c *Codec) Params() []*nn.Param { return c.networks.params() }

// Load derives the weights from src into region.
func (c *Codec) Load(src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	return c.networks.load(src, region, pool)
}

// networks are loaded together, and the errors of all of them are reported together.
type networks []*nn.Network

func (n networks) params() []*nn.Param {
	var params []*nn.Param
	for _, net := range n {
		params = append(params, net.Params...)
	}
	return params
}

func (n networks) load(src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	if err := nn.Check(src, n...); err != nil {
		return err
	}
	for _, net := range n {
		if err := net.Load(src, region, pool); err != nil {
			return err
		}
	}
	return nil
}
