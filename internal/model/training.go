package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TrainingConfig describes all networks that a codec is trained with.
type TrainingConfig struct {
	Codec         CodecConfig
	Predictors    PredictorsConfig
	Discriminator DiscriminatorConfig
}

// Training is a codec, or a redecoder, with the networks that it learns from.
type Training struct {
	Codec         *Codec      // nil for a redecoder
	Predictors    *Predictors // the codec's
	Redecoder     *Redecoder  // nil for a codec
	Discriminator *Discriminator
	// Generator are the networks that are trained together, Inferred those that
	// inference runs, and Judge is the discriminator's.
	Generator, Inferred []*nn.Network
	Judge               *nn.Network

	quantizer *nn.Network
	heard     *op.MelSpectrogram // of what the codec speaks; nil until something is converted
}

// NewTraining declares the networks, under the names encoder, decoder, quantizer,
// fa_predictors and discriminator.
func NewTraining(c TrainingConfig) *Training {
	predictors, discriminator := nn.NewBuilder("fa_predictors"), nn.NewBuilder("discriminator")
	t := &Training{
		Codec:         NewCodec(c.Codec),
		Predictors:    NewPredictors(predictors, c.Predictors),
		Discriminator: NewDiscriminator(discriminator, c.Discriminator),
		Judge:         discriminator.Network(),
	}
	encoder, quantizer, decoder := t.Codec.networks[0], t.Codec.networks[1], t.Codec.networks[2]
	t.Generator = []*nn.Network{encoder, decoder, quantizer, predictors.Network()}
	t.Inferred = t.Codec.networks
	t.quantizer = quantizer
	return t
}

// Networks returns all networks.
func (t *Training) Networks() []*nn.Network {
	return append(t.Generator[:len(t.Generator):len(t.Generator)], t.Judge)
}

// Network returns the network of a name.
func (t *Training) Network(name string) *nn.Network {
	for _, n := range t.Networks() {
		if n.Prefix == name {
			return n
		}
	}
	return nil
}

// Params returns every parameter of all networks.
func (t *Training) Params() []*nn.Param { return networks(t.Networks()).params() }

// Heard is what the codec hears of a batch of utterances.
type Heard struct {
	Wave    tensor.Tensor   // crops, [B, N, 1]
	Prosody tensor.Tensor   // the lowest bins of their log-mel, [B, T, prosody mels]
	Timbre  []tensor.Tensor // the log-mel of each whole utterance, [1, frames, mels]
}

// Chance is what is left to chance in training.
type Chance struct {
	// Residual is 0 for a sequence that is decoded without its residual, else 1.
	Residual []float32
	// Books are the numbers of books that each sequence uses; nil for all.
	Books [NumParts][]int
}

// Spoken is what the codec makes of a batch.
type Spoken struct {
	Wave   tensor.Tensor // [B, N, 1]
	Timbre tensor.Tensor // [B, 1, latent]
	Parts  Parts
}

// Forward runs the codec as training does (modules/quantize.py, FAquantizer;
// train.py): the timbre is that of the whole utterance, and the decoder learns
// from prosody and content without changing them.
func (c *Codec) Forward(r *op.Run, h Heard, chance Chance) Spoken {
	q := c.Quantizer
	s := Spoken{Timbre: q.Timbres(r, h.Timbre)}
	features := q.ProsodyFeatures(r, r.Borrow(h.Prosody))
	s.Parts = q.splitByChance(r, features, c.Encoder.Forward(r, r.Borrow(h.Wave)), chance.Books)
	z := r.Add(r.Detach(s.Parts[Prosody].Z), r.Detach(s.Parts[Content].Z))
	residual := s.Parts[Residual].Z
	if chance.Residual != nil {
		residual = r.Scale(residual, chance.Residual)
	}
	z = replace(r, z, r.Add(z, residual)) // [B, T, latent]
	s.Wave = c.Decoder.Forward(r, q.Join(r, z, q.Styles(r, r.Borrow(s.Timbre))))
	return s
}

// InitFromData initializes encoder and quantizers, which are to be in training, from
// a first batch, so that codes differ between frames from the start (see
// nn.Conv.InitFromData). The random numbers of each book are those of key.
func (c *Codec) InitFromData(r *op.Run, h Heard, key func(part Part, book int) uint64) {
	q := c.Quantizer
	features := q.ProsodyFeatures(r, r.Borrow(h.Prosody))
	z := c.Encoder.InitFromData(r, r.Borrow(h.Wave))
	q.split(r, features, z, func(part Part, x tensor.Tensor) nn.Quantized {
		return q.parts[part].InitFromData(r, x, func(book int) uint64 { return key(part, book) })
	}).Free(r)
}

// Timbres returns the timbre of each utterance, from its log-mel [1, frames,
// mels], at its own length, so that it does not depend on its neighbours:
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

// splitByChance is Split with as many books as chance lets each sequence have.
func (q *Quantizer) splitByChance(r *op.Run, features, z tensor.Tensor, books [NumParts][]int) Parts {
	return q.split(r, features, z, func(part Part, x tensor.Tensor) nn.Quantized {
		return q.parts[part].ForwardMasked(r, x, q.parts[part].Masks(books[part]))
	})
}

// Loss returns the commitment loss, which is the codebook loss too in value,
// summed over the parts' quantizers.
func (q *Quantizer) Loss(r *op.Run, p Parts, commitment, codebook float64) (total float64) {
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

// A Converted is what the codec speaks of a batch in other voices, and their timbre as
// it is and as the codec hears it.
type Converted struct {
	Wave        tensor.Tensor // [B, N, 1]
	Timbre      tensor.Tensor // [B, 1, latent], a constant
	HeardTimbre tensor.Tensor // [B, 1, latent], of Wave
}

// Convert speaks prosody and content of each utterance of a batch in the timbre of the
// next, as a conversion does, and listens for the timbre of what it has spoken, for a
// speaker consistency loss (Casanova et al., "YourTTS", ICML 2022). From it the decoder
// learns; the timbre extractor, which could make itself agree, does not. The codec's
// FFT must be a power of two from 8 to 2048.
func (t *Training) Convert(r *op.Run, s Spoken) Converted {
	if t.heard == nil {
		t.heard = melSpectrum(t.Codec.Mel)
	}
	q := t.Codec.Quantizer
	size := s.Timbre.B
	out := Converted{Timbre: r.New(size, 1, s.Timbre.C)}
	for b := range size {
		copy(out.Timbre.Row(b, 0), s.Timbre.Row((b+1)%size, 0))
	}
	z := r.Add(r.Detach(s.Parts[Prosody].Z), r.Detach(s.Parts[Content].Z))
	out.Wave = t.Codec.Decoder.Forward(r, q.Join(r, z, q.Styles(r, r.Borrow(out.Timbre))))
	t.quantizer.Frozen = true
	defer func() { t.quantizer.Frozen = false }()
	frames := q.timbre.Forward(r, r.LogMel(t.heard, out.Wave))
	out.HeardTimbre = replace(r, frames, r.Mean(frames))
	return out
}
