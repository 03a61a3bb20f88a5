package train

import (
	"errors"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// LossWeights are the factors of the losses that are trained on. F0, UV, Content
// and Speaker stand for the predictors' and their adversaries'; without Conversion
// nothing is converted. A redecoder has the first three alone.
type LossWeights struct {
	Mel, Feature, Generator, Commitment, Codebook, F0, UV, Content, Speaker, Conversion float64
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
	NormaliseCodes     bool    // entries keep their length
	DataInit           bool    // encoder and quantizers begin fitted to the first batch
	Reversal           float64 // factor on the adversaries' gradients
	ReversalWarmup     int     // steps over which it rises from zero
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
		ResidualMask: 0.75, QuantizerDropout: 0.5, Reversal: 1,
	}
}

// A Trainer holds the networks, their optimizers and what a step computes with.
type Trainer struct {
	Options
	Networks   *model.Training             // of a codec or a redecoder
	Optimizers map[string]*Optimizer       // by the network's name
	EMA        *EMA                        // nil for none
	Restarter  *Restarter                  // nil for none
	Steps      int                         // taken or skipped
	Codes      [model.NumParts][][][]int32 // of a codec's last step, [book][B][T]
	Skipped    int                         // steps without effect: something was no number

	learner   learner
	region    *tensor.Region
	pool      *parallel.Pool
	generator *op.Run
	judge     *op.Run
	mel, stft model.SpectralLoss
}

// A learner is what a Trainer teaches to speak. The spectral losses and those of the
// discriminator are the Trainer's; what else it learns from is the learner's own.
type learner interface {
	// begin starts a step.
	begin(s *step)
	// speak runs the networks that are trained over a piece and returns the waveform
	// [B, N, 1]. The generator's run records it with random, whose Sample is the
	// number that the piece's first utterance has in the batch.
	speak(s *step, piece *Batch, random op.Random) tensor.Tensor
	// note is told of each piece once, after it was spoken and before anything learns;
	// share is the piece's share of the batch.
	note(s *step, piece *Batch, share float64)
	// learn books and records the learner's own losses of the piece that was spoken
	// last.
	learn(s *step, piece *Batch, share float64, book func(name string, value float64))
	// total adds to sum those of its losses that are trained on, weighted.
	total(sum float64, l Losses, w LossWeights) float64
	// settle ends a step that had an effect.
	settle(t *Trainer) error
}

// New makes a trainer of a codec, whose weights and those of the networks that it
// learns from are those of src. Close gives its memory back.
func New(c model.TrainingConfig, src weights.Source, o Options, pool *parallel.Pool) (*Trainer, error) {
	networks := model.NewTraining(c)
	t, err := makeTrainer(networks, &codecLearner{networks: networks}, c.Codec.Mel.FilterRate, src, o, pool)
	if err == nil && o.RestartCodes > 0 {
		t.Restarter = NewRestarter(t, o.RestartCodes)
	}
	return t, err
}

// makeTrainer makes a trainer of what speaks at rate samples a second.
func makeTrainer(networks *model.Training, l learner, rate int, src weights.Source, o Options, pool *parallel.Pool) (*Trainer, error) {
	t := &Trainer{
		Options: o, Networks: networks, Optimizers: map[string]*Optimizer{}, learner: l,
		region: &tensor.Region{}, pool: pool, generator: op.NewRun(pool), judge: op.NewRun(pool),
		mel: model.MelLoss(rate), stft: model.STFTLoss(rate),
	}
	for _, n := range t.Networks.Networks() {
		if err := n.LoadForTraining(src, t.region, pool); err != nil {
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
		t.EMA = NewEMA(o.EMADecay, t.region, t.Networks.Inferred...)
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
	return s.losses, t.learner.settle(t)
}

// A step is one call of Step.
type step struct {
	*Trainer
	pieces []*Batch
	size   int // utterances in all pieces
	losses Losses
}

func (s *step) judging() bool { return s.Steps >= s.DiscriminatorStart }

// share returns a piece's share of the batch.
func (s *step) share(piece *Batch) float64 { return float64(piece.Size()) / float64(s.size) }

func (s *step) run() error {
	s.learner.begin(s)
	// The discriminator learns first, from what the generator speaks before it
	// learns; the generator then meets the discriminator that has learned.
	var wave tensor.Tensor
	s.Optimizers["discriminator"].ZeroGrad(s.pool)
	first := 0
	for _, piece := range s.pieces {
		wave = s.speak(piece, first)
		s.learner.note(s, piece, s.share(piece))
		if s.judging() {
			s.learnToJudge(piece, wave)
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
			wave = s.speak(piece, first)
		}
		s.learnToSpeak(piece, wave)
		first += piece.Size()
	}
	s.losses["total"] = s.total()
	return s.update(names...)
}

// speak runs the generator over a piece, whose first utterance has the number first
// in the batch, and records it.
func (s *step) speak(piece *Batch, first int) tensor.Tensor {
	random := op.Random{Seed: s.Seed, Step: uint64(s.Steps), Sample: first, Off: s.Fixed}
	s.generator.Record(random)
	return s.learner.speak(s, piece, random)
}

// learnToJudge adds to the discriminator's gradient: least squares, 1 for
// recordings and 0 for what was spoken.
func (s *step) learnToJudge(piece *Batch, wave tensor.Tensor) {
	r, share := s.judge, s.share(piece)
	r.Record(op.Random{})
	both := r.ConcatBatch(piece.Heard.Wave, r.Detach(wave))
	var loss float64
	for _, layers := range s.Networks.Discriminator.Forward(r, both) {
		score := layers[len(layers)-1]
		real, fake := r.SliceBatch(score, 0, score.B/2), r.SliceBatch(score, score.B/2, score.B)
		loss += r.MSE(real, 1, share) + r.MSE(fake, 0, share)
	}
	r.Backward()
	r.Reset()
	s.losses["discriminator"] += share * loss
}

// learnToSpeak goes from the losses of a piece, spoken as wave, back through the
// generator.
func (s *step) learnToSpeak(piece *Batch, wave tensor.Tensor) {
	r, share := s.generator, s.share(piece)
	book := func(name string, value float64) { s.losses[name] += share * value }
	target := piece.Heard.Wave

	book("stft", s.stft.Value(r, r.Detach(wave), target, 0))
	book("l1", r.L1(r.Detach(wave), target, 0))
	book("mel", s.mel.Value(r, wave, target, share*s.Weights.Mel))
	if s.judging() {
		s.faceTheJudge(piece, wave, share, book)
	}
	s.learner.learn(s, piece, share, book)
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
		generator += r.MSE(layers[last], 1, share*s.Weights.Generator)
	}
	book("feature", feature)
	book("generator", generator)
}

// total is the sum of all that is trained on.
func (s *step) total() float64 {
	l, w := s.losses, s.Weights
	return s.learner.total(w.Mel*l["mel"]+w.Feature*l["feature"]+w.Generator*l["generator"], l, w)
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
