package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// AdversarialNetworks are the networks of adversarial training: those of a generator and its
// discriminator.
type AdversarialNetworks struct {
	Discriminator *Discriminator
	// Generator are the generator's networks, which are trained together, and Inference
	// those of them that inference uses.
	Generator, Inference []*nn.Network
}

// newAdversarialNetworks declares the discriminator, under the name discriminator.
func newAdversarialNetworks(generator, inference []*nn.Network, c DiscriminatorConfig) AdversarialNetworks {
	return AdversarialNetworks{
		Discriminator: NewDiscriminator(nn.NewBuilder("discriminator"), c),
		Generator:     generator, Inference: inference,
	}
}

// Networks returns all networks, the discriminator's last.
func (a *AdversarialNetworks) Networks() []*nn.Network {
	return append(a.Generator[:len(a.Generator):len(a.Generator)], a.Discriminator.Network)
}

// Params returns every parameter of all networks.
func (a *AdversarialNetworks) Params() []*nn.Param { return networks(a.Networks()).params() }

// CodecTrainingConfig describes all networks that a codec is trained with.
type CodecTrainingConfig struct {
	Codec         CodecConfig
	Predictors    PredictorsConfig
	Discriminator DiscriminatorConfig
}

// CodecTraining is a codec with the networks that it is trained with.
type CodecTraining struct {
	AdversarialNetworks
	Codec      *Codec
	Predictors *Predictors

	quantizer, predictors *nn.Network
	spectrum              *op.MelSpectrogram // of decoded waveforms; nil until something is converted
}

// NewCodecTraining declares the networks, under the names encoder, decoder, quantizer,
// fa_predictors and discriminator.
func NewCodecTraining(c CodecTrainingConfig) *CodecTraining {
	predictors := nn.NewBuilder("fa_predictors")
	t := &CodecTraining{Codec: NewCodec(c.Codec), Predictors: NewPredictors(predictors, c.Predictors)}
	encoder, quantizer, decoder := t.Codec.networks[0], t.Codec.networks[1], t.Codec.networks[2]
	t.AdversarialNetworks = newAdversarialNetworks([]*nn.Network{encoder, decoder, quantizer, predictors.Network()}, t.Codec.networks, c.Discriminator)
	t.quantizer, t.predictors = quantizer, predictors.Network()
	return t
}

// Quantizer returns the quantizer's network.
func (t *CodecTraining) Quantizer() *nn.Network { return t.quantizer }

// PredictorNetwork returns the predictors' network.
func (t *CodecTraining) PredictorNetwork() *nn.Network { return t.predictors }

// Inputs are what the codec encodes in training: crops of a batch of utterances.
type Inputs struct {
	Wave    tensor.Tensor   // crops, [B, N, 1]
	Prosody tensor.Tensor   // the lowest bins of their log-mel, [B, T, prosody mels]
	Timbre  []tensor.Tensor // the log-mel of each whole utterance, [1, frames, mels]
	// Partners are other parts of the same utterances, as other microphones and lines would
	// record them, and Others what is encoded in place of some: other voices on the same line.
	// Both are log-mels as Timbre is, which then is that of a part, too; nil where timbres are
	// not compared (Run.Contrast).
	Partners, Others []tensor.Tensor
}

// DropoutMasks are what training drops from each sequence.
type DropoutMasks struct {
	// Residual is 0 for a sequence that is decoded without its residual, else 1; nil
	// for 1 everywhere.
	Residual []float32
	// Books are the numbers of books that each sequence uses; nil for all.
	Books [NumParts][]int
	// JointParts lets the gradients of the waveform losses reach prosody and content, and
	// not only the residual.
	JointParts bool
	// Content is 0 for a sequence whose content gets no gradient from the decoder; nil for 1
	// everywhere.
	Content []float32
}

// apply returns a part's quantized frames as the decoder takes them: the residual
// masked, the others with or without a gradient.
func (m DropoutMasks) apply(r *op.Run, part Part, z tensor.Tensor) tensor.Tensor {
	switch {
	case part == Residual && m.Residual != nil:
		return r.Scale(z, m.Residual)
	case part != Residual && !m.JointParts:
		return r.Detach(z)
	case part == Content && m.Content != nil:
		return r.ScaleGradient(z, m.Content)
	}
	return z
}

// Outputs are the codec's outputs for Inputs.
type Outputs struct {
	Wave   tensor.Tensor // [B, N, 1]
	Pitch  tensor.Tensor // of a decoder that predicts it, for op.Run.PitchLoss: [B, T, 1]
	Timbre tensor.Tensor // [B, 1, latent]
	// Partners and Others are the timbres of those of Inputs, [B, 1, latent] and
	// [others, 1, latent], the latter constants.
	Partners, Others tensor.Tensor
	Parts            Parts
}

// Forward runs the codec as training does (modules/quantize.py, FAquantizer;
// train.py): the timbre is that of the whole utterance, and prosody and content are
// detached from the decoder's gradient unless masks.JointParts is set.
func (c *Codec) Forward(r *op.Run, in Inputs, masks DropoutMasks) Outputs {
	q := c.Quantizer
	out := Outputs{Timbre: q.Timbres(r, in.Timbre)}
	if in.Partners != nil {
		out.Partners = q.Timbres(r, in.Partners)
	}
	if in.Others != nil {
		out.Others = r.Detach(q.Timbres(r, in.Others))
	}
	features := q.ProsodyFeatures(r, r.Borrow(in.Prosody))
	out.Parts = q.quantizeMasked(r, features, c.Encoder.Forward(r, r.Borrow(in.Wave)), masks.Books)
	var parts []tensor.Tensor
	for part, quantized := range out.Parts {
		parts = append(parts, masks.apply(r, Part(part), quantized.Z))
	}
	z := addAll(r, parts...) // [B, T, latent]
	m := c.Modulations(r, r.Borrow(out.Timbre))
	if d, ok := c.Decoder.(pitchDecoder); ok {
		out.Wave, out.Pitch = d.ForwardPitch(r, m.apply(r, z), m.blocks)
	} else {
		out.Wave = c.Decode(r, z, m)
	}
	return out
}

// InitFromData initializes encoder and quantizers, which are to be in training, from
// a first batch, so that codes differ between frames from the start (see
// nn.Conv.InitFromData). The random numbers of each book are those of key.
func (c *Codec) InitFromData(r *op.Run, in Inputs, key func(part Part, book int) uint64) {
	q := c.Quantizer
	features := q.ProsodyFeatures(r, r.Borrow(in.Prosody))
	z := c.Encoder.InitFromData(r, r.Borrow(in.Wave))
	q.quantize(r, features, z, func(part Part, x tensor.Tensor) nn.Quantized {
		return q.parts[part].InitFromData(r, x, func(book int) uint64 { return key(part, book) })
	}).Free(r)
}

// Timbres returns the timbre of each utterance, from its log-mel [1, frames,
// mels], at its own length, so that it does not depend on its neighbors:
// [B, 1, latent].
func (q *Quantizer) Timbres(r *op.Run, mels []tensor.Tensor) tensor.Tensor {
	timbres := make([]tensor.Tensor, len(mels))
	r.EachSample(len(mels), func(b int) {
		frames := q.timbre.Forward(r, r.Borrow(mels[b]))
		timbres[b] = replace(r, frames, r.Mean(frames))
	})
	all := r.ConcatBatch(timbres...)
	r.Free(timbres...)
	return all
}

// quantizeMasked is Quantize with so many books of each part for each sequence.
func (q *Quantizer) quantizeMasked(r *op.Run, features, z tensor.Tensor, books [NumParts][]int) Parts {
	return q.quantize(r, features, z, func(part Part, x tensor.Tensor) nn.Quantized {
		return q.parts[part].ForwardMasked(r, x, q.parts[part].Masks(books[part]))
	})
}

// CommitmentLoss returns the mean squared distance between projected frames and the
// entries chosen for them. Its gradient, times weight, goes to the frames.
func (q *Quantizer) CommitmentLoss(r *op.Run, p Parts, weight float64) float64 {
	return q.distance(r, p, weight, 0)
}

// CodebookLoss has the value of CommitmentLoss; its gradient goes to the entries.
func (q *Quantizer) CodebookLoss(r *op.Run, p Parts, weight float64) float64 {
	return q.distance(r, p, 0, weight)
}

func (q *Quantizer) distance(r *op.Run, p Parts, commitment, codebook float64) (total float64) {
	for part, quantized := range p {
		total += q.parts[part].Loss(r, quantized, commitment, codebook)
	}
	return total
}

// Books returns the number of books of each part.
func (q *Quantizer) Books() (n [NumParts]int) {
	for part, rvq := range q.parts {
		n[part] = len(rvq.Quantizers)
	}
	return n
}

// Converted is a batch decoded in other voices: the target timbre, and the timbre of
// the result.
type Converted struct {
	Wave       tensor.Tensor // [B, N, 1]
	Timbre     tensor.Tensor // the target, [B, 1, latent], a constant
	WaveTimbre tensor.Tensor // of Wave, [B, 1, latent]
}

// Convert decodes prosody and content of each utterance of a batch with the timbre of
// the next one, as voice conversion does, and encodes the timbre of the result, for a
// speaker consistency loss (Casanova et al., "YourTTS", ICML 2022). Its gradient goes to
// the decoder; the timbre encoder, which could lower the loss by collapsing, is frozen.
// The codec's FFT must be a power of two from 8 to 2048.
func (t *CodecTraining) Convert(r *op.Run, out Outputs) Converted {
	size := out.Timbre.B
	c := Converted{Timbre: r.New(size, 1, out.Timbre.C)}
	for b := range size {
		copy(c.Timbre.Row(b, 0), out.Timbre.Row((b+1)%size, 0))
	}
	var parts []tensor.Tensor
	for _, part := range ConversionParts {
		parts = append(parts, r.Detach(out.Parts[part].Z))
	}
	z := addAll(r, parts...)
	c.Wave = t.Codec.Decode(r, z, t.Codec.Modulations(r, r.Borrow(c.Timbre)))
	c.WaveTimbre = t.timbreOf(r, r.Waveforms(c.Wave))
	return c
}

// Identities are the timbres of what a batch was decoded to, and of what some of it is
// converted to.
type Identities struct {
	Wave tensor.Tensor // the conversions, [n, 1, N]; without data for none
	// Timbre [B, 1, latent] is the timbre of the outputs, Target that which they were decoded
	// with; Converted and ConvertedTarget [n, 1, latent] are those of the conversions. Targets
	// are constants.
	Timbre, Target, Converted, ConvertedTarget tensor.Tensor
}

// Identify encodes the timbres of the outputs of a batch, and of its first n utterances
// decoded from prosody and content with each other's timbre, which is conversion between
// recordings that no parallel recording is needed for. In contrast to Convert, the gradient
// goes to decoder and codes; the timbre encoder is frozen here, too.
func (t *CodecTraining) Identify(r *op.Run, out Outputs, n int) (i Identities) {
	i.Target = r.Detach(out.Timbre)
	waves := r.Waveforms(out.Wave)
	if n > 1 {
		i.ConvertedTarget = r.New(n, 1, out.Timbre.C)
		for b := range n {
			copy(i.ConvertedTarget.Row(b, 0), out.Timbre.Row((b+1)%n, 0))
		}
		var parts []tensor.Tensor
		for _, part := range ConversionParts {
			parts = append(parts, r.SliceBatch(out.Parts[part].Z, 0, n))
		}
		m := t.Codec.Modulations(r, r.Borrow(i.ConvertedTarget))
		i.Wave = r.Waveforms(t.Codec.Decode(r, addAll(r, parts...), m))
		waves = r.ConcatBatch(waves, i.Wave)
	}
	timbres := t.timbreOf(r, waves)
	if n > 1 {
		i.Timbre, i.Converted = r.SliceBatch(timbres, 0, out.Timbre.B), r.SliceBatch(timbres, out.Timbre.B, timbres.B)
	} else {
		i.Timbre = timbres
	}
	return i
}

// timbreOf encodes the timbre of decoded waveforms [B, 1, N], without a gradient for the
// timbre encoder: [B, 1, latent].
func (t *CodecTraining) timbreOf(r *op.Run, waves tensor.Tensor) tensor.Tensor {
	if t.spectrum == nil {
		t.spectrum = melSpectrum(t.Codec.Mel)
	}
	defer func(frozen bool) { t.quantizer.Frozen = frozen }(t.quantizer.Frozen)
	t.quantizer.Frozen = true
	frames := t.Codec.Quantizer.timbre.Forward(r, r.LogMel(t.spectrum, waves))
	return replace(r, frames, r.Mean(frames))
}

// RedecoderTrainingConfig describes all networks that a redecoder is trained with.
type RedecoderTrainingConfig struct {
	Redecoder     RedecoderConfig
	Discriminator DiscriminatorConfig
}

// RedecoderTraining is a redecoder with the networks that it is trained with. Its codec
// is not among them: it is frozen.
type RedecoderTraining struct {
	AdversarialNetworks
	Redecoder *Redecoder
}

// NewRedecoderTraining declares the networks, under the names encoder, decoder and
// discriminator.
func NewRedecoderTraining(c RedecoderTrainingConfig) *RedecoderTraining {
	redecoder := NewRedecoder(c.Redecoder)
	return &RedecoderTraining{newAdversarialNetworks(redecoder.networks, redecoder.networks, c.Discriminator), redecoder}
}
