package train

import (
	"slices"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/curves"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// The losses of training, one entry each (train.py). To add one, add its entry here
// and, unless it shares another's weight, the weight's key to config.LossWeights: the
// total, the log, the pictures of facodec plot and the checks for values that are not
// finite follow.
//
// An entry's value is computed for one piece of a batch, in the order of the table,
// and recorded for the backward pass with the weight that it is told.

// waveLosses compare waveforms. They are those of every generator.
var waveLosses = []loss[waveforms]{
	{newLossInfo("mel", eventlog.MelLoss, "Reconstruction", "mel distance", "training"),
		func(w config.LossWeights) float64 { return w.Mel },
		func(r *op.Run, w waveforms, weight float64) float64 {
			return w.mel.Value(r, w.output, w.target, weight)
		}},
	{newLossInfo("stft", eventlog.STFTLoss, "Reconstruction", "STFT distance", "training"),
		func(w config.LossWeights) float64 { return w.STFT },
		func(r *op.Run, w waveforms, weight float64) float64 {
			return w.stft.Value(r, w.detachedUnless(r, weight), w.target, weight)
		}},
	{optional(newLossInfo("envelope", eventlog.EnvelopeLoss, "Reconstruction", "envelopes of bands", "training")),
		func(w config.LossWeights) float64 { return w.Envelope },
		func(r *op.Run, w waveforms, weight float64) float64 {
			return r.Envelope(w.envelope, w.output, w.target, weight)
		}},
	{newLossInfo("l1", eventlog.WaveLoss, "Reconstruction", "waveform, L1", "training"),
		func(w config.LossWeights) float64 { return w.Waveform },
		func(r *op.Run, w waveforms, weight float64) float64 {
			return w.l1(r, w.detachedUnless(r, weight), weight)
		}},
}

// adversarialLosses are computed from the step on at which the discriminator begins.
var adversarialLosses = []loss[discriminatorFeatures]{
	{newLossInfo("feature", eventlog.FeatureLoss, "Reconstruction", "feature matching", "training"),
		func(w config.LossWeights) float64 { return w.Feature }, featureMatching},
	{newLossInfo("generator", eventlog.AdversarialLoss, "Generator and discriminators", "generator against discriminators", "training"),
		func(w config.LossWeights) float64 { return w.Generator }, leastSquares},
}

// codecLosses are a codec's own: those of its quantizers and predictors. What the
// adversaries behind gradient reversal learn (rev_*) has the weight of the predictor.
var codecLosses = []loss[codecOutputs]{
	{newLossInfo("commitment", eventlog.CommitLoss, "Quantizers", "commitment", "training"),
		func(w config.LossWeights) float64 { return w.Commitment },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return o.quantizer.CommitmentLoss(r, o.Parts, weight)
		}},
	{newLossInfo("codebook", eventlog.CodebookLoss, "Quantizers", "codebooks", "training"),
		func(w config.LossWeights) float64 { return w.Codebook },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return o.quantizer.CodebookLoss(r, o.Parts, weight)
		}},
	{optional(newLossInfo("f0", eventlog.F0Loss, predictors, "f0", "from prosody")),
		func(w config.LossWeights) float64 { return w.F0 },
		func(r *op.Run, o codecOutputs, weight float64) float64 { return r.SmoothL1(o.F0, o.batch.F0, weight) }},
	{optional(newLossInfo("uv", eventlog.EnergyLoss, predictors, "energy", "from prosody")),
		func(w config.LossWeights) float64 { return w.UV },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return r.SmoothL1(o.Energy, o.batch.Energy, weight)
		}},
	{optional(newLossInfo("rev_f0", eventlog.ReverseF0Loss, predictors, "f0", "reversed")),
		func(w config.LossWeights) float64 { return w.F0 },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return r.SmoothL1(o.RevF0, o.batch.F0, weight)
		}},
	{optional(newLossInfo("rev_uv", eventlog.ReverseEnergyLoss, predictors, "energy", "reversed")),
		func(w config.LossWeights) float64 { return w.UV },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return r.SmoothL1(o.RevEnergy, o.batch.Energy, weight)
		}},
	{optional(newLossInfo("content", eventlog.ContentLoss, predictors, "content", "from content")),
		func(w config.LossWeights) float64 { return w.Content },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return r.Focal(o.Phones, o.batch.Phones, o.crossEntropy.content, weight)
		}},
	{optional(newLossInfo("rev_content", eventlog.ReverseContentLoss, predictors, "content", "reversed")),
		func(w config.LossWeights) float64 { return w.Content },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return r.Focal(o.RevPhones, o.batch.Phones, o.crossEntropy.revContent, weight)
		}},
	{optional(newLossInfo("speaker", eventlog.SpeakerLoss, predictors, "speaker", "from timbre")),
		func(w config.LossWeights) float64 { return w.Speaker },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return r.CrossEntropy(o.Speaker, o.batch.Speaker, weight)
		}},
	{optional(newLossInfo("rev_speaker", eventlog.ReverseSpeakerLoss, predictors, "speaker", "reversed")),
		func(w config.LossWeights) float64 { return w.Speaker },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			return r.CrossEntropy(o.RevSpeaker, o.batch.Speaker, weight)
		}},
	{optional(newLossInfo("conversion", eventlog.ConversionLoss, predictors, "timbre of conversions", "training")),
		func(w config.LossWeights) float64 { return w.Conversion },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			c := o.networks.Convert(r, o.Outputs)
			return r.L1(c.WaveTimbre, c.Timbre, weight)
		}},
	{optional(newLossInfo("voice", eventlog.VoiceLoss, predictors, "timbres told apart", "of recordings")),
		func(w config.LossWeights) float64 { return w.Voice },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			if o.contrast == nil {
				return 0
			}
			return r.Contrast(o.contrast, o.Timbre, o.Partners, weight)
		}},
	{optional(newLossInfo("identity", eventlog.IdentityLoss, predictors, "timbres told apart", "of what is decoded")),
		func(w config.LossWeights) float64 { return w.Identity },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			if o.contrast == nil {
				return 0
			}
			return r.Contrast(o.contrast, o.identities.Timbre, o.identities.Target, weight)
		}},
	{optional(newLossInfo("converted_identity", eventlog.ConvertedIdentityLoss, predictors, "timbres told apart", "of conversions")),
		func(w config.LossWeights) float64 { return w.Identity },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			if o.contrast == nil || o.identities.Converted.Data == nil {
				return 0
			}
			return r.Contrast(o.contrast, o.identities.Converted, o.identities.ConvertedTarget, weight)
		}},
	{optional(newLossInfo("pitch", eventlog.PitchLoss, predictors, "pitch of the decoder, octaves", "training")),
		func(w config.LossWeights) float64 { return w.Pitch },
		func(r *op.Run, o codecOutputs, weight float64) float64 {
			if o.Pitch.Data == nil { // the decoder predicts none
				return 0
			}
			return r.PitchLoss(o.Pitch, o.batch.Pitch, weight)
		}},
}

// predictors is the group of their pictures.
const predictors = "Predictors, and those behind gradient reversal"

// A loss is one entry of the table. O is what it is computed from.
type loss[O any] struct {
	lossInfo
	// weight is its factor in the total; nil for what is only measured.
	weight func(config.LossWeights) float64
	// value computes the loss and records it with a weight.
	value func(r *op.Run, o O, weight float64) float64
}

// A lossInfo is what a loss is called and where it is drawn.
type lossInfo struct {
	name     string // in Losses
	curve    curves.Curve
	optional bool // not computed where its weight is 0
}

// newLossInfo describes a loss that is logged under tag and drawn in a panel of a group.
func newLossInfo(name, tag, group, panel, curve string) lossInfo {
	return lossInfo{name: name, curve: curves.Curve{Tag: tag, Group: group, Panel: panel, Label: curve}}
}

func optional(l lossInfo) lossInfo {
	l.optional = true
	return l
}

// lossInfos lists those of the whole table.
func lossInfos() []lossInfo {
	return slices.Concat(infosOf(waveLosses), infosOf(adversarialLosses), infosOf(codecLosses))
}

func infosOf[O any](table []loss[O]) (all []lossInfo) {
	for _, l := range table {
		all = append(all, l.lossInfo)
	}
	return all
}

// Curves says where the losses of training are drawn, for curves.Draw.
func Curves() (all []curves.Curve) {
	for _, l := range lossInfos() {
		all = append(all, l.curve)
	}
	return all
}

// addLosses computes the losses of a table for a piece that is so large a share of the
// batch, records them, and adds them to the step's and, weighted, to its total.
func addLosses[O any](s *step, table []loss[O], o O, share float64) {
	for _, l := range table {
		weight := 0.0
		if l.weight != nil {
			weight = l.weight(s.Weights)
		}
		if weight == 0 && (l.optional || !s.measures()) {
			continue
		}
		value := l.value(s.generatorRun, o, share*weight)
		s.add(l.name, share*value)
		s.add("total", share*weight*value)
	}
}

// waveforms are what a generator made of a piece, and the recordings.
type waveforms struct {
	output, target tensor.Tensor // [B, 1, N]
	perturbed      []bool        // nil for none
	mel, stft      model.SpectralLoss
	envelope       *op.EnvelopeLoss
}

// l1 is the mean distance of the waveforms. What is encoded in another voice does not
// tell the phase of the target, so it counts as 0.
func (w waveforms) l1(r *op.Run, output tensor.Tensor, weight float64) (sum float64) {
	if !slices.Contains(w.perturbed, true) {
		return r.L1(output, w.target, weight)
	}
	share := 1 / float64(output.B)
	for i, perturbed := range w.perturbed {
		if !perturbed {
			sum += share * r.L1(r.SliceBatch(output, i, i+1), r.SliceBatch(w.target, i, i+1), share*weight)
		}
	}
	return sum
}

// detachedUnless returns the output, detached if the weight of what is computed from
// it is 0: then it is only measured.
func (w waveforms) detachedUnless(r *op.Run, weight float64) tensor.Tensor {
	if weight == 0 {
		return r.Detach(w.output)
	}
	return w.output
}

// discriminatorFeatures are those of each discriminator, for recordings and for what a
// generator made of them.
type discriminatorFeatures struct {
	real, fake []model.Features
	// converted are those of conversions, of which there are as many as share of the piece.
	converted []model.Features
	share     float64
}

// featureMatching is the mean distance of each layer, summed.
func featureMatching(r *op.Run, f discriminatorFeatures, weight float64) (sum float64) {
	for i, features := range f.fake {
		for j, layer := range features.Layers {
			real := f.real[i].Layers[j]
			sum += r.L1Images(layer, real, weight)
			r.Free(layer.Tensor, real.Tensor)
		}
	}
	return sum
}

// leastSquares is how far the scores are from those of recordings (LSGAN, arXiv
// 1611.04076), conversions counting with their share.
func leastSquares(r *op.Run, f discriminatorFeatures, weight float64) (sum float64) {
	for _, features := range f.fake {
		sum += r.MSE(features.Score, 1, weight)
	}
	for _, features := range f.converted {
		sum += f.share * r.MSE(features.Score, 1, f.share*weight)
	}
	return sum
}

// codecOutputs are what a codec and its predictors made of a piece.
type codecOutputs struct {
	model.Outputs
	model.Predicted
	identities   model.Identities // nothing without their loss
	contrast     *op.Contrast     // nil where timbres are not compared
	batch        *Batch
	networks     *model.CodecTraining
	quantizer    *model.Quantizer
	crossEntropy contentEntropy
}

// contentEntropy are the cross-entropies of the whole batch of which focal losses are
// a function; NaN for a batch in one piece, which they are computed from then.
type contentEntropy struct{ content, revContent float64 }
