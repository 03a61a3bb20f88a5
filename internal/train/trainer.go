package train

import (
	"errors"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// Options are how a generator is trained.
type Options struct {
	Weights            config.LossWeights
	AdamW              AdamW
	Schedule           Schedule
	Clip               float64 // gradient norm of each generator network on its own
	ClipDiscriminator  float64
	EMADecay           float64 // 0 for no EMA
	MeasureInterval    int     // of steps between those in which losses that nothing learns from are computed; 0 or 1 for all
	DiscriminatorLen   int     // samples that the discriminator sees of a crop, at most; 0 for all
	DiscriminatorStart int     // the step at which the discriminator begins
	Seed               uint64
	Deterministic      bool // no dropout
	BF16               bool // products take operands rounded to bfloat16
	Exact              bool // products are computed as they are defined, with more multiplications
	// Ranks are the processes that train together, each with pieces of its own of every
	// step; nil for this process alone.
	Ranks collective.Comm
}

// A Trainer has what training a codec and training a redecoder share: networks with
// their optimizers and EMA, counters, and the state of them all in checkpoints.
type Trainer struct {
	Options
	*model.AdversarialNetworks
	Optimizers map[string]*Optimizer // by the network's name
	EMA        *EMA                  // nil for none
	Steps      int                   // taken or skipped
	Skipped    int                   // steps without effect: something was not finite

	buffers          []stateBuffer // state that is no parameter, saved beside them
	region           *tensor.Region
	pool             *parallel.Pool
	generatorRun     *op.Run
	discriminatorRun *op.Run
	mel, stft        model.SpectralLoss
	envelope         *op.EnvelopeLoss
	partials, slices freeList // of gradients that are being summed

	// Traffic is what summing gradients over ranks has taken so far.
	Traffic      GradientTraffic
	bucketValues int                // the size of a bucket
	bucketOrders map[string][]int32 // by the networks that are trained
	// sumAfterwards lets nothing begin before the backward pass is over, to measure what that
	// costs.
	sumAfterwards bool
}

// A stateBuffer is an array of a training's state, under its checkpoint key.
type stateBuffer struct {
	name   string
	values []float32
}

// newTrainer prepares to train networks, whose weights are those of src, on waveforms
// of a rate in Hz. Close gives its memory back.
func newTrainer(networks *model.AdversarialNetworks, rate int, src weights.Source, o Options, pool *parallel.Pool) (*Trainer, error) {
	if o.Ranks == nil {
		o.Ranks = collective.Alone{}
	}
	t := &Trainer{
		Options: o, AdversarialNetworks: networks, Optimizers: map[string]*Optimizer{},
		region: &tensor.Region{}, pool: pool, generatorRun: op.NewRun(pool), discriminatorRun: op.NewRun(pool),
		mel: model.MelLoss(rate), stft: model.STFTLoss(rate), envelope: model.EnvelopeLoss(rate),
		bucketValues: bucketValues, bucketOrders: map[string][]int32{},
	}
	t.partials.region, t.slices.region = t.region, t.region
	for _, r := range []*op.Run{t.generatorRun, t.discriminatorRun} {
		r.BF16, r.Exact = o.BF16, o.Exact
	}
	for _, n := range t.Networks() {
		if err := n.LoadForTraining(src, t.region, pool); err != nil {
			t.Close()
			return nil, err
		}
		clip := o.Clip
		if n == t.Discriminator.Network {
			clip = o.ClipDiscriminator
		}
		t.Optimizers[n.Prefix] = NewOptimizer(n, o.AdamW, o.Schedule, clip, t.region)
	}
	if o.EMADecay > 0 {
		t.EMA = NewEMA(o.EMADecay, t.region, t.Inference...)
		for _, n := range t.Inference {
			t.EMA.UpdateWith(t.Optimizers[n.Prefix])
		}
	}
	return t, nil
}

// Close gives the trainer's memory back.
func (t *Trainer) Close() { t.region.Free() }

// Losses are the values of a step by the names in the table of losses, and
// discriminator, grad_norm.<network> and total.
type Losses map[string]float64

// ErrNotFinite is returned by Step when a loss or a gradient is not finite. The
// parameters are then as they were before the step, but for the discriminator's
// where its own step was sound.
var ErrNotFinite = errors.New("a loss or gradient is not finite")
