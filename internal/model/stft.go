package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// FrameConfig describes an encoder or a decoder that works at the frame rate: a
// short-time Fourier transform on the side of the waveform, and between it and the
// latent frames a stack of ConvNeXt blocks, as in Vocos (Siuzdak, arXiv 2306.00814).
// They take a small part of the time of strided convolutions at the sample rate.
type FrameConfig struct {
	Window, Hop int // samples of a transform and of a frame
	Phases      int // of an encoder: how many of the lowest bins have their phase as input
	Dim, Hidden int // channels of the stack, and inside its blocks
	Blocks      int
	Latent      int
	Causal      bool
	Timbre      bool // of a decoder: its blocks depend on the timbre, too, and not its input alone
}

// stack describes the blocks.
func (c FrameConfig) stack() nn.ConvNeXtConfig {
	stack := nn.ConvNeXtConfig{Dim: c.Dim, Hidden: c.Hidden, Blocks: c.Blocks, Causal: c.Causal}
	if c.Timbre {
		stack.Condition = c.Latent
	}
	return stack
}

// An STFTEncoder turns a waveform into latent frames, one for each hop. The windows are
// centered on the first sample of the hop, as those of the log-mel are; keys embed.*,
// norm.*, convnext.<i>.*, final_layer_norm.*, out.*.
type STFTEncoder struct {
	features *op.SpectralFeatures
	slot     op.Slot
	embed    *nn.Conv // features → dim
	stack    *nn.ConvNeXt
	out      *nn.Conv // dim → latent, with weight norm, which InitFromData initializes
}

// NewSTFTEncoder declares an encoder under b's prefix.
func NewSTFTEncoder(b *nn.Builder, c FrameConfig) *STFTEncoder {
	features := &op.SpectralFeatures{FrameSpectrum: op.NewFrameSpectrum(c.Window, c.Hop), Phases: c.Phases}
	return &STFTEncoder{
		features: features,
		slot:     op.NewSlot(),
		embed:    nn.NewLinear(b.In("embed"), features.Channels(), c.Dim),
		stack:    nn.NewConvNeXt(b, c.stack()),
		out:      nn.NewConv(b.In("out"), nn.ConvConfig{In: c.Dim, Out: c.Latent, K: 1}),
	}
}

// Forward encodes a waveform: [B, N, 1] → [B, ceil(N/hop), latent].
func (l *STFTEncoder) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	return l.out.Forward(r, nil, l.hidden(r, x))
}

// InitFromData initializes the last layer from a first batch (see
// nn.Conv.InitFromData) and then returns what Forward does. The layers before it have
// layer norms.
func (l *STFTEncoder) InitFromData(r *op.Run, x tensor.Tensor) tensor.Tensor {
	return l.out.InitFromData(r, nil, l.hidden(r, x))
}

func (l *STFTEncoder) hidden(r *op.Run, x tensor.Tensor) tensor.Tensor {
	h := r.Features(l.slot, l.features, x) // [B, T, channels]
	r.Free(x)
	return l.stack.Forward(r, l.embed.Forward(r, nil, h), nil) // [B, T, dim]
}

// An ISTFTDecoder turns latent frames into a waveform by an inverse short-time
// Fourier transform; keys embed.*, norm.*, convnext.<i>.*, final_layer_norm.*,
// head.out.*. Its delay is half of the overlap of a window with the next.
type ISTFTDecoder struct {
	embed    *nn.Conv // latent → dim, k7
	stack    *nn.ConvNeXt
	head     *nn.Conv // dim → log magnitude and phase of every bin
	spectrum *op.FrameSpectrum
	slot     op.Slot
}

// NewISTFTDecoder declares a decoder under b's prefix.
func NewISTFTDecoder(b *nn.Builder, c FrameConfig) *ISTFTDecoder {
	spectrum := op.NewFrameSpectrum(c.Window, c.Hop)
	return &ISTFTDecoder{
		embed: nn.NewConv(b.In("embed"), nn.ConvConfig{
			In: c.Latent, Out: c.Dim, K: 7, Causal: c.Causal, ZeroPad: true, NoWeightNorm: true,
		}),
		stack:    nn.NewConvNeXt(b, c.stack()),
		head:     nn.NewLinear(b.In("head").In("out"), c.Dim, 2*spectrum.Bins()),
		spectrum: spectrum,
		slot:     op.NewSlot(),
	}
}

// Modulations is that of a WaveDecoder.
func (l *ISTFTDecoder) Modulations(r *op.Run, timbres tensor.Tensor) []tensor.Tensor {
	return l.stack.Modulations(r, timbres)
}

// Forward decodes latent frames: [B, T, latent] → [B, T·hop, 1].
func (l *ISTFTDecoder) Forward(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) tensor.Tensor {
	x = l.stack.Forward(r, l.embed.Forward(r, nil, x), modulations) // [B, T, dim]
	x = l.head.Forward(r, nil, x)                                   // [B, T, 2·bins]
	y := r.InverseSTFT(l.slot, l.spectrum, x)
	r.Free(x)
	return y
}

// A HarmonicDecoder is an ISTFTDecoder whose spectra are the sum of those that its head
// has and of harmonics, the pitch and the envelopes of which it predicts from the same
// frames; further keys head.harmonics.*, head.pitch.*.
type HarmonicDecoder struct {
	*ISTFTDecoder
	harmonics *op.Harmonics
	envelopes *nn.Conv // dim → envelopes
	pitch     *nn.Conv // dim → pitch
}

// NewHarmonicDecoder declares a decoder under b's prefix.
func NewHarmonicDecoder(b *nn.Builder, c FrameConfig) *HarmonicDecoder {
	harmonics := op.NewHarmonics(c.Window, c.Hop)
	b.Network().AlwaysExact = true // a phase is the sum of all pitches before it
	return &HarmonicDecoder{
		ISTFTDecoder: NewISTFTDecoder(b, c),
		harmonics:    harmonics,
		envelopes:    nn.NewLinear(b.In("head").In("harmonics"), c.Dim, harmonics.Channels()),
		pitch:        nn.NewLinear(b.In("head").In("pitch"), c.Dim, 1),
	}
}

// Forward decodes latent frames: [B, T, latent] → [B, T·hop, 1].
func (l *HarmonicDecoder) Forward(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) tensor.Tensor {
	wave, pitch := l.ForwardPitch(r, x, modulations)
	r.Free(pitch)
	return wave
}

// ForwardPitch also returns what stands for the pitch of each frame in op.Run.PitchLoss,
// [B, T, 1].
func (l *HarmonicDecoder) ForwardPitch(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) (wave, pitch tensor.Tensor) {
	x = l.stack.Forward(r, l.embed.Forward(r, nil, x), modulations) // [B, T, dim]
	pitch = l.pitch.Forward(r, nil, r.Borrow(x))
	envelopes := l.envelopes.Forward(r, nil, r.Borrow(x))
	x = l.head.Forward(r, nil, x) // [B, T, 2·bins]
	wave = r.HarmonicInverseSTFT(l.slot, l.harmonics, x, envelopes, pitch)
	r.Free(x, envelopes)
	return wave, pitch
}
