package train

import (
	"errors"
	"math"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// LossWeights are the factors of the losses that are trained on. F0, UV, Content
// and Speaker stand for the predictors' and their adversaries'.
type LossWeights struct {
	Mel, Feature, Generator, Commitment, Codebook, F0, UV, Content, Speaker float64
}

// Options are what a Trainer may do otherwise.
type Options struct {
	Weights            LossWeights
	AdamW              AdamW
	Schedule           Schedule
	Clip, ClipJudge    float64 // of each generator network on its own, of the discriminator
	EMADecay           float64 // 0 for no EMA
	DiscriminatorStart int     // the step at which the discriminator begins
	ResidualMask       float64 // probability that a sequence is decoded without its residual
	QuantizerDropout   float64 // share of a batch that uses a random number of books
	RestartCodes       int     // steps after which an entry that nothing chose is moved; 0 for never
	Seed               uint64
	// Fixed switches off all that is left to chance: dropout, quantizer dropout.
	// Residual then says which sequences keep their residual.
	Fixed    bool
	Residual []float32
}

// DefaultOptions are the originals'.
func DefaultOptions() Options {
	return Options{
		Weights:  LossWeights{Mel: 15, Feature: 1, Generator: 1, Commitment: 0.25, Codebook: 1, F0: 1, UV: 1, Content: 5, Speaker: 5},
		AdamW:    AdamW{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-9, WeightDecay: 0.1},
		Schedule: Schedule{LearningRate: 1e-4, Decay: 0.999996},
		Clip:     1000, ClipJudge: 10,
		ResidualMask: 0.75, QuantizerDropout: 0.5,
	}
}

// A Trainer holds the networks, their optimizers and what a step computes with.
type Trainer struct {
	Options
	Networks   *model.Training
	Optimizers map[string]*Optimizer // by the network's name
	EMA        *EMA                  // nil for none
	Restarter  *Restarter            // nil for none
	Steps      int                   // taken or skipped
	Codes      [3][][][]int32        // of the last step: prosody, content, residual, [book][B][T]
	Skipped    int                   // steps without effect: something was no number

	region    *tensor.Region
	pool      *parallel.Pool
	generator *op.Run
	judge     *op.Run
	mel, stft model.SpectralLoss
	spoke     func(spoken) // for tests: sees what is spoken in each step
}

// New makes a trainer of networks whose weights are those of src. Close gives its
// memory back.
func New(c model.TrainingConfig, src weights.Source, o Options, pool *parallel.Pool) (*Trainer, error) {
	t := &Trainer{
		Options: o, Networks: model.NewTraining(c), Optimizers: map[string]*Optimizer{},
		region: &tensor.Region{}, pool: pool, generator: op.NewRun(pool), judge: op.NewRun(pool),
		mel: model.MelLoss(c.Codec.Mel.FilterRate), stft: model.STFTLoss(c.Codec.Mel.FilterRate),
	}
	for _, n := range t.Networks.Networks() {
		if err := n.Train(src, t.region, pool); err != nil {
			t.Close()
			return nil, err
		}
		clip := o.Clip
		if n == t.Networks.Judge {
			clip = o.ClipJudge
		}
		t.Optimizers[n.Prefix] = NewOptimizer(n, o.AdamW, o.Schedule, clip, t.region)
	}
	if o.EMADecay > 0 {
		t.EMA = NewEMA(o.EMADecay, t.region, t.Networks.Codec.Networks()...)
	}
	if o.RestartCodes > 0 {
		t.Restarter = NewRestarter(t, o.RestartCodes)
	}
	return t, nil
}

// Close gives the trainer's memory back.
func (t *Trainer) Close() { t.region.Free() }

// Losses are the values of a step by the names of the golden step: those of §9,
// grad_norm.<network>, total.
type Losses map[string]float64

// ErrNotFinite is returned by Step when a loss or a gradient was no number. The
// parameters are then as they were before the step, but for the discriminator's
// where its own step was sound.
var ErrNotFinite = errors.New("a loss or gradient is not finite")

// Step trains on one batch, given whole or in pieces: gradient accumulation. In
// pieces it takes the memory of one and a forward pass more.
func (t *Trainer) Step(pieces ...*Batch) (Losses, error) {
	s := &step{Trainer: t, pieces: pieces, losses: Losses{}}
	for _, p := range pieces {
		s.size += p.Size()
	}
	defer func() {
		t.Steps++
		t.generator.Reset()
		t.judge.Reset()
	}()
	err := s.run()
	if err != nil {
		t.Skipped++
		return s.losses, err
	}
	if t.EMA != nil {
		t.EMA.Update(t.Steps, t.pool)
	}
	if t.Restarter != nil && t.Restarter.look(t.Seed, t.Steps+1) > 0 {
		err = t.Networks.Network("quantizer").Refresh(t.pool)
	}
	return s.losses, err
}

// A step is one call of Step.
type step struct {
	*Trainer
	pieces  []*Batch
	size    int // utterances in all pieces
	losses  Losses
	content [2]float64 // the whole batch's cross-entropies of phones, NaN for one piece
}

func (s *step) judging() bool { return s.Steps >= s.DiscriminatorStart }

func (s *step) run() error {
	s.content = [2]float64{math.NaN(), math.NaN()}
	// The discriminator learns first, from what the generator speaks before it
	// learns; the generator then meets the discriminator that has learned.
	var spoken spoken
	s.Optimizers["discriminator"].ZeroGrad(s.pool)
	s.Codes = [3][][][]int32{}
	first := 0
	for i, piece := range s.pieces {
		spoken = s.speak(piece, first)
		if len(s.pieces) > 1 {
			if i == 0 {
				s.content = [2]float64{}
			}
			share := float64(piece.Size()) / float64(s.size)
			s.content[0] += share * s.generator.CrossEntropy(s.generator.Detach(spoken.Phones), piece.Phones, 0)
			s.content[1] += share * s.generator.CrossEntropy(s.generator.Detach(spoken.RevPhones), piece.Phones, 0)
		}
		if s.judging() {
			s.learnToJudge(piece, spoken.Wave)
		}
		quantized := []nn.Quantized{spoken.Parts.Prosody, spoken.Parts.Content, spoken.Parts.Residual}
		for part, q := range quantized {
			s.Codes[part] = joinCodes(s.Codes[part], q.Codes)
		}
		if s.Restarter != nil {
			s.Restarter.watch(i == 0, quantized...)
		}
		first += piece.Size()
	}
	if s.judging() {
		if err := s.update("discriminator"); err != nil {
			return err
		}
	}
	names := make([]string, 0, len(s.Networks.Generator))
	for _, n := range s.Networks.Generator {
		names = append(names, n.Prefix)
		s.Optimizers[n.Prefix].ZeroGrad(s.pool)
	}
	s.Networks.Judge.Frozen = true
	defer func() { s.Networks.Judge.Frozen = false }()
	first = 0
	for _, piece := range s.pieces {
		if len(s.pieces) > 1 {
			spoken = s.speak(piece, first)
		}
		s.learnToSpeak(piece, spoken)
		first += piece.Size()
	}
	s.losses["total"] = s.total()
	return s.update(names...)
}

// joinCodes adds the sequences of a piece to those of each book.
func joinCodes(all, piece [][][]int32) [][][]int32 {
	if all == nil {
		return piece
	}
	for book, codes := range piece {
		all[book] = append(all[book], codes...)
	}
	return all
}

// spoken is what the generator makes of a batch.
type spoken struct {
	model.Spoken
	model.Predicted
}

// speak runs the generator and the predictors over a piece, whose first utterance
// has the number first in the batch, and records it.
func (s *step) speak(piece *Batch, first int) spoken {
	r := s.generator
	random := op.Random{Seed: s.Seed, Step: uint64(s.Steps), Sample: first, Off: s.Fixed}
	r.Record(random)
	part := s.Networks.Codec.Forward(r, piece.Heard, s.chance(random, piece.Size()))
	p := part.Parts
	out := spoken{part, s.Networks.Predictors.Forward(r, p.Prosody.Z, p.Content.Z, p.Residual.Z, part.Timbre)}
	if s.spoke != nil {
		s.spoke(out)
	}
	return out
}

// The sites of what is drawn outside of the networks, whose own count from 1.
const (
	siteResidual = 1<<63 + iota
	siteBooks    // and the two after it
)

// chance draws what is left to chance for n utterances.
func (s *step) chance(random op.Random, n int) model.Chance {
	if s.Fixed {
		return model.Chance{Residual: s.Residual}
	}
	c := model.Chance{Residual: make([]float32, n)}
	for i := range n {
		if op.Uniform(random.Key(siteResidual, i), 0) >= s.ResidualMask {
			c.Residual[i] = 1
		}
	}
	// The first utterances of the whole batch lose books, the rest none
	// (dac/nn/quantize.py).
	dropped := int(float64(s.size) * s.QuantizerDropout)
	for part, books := range s.Networks.Codec.Quantizer.Books() {
		c.Books[part] = make([]int, n)
		for i := range n {
			c.Books[part][i] = books
			if random.Sample+i < dropped {
				c.Books[part][i] = 1 + int(op.Uniform(random.Key(siteBooks+uint64(part), i), 0)*float64(books))
			}
		}
	}
	return c
}

// learnToJudge adds to the discriminator's gradient: least squares, 1 for
// recordings and 0 for what was spoken.
func (s *step) learnToJudge(piece *Batch, wave tensor.Tensor) {
	r, share := s.judge, float64(piece.Size())/float64(s.size)
	r.Record(op.Random{})
	both := r.Stack(piece.Heard.Wave, r.Detach(wave))
	var loss float64
	for _, layers := range s.Networks.Discriminator.Forward(r, both) {
		score := layers[len(layers)-1]
		real, fake := r.Batch(score, 0, score.B/2), r.Batch(score, score.B/2, score.B)
		loss += r.Square(real, 1, share) + r.Square(fake, 0, share)
	}
	r.Backward()
	r.Reset()
	s.losses["discriminator"] += share * loss
}

// learnToSpeak goes from the losses of a piece back through the generator.
func (s *step) learnToSpeak(piece *Batch, out spoken) {
	r, w := s.generator, s.Weights
	share := float64(piece.Size()) / float64(s.size)
	book := func(name string, value float64) { s.losses[name] += share * value }
	target := piece.Heard.Wave

	book("stft", s.stft.Value(r, r.Detach(out.Wave), target, 0))
	book("l1", r.L1(r.Detach(out.Wave), target, 0))
	book("mel", s.mel.Value(r, out.Wave, target, share*w.Mel))
	if s.judging() {
		s.faceTheJudge(piece, out.Wave, share, book)
	}
	loss := s.Networks.Codec.Quantizer.Loss(r, out.Parts, share*w.Commitment, share*w.Codebook)
	book("commitment", loss)
	book("codebook", loss)
	book("f0", r.SmoothL1(out.F0, piece.F0, share*w.F0))
	book("uv", r.SmoothL1(out.Energy, piece.Energy, share*w.UV))
	book("rev_f0", r.SmoothL1(out.RevF0, piece.F0, share*w.F0))
	book("rev_uv", r.SmoothL1(out.RevEnergy, piece.Energy, share*w.UV))
	book("content", r.Focal(out.Phones, piece.Phones, s.content[0], share*w.Content))
	book("rev_content", r.Focal(out.RevPhones, piece.Phones, s.content[1], share*w.Content))
	book("speaker", r.CrossEntropy(out.Speaker, piece.Speaker, share*w.Speaker))
	book("rev_speaker", r.CrossEntropy(out.RevSpeaker, piece.Speaker, share*w.Speaker))
	r.Backward()
	r.Reset()
}

// faceTheJudge adds the losses of the discriminator, which does not learn
// meanwhile: what was spoken should be taken for a recording, and be like one in
// every layer but the last.
func (s *step) faceTheJudge(piece *Batch, wave tensor.Tensor, share float64, book func(string, float64)) {
	r := s.generator
	real := s.Networks.Discriminator.Forward(r, piece.Heard.Wave)
	var feature, generator float64
	for i, layers := range s.Networks.Discriminator.Forward(r, wave) {
		last := len(layers) - 1
		for j, layer := range layers[:last] {
			feature += r.L1(layer, r.Detach(real[i][j]), share*s.Weights.Feature)
			r.Free(layer, real[i][j])
		}
		generator += r.Square(layers[last], 1, share*s.Weights.Generator)
	}
	book("feature", feature)
	book("generator", generator)
}

// total is the sum of all that is trained on. The focal losses of pieces are those
// of the whole batch.
func (s *step) total() float64 {
	l, w := s.losses, s.Weights
	return w.Mel*l["mel"] + w.Feature*l["feature"] + w.Generator*l["generator"] +
		w.Commitment*l["commitment"] + w.Codebook*l["codebook"] +
		w.F0*(l["f0"]+l["rev_f0"]) + w.UV*(l["uv"]+l["rev_uv"]) +
		w.Content*(l["content"]+l["rev_content"]) + w.Speaker*(l["speaker"]+l["rev_speaker"])
}

// update steps networks unless a loss or one of their gradients is not finite.
func (s *step) update(names ...string) error {
	sound := true
	for _, v := range s.losses {
		sound = sound && finite(v)
	}
	for _, name := range names {
		norm := s.Optimizers[name].Norm(s.pool)
		s.losses["grad_norm."+name] = norm
		sound = sound && finite(norm)
	}
	if !sound {
		return ErrNotFinite
	}
	for _, name := range names {
		if err := s.Optimizers[name].Step(s.losses["grad_norm."+name], s.pool); err != nil {
			return err
		}
	}
	return nil
}
