package train

import (
	"errors"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
)

// TestGradientsReady: the gradient of every parameter that is trained is reported complete
// once in a backward pass, and nothing is added to it afterwards: with networks that run
// twice, for conversions, with frozen ones, and with all kinds of layers.
func TestGradientsReady(t *testing.T) {
	o := upstreamCodecOptions()
	o.Weights.Conversion, o.JointParts = 2, true
	experiment := frameExperiment("")
	experiment.Model.SpeakerClasses = 5
	frames := CodecTrainingConfigOf(experiment)
	experiment.Model.DecoderType = config.DecoderHarmonic
	harmonic := CodecTrainingConfigOf(experiment)
	experiment.Model.DecoderType = config.DecoderSourceFilter
	sourceFilter := CodecTrainingConfigOf(experiment)
	for name, c := range map[string]model.CodecTrainingConfig{
		"convolutions and LSTM": smallConfig(), "ConvNeXt": frames, "harmonics": harmonic, "source and filter": sourceFilter,
	} {
		trainer := newCodecTrainer(t, c, o, 1)
		batch := batchOf(t, c, utterances(t, "en", "fr"), 16)
		gradientsReady(t, name, trainer.Trainer, func() error {
			_, err := trainer.Step(batch)
			return err
		})
		frozen := newCodecTrainer(t, c, o, 1)
		frozen.Generator[1].Frozen = true
		gradientsReady(t, name+", a network frozen", frozen.Trainer, func() error {
			_, err := frozen.Step(batch)
			return err
		})
	}
	redecoder, batch := smallRedecoderTrainer(t, o.Options)
	gradientsReady(t, "redecoder", redecoder.Trainer, func() error {
		_, err := redecoder.Step(batch)
		return err
	})
}

func gradientsReady(t *testing.T, name string, trainer *Trainer, step func() error) {
	t.Helper()
	keepGradients(trainer)
	type report struct {
		grad, then []float32
		times      int
	}
	reports := map[*float32]*report{}
	watch := func(run *op.Run, discriminator bool) {
		run.OnGradReady = func(grad []float32) {
			of := trainer.Discriminator.Network.Grads
			own := len(of) > 0 && slices.ContainsFunc(trainer.Discriminator.Network.Params, func(p *nn.Param) bool { return !p.Unused && &p.Grad[0] == &grad[0] })
			if own != discriminator { // through the discriminator to the generator
				return
			}
			r := reports[&grad[0]]
			if r == nil {
				r = &report{grad: grad}
				reports[&grad[0]] = r
			}
			r.times++
			r.then = slices.Clone(grad)
		}
	}
	watch(trainer.generatorRun, false)
	watch(trainer.discriminatorRun, true)
	if err := step(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, n := range trainer.Networks() {
		for _, p := range n.Params {
			if p.Unused {
				continue
			}
			r := reports[&p.Grad[0]]
			if r == nil || r.times != 1 {
				t.Errorf("%s: the gradient of %s is not reported once: %+v", name, p.Name, r)
				continue
			}
			golden.Equal(t, name+": "+p.Name, r.then, p.Grad)
		}
	}
}

// TestExchangeFails: a rank that fails while gradients are on their way ends the step of
// all with an error.
func TestExchangeFails(t *testing.T) {
	c := smallConfig()
	whole := batchOf(t, c, utterances(t, "en", "fr"), 16)
	fault := errors.New("the cable")
	err := onRanks(2, func(ranks collective.Comm) error {
		o := upstreamCodecOptions()
		o.Ranks = ranks
		if ranks.Rank() == 1 {
			o.Ranks = failingAt{ranks, collective.FirstTag + 3, fault}
		}
		trainer := newCodecTrainer(t, c, o, 1)
		trainer.bucketValues = 5000
		_, err := trainer.Step(pieceOf(whole, ranks.Rank(), ranks.Rank()+1))
		if want := []error{collective.ErrBroken, fault}[ranks.Rank()]; !errors.Is(err, want) {
			t.Errorf("rank %d: %v, want %v", ranks.Rank(), err, want)
		}
		return err
	})
	if err == nil {
		t.Error("no error")
	}
}

// failingAt is a rank whose exchanges with a tag fail.
type failingAt struct {
	collective.Comm
	tag   int
	fault error
}

func (f failingAt) Exchange(tag int, send, recv [][]byte) error {
	if tag == f.tag {
		return f.fault
	}
	return f.Comm.Exchange(tag, send, recv)
}
