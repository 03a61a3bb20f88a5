package train

import (
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// A redecoderLearner is a redecoder, which has no losses of its own.
type redecoderLearner struct{ redecoder *model.Redecoder }

// NewRedecoder makes a trainer of a redecoder that speaks at rate samples a second,
// as New does of a codec.
func NewRedecoder(c model.RedecoderTrainingConfig, rate int, src weights.Source, o Options, pool *parallel.Pool) (*Trainer, error) {
	networks := model.NewRedecoderTraining(c)
	return makeTrainer(networks, redecoderLearner{networks.Redecoder}, rate, src, o, pool)
}

func (l redecoderLearner) begin(*step) {}

func (l redecoderLearner) speak(s *step, piece *Batch, _ op.Random) tensor.Tensor {
	return l.redecoder.Forward(s.generator, piece.Encoded)
}

func (l redecoderLearner) note(*step, *Batch, float64) {}

func (l redecoderLearner) learn(*step, *Batch, float64, func(string, float64)) {}

func (l redecoderLearner) total(sum float64, _ Losses, _ LossWeights) float64 { return sum }

func (l redecoderLearner) settle(*Trainer) error { return nil }
