package train

import (
	"context"

	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/op"
)

// siteVoice is where voices are drawn (see op.Random.Key).
const siteVoice = siteDiscriminator + 1

// voicePerturbation lets the codec encode some crops in another voice, while the timbre
// and the target are those of the recording: the voice of what is decoded can then only
// come from the timbre, which is what conversion needs (information perturbation: Choi
// et al., "Neural Analysis and Synthesis: Reconstructing Speech from Self-Supervised
// Representations", NeurIPS 2021).
type voicePerturbation struct {
	share      float64 // of a batch, its last utterances
	utterances int     // of a batch
	sampleRate int
	hop        int
	// parallel is nil for none. With it apply is not used, also for clips that are not in it:
	// of recordings and of what PSOLA makes the codec learns to tell which it hears, and takes
	// the voice from the timbre for the latter alone.
	parallel *dataset.Parallel
}

// siteParallel is where parallel recordings are drawn (see op.Random.Key).
const siteParallel = siteVoice + 1

// load returns a parallel recording of utterance i of a step, for crops.others: nil
// where the utterance is encoded as it is, or apply makes it.
func (v voicePerturbation) load(ctx context.Context, item dataset.Item, random op.Random, i int) ([]float32, error) {
	if v.parallel == nil || !v.perturbs(i) {
		return nil, nil
	}
	return v.parallel.Load(ctx, item, op.Uniform(random.Key(siteParallel, i), 0))
}

// Random factors on pitch and formants are even over the logarithm of these ranges,
// which lead from any adult voice to any other.
const (
	lowestPitch, highestPitch       = 0.55, 1.8
	lowestFormants, highestFormants = 0.8, 1.25
)

// perturbs says whether utterance i of a batch is encoded in another voice. As with
// quantizer dropout its place decides, so that each batch has as many.
func (v voicePerturbation) perturbs(i int) bool {
	return i >= v.utterances-int(v.share*float64(v.utterances)+0.5)
}

// apply returns a crop in the voice that utterance i of a step draws. f0 is the pitch
// of its frames.
func (v voicePerturbation) apply(crop, f0 []float32, random op.Random, i int) []float32 {
	d := &draws{key: random.Key(siteVoice, i)}
	return dsp.PSOLA{
		SampleRate: v.sampleRate, Hop: v.hop,
		Pitch:    d.logUniform(lowestPitch, highestPitch),
		Formants: d.logUniform(lowestFormants, highestFormants),
	}.Apply(crop, f0)
}
