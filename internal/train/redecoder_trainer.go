package train

import (
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// A RedecoderTrainer trains a redecoder, which has no losses of its own, with a
// discriminator.
type RedecoderTrainer struct {
	*Trainer
	Model *model.RedecoderTraining
}

// NewRedecoderTrainer prepares to train a redecoder on waveforms of a rate in Hz, as
// NewCodecTrainer does a codec.
func NewRedecoderTrainer(c model.RedecoderTrainingConfig, rate int, src weights.Source, o Options, pool *parallel.Pool) (*RedecoderTrainer, error) {
	networks := model.NewRedecoderTraining(c)
	shared, err := newTrainer(&networks.AdversarialNetworks, rate, src, o, pool)
	if err != nil {
		return nil, err
	}
	return &RedecoderTrainer{shared, networks}, nil
}

// Step trains on one batch, whole or in pieces, and returns its losses, like
// CodecTrainer.Step.
func (t *RedecoderTrainer) Step(pieces ...*Batch) (Losses, error) { return t.step(t, pieces) }

func (t *RedecoderTrainer) forward(s *step, piece *Batch, _ op.Random) tensor.Tensor {
	return t.Model.Redecoder.Forward(s.generatorRun, piece.Encoded)
}

func (t *RedecoderTrainer) converted() tensor.Tensor { return tensor.Tensor{} }

func (t *RedecoderTrainer) forwarded(*step) error { return nil }

func (t *RedecoderTrainer) addLosses(*step, *Batch) {}
