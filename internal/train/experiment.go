package train

import (
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
)

// ConfigOf returns the networks that an experiment file describes.
func ConfigOf(c *config.Config) model.TrainingConfig {
	return model.TrainingConfig{
		Codec: model.CodecConfigOf(c), Predictors: model.PredictorsConfigOf(c), Discriminator: model.DiscriminatorConfigOf(c),
	}
}

// OptionsOf returns how an experiment file trains.
func OptionsOf(c *config.Config) Options {
	o := c.Optimizer
	return Options{
		Weights:  LossWeights(c.Loss),
		AdamW:    AdamW{Beta1: o.Betas[0], Beta2: o.Betas[1], Epsilon: o.Eps, WeightDecay: o.WeightDecay},
		Schedule: Schedule{LearningRate: o.LearningRate, Decay: o.LRDecay, Warmup: o.WarmupSteps},
		Clip:     o.ClipGrad, ClipJudge: o.ClipGradDiscriminator,
		EMADecay: c.EMA.Decay, DiscriminatorStart: c.Train.DiscriminatorStart,
		ResidualMask: c.Train.ResidualMask, QuantizerDropout: c.Train.QuantizerDropout,
		RestartCodes: c.Train.RestartCodes, NormaliseCodes: c.Train.NormaliseCodes,
		DataInit: c.Train.DataInit, Reversal: c.Train.Reversal, ReversalWarmup: c.Train.ReversalWarmup,
		Seed: uint64(c.Train.RandomSeed),
	}
}
