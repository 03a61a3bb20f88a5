package train

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A generator is what a step trains: a codec or a redecoder.
type generator interface {
	// forward runs the networks over a piece and returns their output [B, N, 1]. The
	// generator's run records it with random, whose Sample is the number of the piece's
	// first utterance in the batch.
	forward(s *step, piece *Batch, random op.Random) tensor.Tensor
	// forwarded is called once all pieces have been run for the first time and the losses
	// that were computed from them are summed: whatever depends on the whole batch is
	// gathered from all ranks.
	forwarded(s *step) error
	// converted returns further waveforms [n, 1, N] of the piece that was run last which the
	// discriminator judges; without data for none.
	converted() tensor.Tensor
	// addLosses adds the losses of its own, of the piece that was run last, to those of
	// the step.
	addLosses(s *step, piece *Batch)
}

// step trains g on one batch, given whole or in pieces: gradient accumulation. Where
// several ranks train, pieces are this rank's. A rank with several pieces takes the memory
// of one, that of a few gradients, and a forward pass more.
func (t *Trainer) step(g generator, own []*Batch) (Losses, error) {
	s := &step{Trainer: t, model: g, pieces: own, losses: Losses{}, first: true}
	var err error
	if s.plan, err = planPieces(t.Ranks, own); err != nil {
		return nil, err
	}
	defer func() {
		t.Steps++
		t.generatorRun.Reset()
		t.discriminatorRun.Reset()
	}()
	if err := s.run(); err != nil {
		t.Skipped++
		return s.losses, err
	}
	if t.EMA != nil {
		t.EMA.Update(t.Steps, t.pool)
	}
	return s.losses, nil
}

// A step is one call of Trainer.step.
type step struct {
	*Trainer
	model  generator
	pieces []*Batch // of this rank
	plan   pieces   // where those of all ranks are
	losses Losses
	first  bool // each piece is run for the first time

	pieceLosses []Losses     // of the pieces that were run since losses were last summed
	gradients   *gradientSum // of the networks that are being trained
}

// adversarial says whether the discriminator takes part.
func (s *step) adversarial() bool { return s.Steps >= s.DiscriminatorStart }

// measures says whether losses that nothing learns from are computed: in the steps
// that are logged, the first among them.
func (s *step) measures() bool {
	return s.MeasureInterval <= 1 || s.Steps == 0 || (s.Steps+1)%s.MeasureInterval == 0
}

// share returns a piece's share of the batch.
func (s *step) share(piece *Batch) float64 {
	return float64(piece.Size()) / float64(s.plan.utterances)
}

// run updates the discriminator, from what the generator makes before its own update,
// and then the generator, against the updated discriminator (train.py).
func (s *step) run() error {
	wave, err := s.trainDiscriminator()
	if err != nil {
		return err
	}
	return s.trainGenerator(wave)
}

// trainDiscriminator returns the waveform of the last piece.
func (s *step) trainDiscriminator() (wave tensor.Tensor, err error) {
	network := s.Discriminator.Network
	var trained []*nn.Network
	if s.adversarial() {
		trained = append(trained, network)
	}
	s.gradients = s.newGradientSum(&s.plan, trained)
	err = s.eachPiece(func(piece *Batch, first int) {
		wave = s.forward(piece, first)
		if s.adversarial() {
			s.discriminatorStep(piece, wave)
		}
	})
	s.first = false
	if err == nil {
		err = s.model.forwarded(s)
	}
	if err == nil && s.adversarial() {
		err = s.update(network.Prefix)
	}
	return wave, err
}

// trainGenerator is told the waveform of the last piece. Where it is the only one of this
// rank it need not be run again.
func (s *step) trainGenerator(wave tensor.Tensor) error {
	var names []string
	var networks []*nn.Network
	for _, n := range s.Generator {
		if !n.Frozen {
			names, networks = append(names, n.Prefix), append(networks, n)
		}
	}
	s.gradients = s.newGradientSum(&s.plan, networks)
	s.Discriminator.Network.Frozen = true
	defer func() { s.Discriminator.Network.Frozen = false }()
	err := s.eachPiece(func(piece *Batch, first int) {
		if len(s.pieces) > 1 {
			wave = s.forward(piece, first)
		}
		s.generatorStep(piece, wave)
	})
	if err != nil {
		return err
	}
	return s.update(names...)
}

// eachPiece calls f with this rank's pieces and the numbers that their first utterances
// have in the batch. f accumulates gradients and adds losses, which are then summed over
// the pieces of all ranks.
func (s *step) eachPiece(f func(piece *Batch, first int)) error {
	first := s.plan.before
	for _, piece := range s.pieces {
		s.pieceLosses = append(s.pieceLosses, Losses{})
		f(piece, first)
		if !s.gradients.last() {
			s.gradients.add()
		}
		first += piece.Size()
	}
	if err := s.gradients.sum(); err != nil {
		return err
	}
	return s.sumLosses()
}

// forward runs the generator over a piece, whose first utterance has the number first
// in the batch, records it and returns the waveforms [B, 1, N].
func (s *step) forward(piece *Batch, first int) tensor.Tensor {
	random := op.Random{Seed: s.Seed, Step: uint64(s.Steps), Sample: first, Off: s.Deterministic}
	s.generatorRun.Record(random)
	return s.generatorRun.Waveforms(s.model.forward(s, piece, random))
}

// discriminatorStep adds to the discriminator's gradient: least squares, 1 for
// recordings and 0 for what the generator made of them, conversions among it.
func (s *step) discriminatorStep(piece *Batch, wave tensor.Tensor) {
	r, share := s.discriminatorRun, s.share(piece)
	r.Record(op.Random{})
	waves := []tensor.Tensor{r.Waveforms(piece.Target), r.Detach(wave)}
	if converted := s.model.converted(); converted.Data != nil {
		waves = append(waves, r.Detach(converted))
	}
	all := s.discriminatorCrop(r, r.ConcatBatch(waves...))
	var loss float64
	for _, features := range s.Discriminator.Forward(r, all) {
		score := features.Score
		recordings := score.B / all.B * piece.Size()
		real, fake := r.SliceBatch(score, 0, recordings), r.SliceBatch(score, recordings, score.B)
		loss += r.MSE(real, 1, share) + r.MSE(fake, 0, share)
	}
	s.gradients.backward(r)
	r.Reset()
	s.add("discriminator", share*loss)
}

// siteDiscriminator is where the discriminator's part of a crop is drawn (see
// op.Random.Key).
const siteDiscriminator = siteAugment + 1

// discriminatorCrop returns what the discriminator sees of waveforms: in one step the
// same samples of all.
func (s *step) discriminatorCrop(r *op.Run, x tensor.Tensor) tensor.Tensor {
	n := s.DiscriminatorLen
	if n <= 0 || n >= x.C {
		return x
	}
	random := op.Random{Seed: s.Seed, Step: uint64(s.Steps)}
	from := int(op.Uniform(random.Key(siteDiscriminator, 0), 0) * float64(x.C-n+1))
	return r.SliceChannels(x, from, from+n)
}

// generatorStep adds the gradient of all losses of a piece to the generator's.
func (s *step) generatorStep(piece *Batch, wave tensor.Tensor) {
	r, share := s.generatorRun, s.share(piece)
	target := r.Waveforms(piece.Target)
	addLosses(s, waveLosses, waveforms{wave, target, piece.Perturbed, s.mel, s.stft, s.envelope}, share)
	if s.adversarial() {
		real := s.Discriminator.Forward(r, s.discriminatorCrop(r, target))
		features := discriminatorFeatures{real: real, fake: s.Discriminator.Forward(r, s.discriminatorCrop(r, wave))}
		if converted := s.model.converted(); converted.Data != nil {
			features.converted = s.Discriminator.Forward(r, s.discriminatorCrop(r, converted))
			features.share = float64(converted.B) / float64(piece.Size())
		}
		addLosses(s, adversarialLosses, features, share)
	}
	s.model.addLosses(s, piece)
	s.gradients.backward(r)
	r.Reset()
}

// update steps networks unless a loss or one of their gradients is not finite.
func (s *step) update(names ...string) error {
	ok := true
	for _, v := range s.losses {
		ok = ok && finite(v)
	}
	for _, name := range names {
		norm := s.Optimizers[name].Norm(s.pool)
		s.losses["grad_norm."+name] = norm
		ok = ok && finite(norm)
	}
	if !ok {
		return ErrNotFinite
	}
	var weight float32
	if s.EMA != nil {
		weight = s.EMA.Weight(s.Steps)
	}
	for _, name := range names {
		if err := s.Optimizers[name].Step(s.losses["grad_norm."+name], weight, s.pool); err != nil {
			return err
		}
	}
	return nil
}
