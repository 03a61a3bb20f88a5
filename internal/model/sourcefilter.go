package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A SourceFilterDecoder turns latent frames into a waveform: it predicts the pitch of each
// frame, how its harmonics and noise are mixed in each band, and the spectrum that
// filters the mix (op.SourceFilter); keys embed.*, norm.*, convnext.<i>.*,
// final_layer_norm.*, head.out.*, head.mix.*, head.pitch.*. Its delay is that of an
// ISTFTDecoder.
type SourceFilterDecoder struct {
	embed  *nn.Conv // latent → dim, k7
	stack  *nn.ConvNeXt
	head   *nn.Conv // dim → log magnitude of every bin
	mix    *nn.Conv // dim → mix of every knot
	pitch  *nn.Conv // dim → pitch
	source *op.SourceFilter
	slot   op.Slot
}

// NewSourceFilterDecoder declares a decoder under b's prefix.
func NewSourceFilterDecoder(b *nn.Builder, c FrameConfig) *SourceFilterDecoder {
	source := op.NewSourceFilter(c.Window, c.Hop)
	b.Network().AlwaysExact = true // a phase is the sum of all pitches before it
	head := b.In("head")
	return &SourceFilterDecoder{
		embed: nn.NewConv(b.In("embed"), nn.ConvConfig{
			In: c.Latent, Out: c.Dim, K: 7, Causal: c.Causal, ZeroPad: true, NoWeightNorm: true,
		}),
		stack:  nn.NewConvNeXt(b, c.stack()),
		head:   nn.NewLinear(head.In("out"), c.Dim, source.Bins()),
		mix:    nn.NewLinear(head.In("mix"), c.Dim, source.Channels()),
		pitch:  nn.NewLinear(head.In("pitch"), c.Dim, 1),
		source: source,
		slot:   op.NewSlot(),
	}
}

// Modulations is that of a WaveDecoder.
func (l *SourceFilterDecoder) Modulations(r *op.Run, timbres tensor.Tensor) []tensor.Tensor {
	return l.stack.Modulations(r, timbres)
}

// Forward decodes latent frames: [B, T, latent] → [B, T·hop, 1].
func (l *SourceFilterDecoder) Forward(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) tensor.Tensor {
	wave, pitch := l.ForwardPitch(r, x, modulations)
	r.Free(pitch)
	return wave
}

// Predict is that of a voicedDecoder.
func (l *SourceFilterDecoder) Predict(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) Spectra {
	magnitudes, mix, pitch := l.heads(r, x, modulations)
	return Spectra{magnitudes, mix, pitch}
}

// Voicing is that of a voicedDecoder.
func (l *SourceFilterDecoder) Voicing(r *op.Run, s Spectra) (semitones, harmonic, levels tensor.Tensor) {
	return r.Semitones(s.pitch), l.source.Harmonic(r, s.mix), r.LogPower(s.magnitudes)
}

// Synthesize is that of a voicedDecoder.
func (l *SourceFilterDecoder) Synthesize(r *op.Run, s Spectra) tensor.Tensor {
	wave := r.SourceFilter(l.slot, l.source, s.magnitudes, s.mix, s.pitch)
	s.Free(r)
	return wave
}

// heads returns what the heads make of latent frames: log magnitudes [B, T, bins], mixes and pitches.
func (l *SourceFilterDecoder) heads(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) (magnitudes, mix, pitch tensor.Tensor) {
	x = l.stack.Forward(r, l.embed.Forward(r, nil, x), modulations) // [B, T, dim]
	pitch = l.pitch.Forward(r, nil, r.Borrow(x))
	mix = l.mix.Forward(r, nil, r.Borrow(x))
	return l.head.Forward(r, nil, x), mix, pitch
}

// ForwardPitch also returns what stands for the pitch of each frame in op.Run.PitchLoss,
// [B, T, 1].
func (l *SourceFilterDecoder) ForwardPitch(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) (wave, pitch tensor.Tensor) {
	x, mix, pitch := l.heads(r, x, modulations)
	wave = r.SourceFilter(l.slot, l.source, x, mix, pitch)
	r.Free(x, mix)
	return wave, pitch
}
