package train

import (
	"fmt"
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// CodecOptions are how a codec is trained.
type CodecOptions struct {
	Options
	ResidualMask     float64 // probability that a sequence is decoded without its residual
	JointParts       bool    // prosody and content learn from the reconstruction, too
	DetachContent    bool    // of content, only what is decoded in another voice learns from the waveform
	QuantizerDropout float64 // share of a batch that uses a random number of books
	RestartCodes     int     // steps after which an entry that nothing chose is moved; 0 for never
	NormalizeCodes   bool    // entries keep their length
	DataInit         bool    // encoder and quantizers begin fitted to the first batch
	Reversal         float64 // factor on the adversaries' gradients
	ReversalWarmup   int     // steps over which it rises from zero
	// Residual says which sequences keep their residual where the training is
	// Deterministic, which switches quantizer dropout off, too.
	Residual []float32
}

// A CodecTrainer trains a codec with predictors and a discriminator.
type CodecTrainer struct {
	*Trainer
	Model     *model.CodecTraining
	Restarter *Restarter                  // nil for none
	Codes     [model.NumParts][][][]int32 // of the last step, [book][B][T]

	options CodecOptions
	outputs codecOutputs   // of the last piece
	voices  *voiceBank     // nil where no timbres are compared
	entropy contentEntropy // of the whole batch
}

// NewCodecTrainer prepares to train a codec; its weights and those of the networks that
// it is trained with are those of src. Close gives its memory back.
func NewCodecTrainer(c model.CodecTrainingConfig, src weights.Source, o CodecOptions, pool *parallel.Pool) (*CodecTrainer, error) {
	networks := model.NewCodecTraining(c)
	shared, err := newTrainer(&networks.AdversarialNetworks, c.Codec.Mel.FilterRate, src, o.Options, pool)
	if err != nil {
		return nil, err
	}
	t := &CodecTrainer{Trainer: shared, Model: networks, options: o}
	networks.PredictorNetwork().Frozen = !predicts(o.Weights)
	if o.RestartCodes > 0 {
		t.Restarter = NewRestarter(t, o.RestartCodes)
		t.buffers = t.Restarter.buffers()
	}
	if o.Weights.Voice > 0 {
		t.voices = newVoiceBank(c.Codec.Quantizer.Latent)
		t.buffers = append(t.buffers, t.voices.buffers()...)
	}
	return t, nil
}

// Step trains on one batch, given whole or in pieces: gradient accumulation. In
// pieces it takes the memory of one and a forward pass more.
func (t *CodecTrainer) Step(pieces ...*Batch) (Losses, error) {
	t.Codes = [model.NumParts][][][]int32{}
	t.entropy = contentEntropy{math.NaN(), math.NaN()}
	if t.options.DataInit && t.Steps == 0 {
		if err := t.initFromData(pieces[0]); err != nil {
			return nil, err
		}
	}
	losses, err := t.step(t, pieces)
	if err != nil {
		return losses, err
	}
	if t.voices != nil {
		if err := t.voices.add(t.Ranks); err != nil {
			return losses, err
		}
	}
	return losses, t.adjustCodebooks()
}

// initFromData fits encoder and quantizers to the first piece of the step, which is rank
// 0's.
func (t *CodecTrainer) initFromData(piece *Batch) error {
	if t.Ranks.Rank() == 0 {
		t.generatorRun.Record(op.Random{Off: true})
		t.Model.Codec.InitFromData(t.generatorRun, piece.Inputs, func(part model.Part, book int) uint64 {
			return op.Random{Seed: t.Seed}.Key(partSite(siteDataInit, part), book)
		})
		t.generatorRun.Reset()
	}
	return t.broadcast(t.Inference...)
}

func (t *CodecTrainer) forward(s *step, piece *Batch, random op.Random) tensor.Tensor {
	r := s.generatorRun
	out := t.Model.Codec.Forward(r, piece.Inputs, t.dropout(s, random, piece))
	t.outputs = codecOutputs{Outputs: out, batch: piece, networks: t.Model, quantizer: t.Model.Codec.Quantizer}
	if predicts(t.Weights) {
		t.Model.Predictors.Reversal = float32(t.reversal())
		t.outputs.Predicted = t.Model.Predictors.Forward(r, out.Parts.Z(), out.Timbre)
	}
	if t.voices != nil {
		t.outputs.contrast = t.voices.contrast(out.Others)
	}
	if t.Weights.Identity > 0 && t.outputs.contrast != nil {
		t.outputs.identities = t.Model.Identify(r, out, piece.unperturbed())
	}
	if s.first {
		t.collect(s, piece)
	}
	return out.Wave
}

// converted returns the conversions of the last piece.
func (t *CodecTrainer) converted() tensor.Tensor { return t.outputs.identities.Wave }

// predicts says whether anything is learned from predictors, which otherwise do not
// run.
func predicts(w config.LossWeights) bool {
	return w.F0 > 0 || w.UV > 0 || w.Content > 0 || w.Speaker > 0
}

// reversal returns the factor on the adversaries' gradients in this step.
func (t *CodecTrainer) reversal() float64 {
	if t.Steps < t.options.ReversalWarmup {
		return t.options.Reversal * float64(t.Steps+1) / float64(t.options.ReversalWarmup)
	}
	return t.options.Reversal
}

// The sites of random numbers that are drawn outside of the networks, whose own count
// from 1 (see op.Random.Key).
const (
	siteResidual = 1 << 63
	siteBooks    = 1<<63 + 1 // of the parts, see partSite
	siteDataInit = 1<<63 + 4
)

// partSite is the site of a part: three stand side by side, any more apart from them.
func partSite(site uint64, part model.Part) uint64 {
	return site + uint64(part%3) + uint64(part/3)<<32
}

// dropout draws what is left out of the utterances of a piece. Those that are encoded in
// another voice are decoded without their residual, as conversions are.
func (t *CodecTrainer) dropout(s *step, random op.Random, piece *Batch) model.DropoutMasks {
	n := piece.Size()
	masks := model.DropoutMasks{Residual: t.options.Residual, JointParts: t.options.JointParts}
	if t.options.DetachContent {
		masks.Content = make([]float32, n)
		for i, perturbed := range piece.Perturbed {
			if perturbed {
				masks.Content[i] = 1
			}
		}
	}
	if t.Deterministic {
		return masks
	}
	masks.Residual = make([]float32, n)
	for i := range n {
		perturbed := piece.Perturbed != nil && piece.Perturbed[i]
		if !perturbed && op.Uniform(random.Key(siteResidual, i), 0) >= t.options.ResidualMask {
			masks.Residual[i] = 1
		}
	}
	// The first utterances of the whole batch lose books, the rest none
	// (dac/nn/quantize.py).
	dropped := int(float64(s.plan.utterances) * t.options.QuantizerDropout)
	for part, books := range t.Model.Codec.Quantizer.Books() {
		masks.Books[part] = make([]int, n)
		for i := range n {
			masks.Books[part][i] = books
			if random.Sample+i < dropped {
				masks.Books[part][i] = 1 + int(op.Uniform(random.Key(partSite(siteBooks, model.Part(part)), i), 0)*float64(books))
			}
		}
	}
	return masks
}

// The names under which collect adds the mean cross-entropies that the focal losses are
// a function of.
const (
	contentEntropyName    = "content cross-entropy"
	revContentEntropyName = "rev_content cross-entropy"
)

// collect collects the codes, and of a batch in pieces the cross-entropies that the
// focal losses are a function of.
func (t *CodecTrainer) collect(s *step, piece *Batch) {
	out := t.outputs
	if r := s.generatorRun; s.plan.total() > 1 && predicts(t.Weights) {
		share := s.share(piece)
		s.add(contentEntropyName, share*r.CrossEntropy(r.Detach(out.Phones), piece.Phones, 0))
		s.add(revContentEntropyName, share*r.CrossEntropy(r.Detach(out.RevPhones), piece.Phones, 0))
	}
	if t.voices != nil {
		t.voices.collect(t.Codes[0] == nil, out.Timbre)
	}
	if t.Restarter != nil {
		t.Restarter.collect(t.Codes[0] == nil, out.Parts[:]...)
	}
	for part, q := range out.Parts {
		t.Codes[part] = joinCodes(t.Codes[part], q.Codes)
	}
}

// forwarded makes of the codes those of the whole batch, and counts them.
func (t *CodecTrainer) forwarded(s *step) error {
	if content, ok := s.losses[contentEntropyName]; ok {
		t.entropy = contentEntropy{content, s.losses[revContentEntropyName]}
		delete(s.losses, contentEntropyName)
		delete(s.losses, revContentEntropyName)
	}
	for part, books := range t.Codes {
		for i := range books {
			var err error
			if t.Codes[part][i], err = gatherCodes(t.Ranks, t.Codes[part][i]); err != nil {
				return err
			}
		}
	}
	if t.Restarter != nil {
		t.Restarter.count(t.Codes[:]...)
	}
	return nil
}

// gatherCodes returns the sequences of a book of all ranks, which are equally long.
func gatherCodes(ranks collective.Comm, own [][]int32) ([][]int32, error) {
	if ranks.Size() == 1 {
		return own, nil
	}
	var flat []int32
	for _, codes := range own {
		flat = append(flat, codes...)
	}
	gathered, err := collective.AllGather(ranks, collective.Bytes(flat))
	if err != nil {
		return nil, err
	}
	var all [][]int32
	frames := len(own[0])
	for rank, data := range gathered {
		codes, err := collective.Values[int32](data)
		if err != nil {
			return nil, err
		}
		if len(codes)%frames != 0 {
			return nil, fmt.Errorf("rank %d has %s, which are no sequences of %s as those of rank %d", rank, plural.Of(len(codes), "code"), plural.Of(frames, "frame"), ranks.Rank())
		}
		all = slices.AppendSeq(all, slices.Chunk(codes, frames))
	}
	return all, nil
}

// joinCodes adds the sequences of a piece to those of each book.
func joinCodes(all, piece [][][]int32) [][][]int32 {
	if all == nil {
		return slices.Clone(piece)
	}
	for book, codes := range piece {
		all[book] = append(all[book], codes...)
	}
	return all
}

func (t *CodecTrainer) addLosses(s *step, piece *Batch) {
	t.outputs.crossEntropy = t.entropy
	addLosses(s, codecLosses, t.outputs, s.share(piece))
}
