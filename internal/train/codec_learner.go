package train

import (
	"math"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A codecLearner is a codec that learns from its quantizers' losses and from
// predictors, too.
type codecLearner struct {
	networks *model.Training
	spoken   spoken       // last
	content  [2]float64   // the whole batch's cross-entropies of phones, NaN for one piece
	spoke    func(spoken) // for tests: sees what is spoken in each step
}

// spoken is what the codec makes of a batch.
type spoken struct {
	model.Spoken
	model.Predicted
}

func (c *codecLearner) begin(s *step) {
	s.Codes = [model.NumParts][][][]int32{}
	c.content = [2]float64{math.NaN(), math.NaN()}
	if len(s.pieces) > 1 {
		c.content = [2]float64{}
	}
	if s.DataInit && s.Steps == 0 {
		s.generator.Record(op.Random{Off: true})
		c.networks.Codec.InitFromData(s.generator, s.pieces[0].Heard, func(part model.Part, book int) uint64 {
			return op.Random{Seed: s.Seed}.Key(siteFit+uint64(part), book)
		})
		s.generator.Reset()
	}
}

func (c *codecLearner) speak(s *step, piece *Batch, random op.Random) tensor.Tensor {
	r := s.generator
	part := c.networks.Codec.Forward(r, piece.Heard, c.chance(s, random, piece.Size()))
	p := part.Parts
	c.networks.Predictors.Reversal = float32(s.reversal())
	c.spoken = spoken{part, c.networks.Predictors.Forward(r, p[model.Prosody].Z, p[model.Content].Z, p[model.Residual].Z, part.Timbre)}
	if c.spoke != nil {
		c.spoke(c.spoken)
	}
	return c.spoken.Wave
}

// reversal returns the factor on the adversaries' gradients in this step.
func (s *step) reversal() float64 {
	if s.Steps < s.ReversalWarmup {
		return s.Reversal * float64(s.Steps+1) / float64(s.ReversalWarmup)
	}
	return s.Reversal
}

// The sites of what is drawn outside of the networks, whose own count from 1.
const (
	siteResidual = 1<<63 + iota
	siteBooks    // and the two after it
	_
	_
	siteFit // and the two after it
)

// chance draws what is left to chance for n utterances.
func (c *codecLearner) chance(s *step, random op.Random, n int) model.Chance {
	if s.Fixed {
		return model.Chance{Residual: s.Residual}
	}
	chance := model.Chance{Residual: make([]float32, n)}
	for i := range n {
		if op.Uniform(random.Key(siteResidual, i), 0) >= s.ResidualMask {
			chance.Residual[i] = 1
		}
	}
	// The first utterances of the whole batch lose books, the rest none
	// (dac/nn/quantize.py).
	dropped := int(float64(s.size) * s.QuantizerDropout)
	for part, books := range c.networks.Codec.Quantizer.Books() {
		chance.Books[part] = make([]int, n)
		for i := range n {
			chance.Books[part][i] = books
			if random.Sample+i < dropped {
				chance.Books[part][i] = 1 + int(op.Uniform(random.Key(siteBooks+uint64(part), i), 0)*float64(books))
			}
		}
	}
	return chance
}

// note collects the codes, and of a batch in pieces the cross-entropies that the
// focal losses are a function of.
func (c *codecLearner) note(s *step, piece *Batch, share float64) {
	if r := s.generator; len(s.pieces) > 1 {
		c.content[0] += share * r.CrossEntropy(r.Detach(c.spoken.Phones), piece.Phones, 0)
		c.content[1] += share * r.CrossEntropy(r.Detach(c.spoken.RevPhones), piece.Phones, 0)
	}
	p := c.spoken.Parts
	if s.Restarter != nil {
		s.Restarter.watch(s.Codes[0] == nil, p[:]...)
	}
	for part, q := range p {
		s.Codes[part] = joinCodes(s.Codes[part], q.Codes)
	}
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

func (c *codecLearner) learn(s *step, piece *Batch, share float64, book func(string, float64)) {
	r, w, out := s.generator, s.Weights, c.spoken
	loss := c.networks.Codec.Quantizer.Loss(r, out.Parts, share*w.Commitment, share*w.Codebook)
	book("commitment", loss)
	book("codebook", loss)
	book("f0", r.SmoothL1(out.F0, piece.F0, share*w.F0))
	book("uv", r.SmoothL1(out.Energy, piece.Energy, share*w.UV))
	book("rev_f0", r.SmoothL1(out.RevF0, piece.F0, share*w.F0))
	book("rev_uv", r.SmoothL1(out.RevEnergy, piece.Energy, share*w.UV))
	book("content", r.Focal(out.Phones, piece.Phones, c.content[0], share*w.Content))
	book("rev_content", r.Focal(out.RevPhones, piece.Phones, c.content[1], share*w.Content))
	book("speaker", r.CrossEntropy(out.Speaker, piece.Speaker, share*w.Speaker))
	book("rev_speaker", r.CrossEntropy(out.RevSpeaker, piece.Speaker, share*w.Speaker))
	if w.Conversion > 0 {
		converted := c.networks.Convert(r, out.Spoken)
		book("conversion", r.L1(converted.HeardTimbre, converted.Timbre, share*w.Conversion))
	}
}

// total's focal losses of pieces are those of the whole batch.
func (c *codecLearner) total(sum float64, l Losses, w LossWeights) float64 {
	return sum + w.Commitment*l["commitment"] + w.Codebook*l["codebook"] +
		w.F0*(l["f0"]+l["rev_f0"]) + w.UV*(l["uv"]+l["rev_uv"]) +
		w.Content*(l["content"]+l["rev_content"]) + w.Speaker*(l["speaker"]+l["rev_speaker"]) + w.Conversion*l["conversion"]
}

func (c *codecLearner) settle(t *Trainer) error { return t.settleCodes() }
