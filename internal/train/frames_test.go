package train

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/nn"
)

// frameExperiment is smallExperiment with networks at the frame rate and what goes
// with preset base.
func frameExperiment(dir string) *config.Config {
	c := smallExperiment(dir)
	c.Train.JointParts, c.Train.DiscriminatorLen, c.MaxLen = true, 4, 10
	c.Augment.Room, c.Augment.Noise, c.Augment.Equalizer, c.Augment.BandLimit = 0.5, 0.5, 0.5, 0.5
	c.Loss.Waveform, c.Loss.Voice, c.Loss.Identity = 3, 1, 2
	c.Augment.Voice, c.Train.DetachContent = 0.5, true
	m := &c.Model
	m.EncoderType, m.DecoderType, m.SpeakerClasses = config.EncoderSTFT, config.DecoderISTFT, 0
	m.ConvNeXt = config.ConvNeXt{Window: 1200, PhaseBins: 20, Dim: 12, HiddenDim: 16, EncoderBlocks: 1, DecoderBlocks: 1, DecoderTimbre: true}
	return c
}

// TestResumeFrameNetworks is TestResume for them: the number of speaker classes is the
// one that was found, and that of the checkpoint in a run that goes on.
func TestResumeFrameNetworks(t *testing.T) {
	whole, parts := frameExperiment(t.TempDir()), frameExperiment(t.TempDir())
	whole.Validation.Interval, parts.Validation.Interval = 2, 2 // the end of a run validates
	if _, err := runSmall(t, whole, 4, nil); err != nil {
		t.Fatal(err)
	}
	again := *parts
	if _, err := runSmall(t, parts, 2, func(o *RunOptions) { o.Threads = 1 }); err != nil {
		t.Fatal(err)
	}
	written, err := config.Load(filepath.Join(RunDir(parts), configName))
	if err != nil {
		t.Fatal(err)
	}
	// One speaker at least, at three speeds.
	if n := written.Model.SpeakerClasses; n < 3 || n%3 != 0 {
		t.Errorf("%d speaker classes", n)
	}
	if again.Model.SpeakerClasses != 0 {
		t.Fatal("the experiment to go on with has classes already")
	}
	if _, err := runSmall(t, &again, 4, nil); err != nil {
		t.Fatal(err)
	}
	sameRuns(t, RunDir(parts), RunDir(whole), 4)
}

// TestJointParts: what is learned from the waveform reaches prosody and content only
// where they are joint.
func TestJointParts(t *testing.T) {
	c := smallConfig()
	batch := batchOf(t, c, utterances(t, "en", "fr"), 16)
	for _, joint := range []bool{false, true} {
		o := upstreamCodecOptions()
		o.Deterministic, o.DiscriminatorStart, o.JointParts, o.Residual = true, 1000, joint, []float32{0, 0}
		o.Weights = config.LossWeights{Mel: 1}
		losses, err := newCodecTrainer(t, c, o, 1).Step(batch)
		if err != nil {
			t.Fatal(err)
		}
		if norm := losses["grad_norm.encoder"]; (norm > 0) != joint {
			t.Errorf("joint %v: the encoder's gradient has the norm %v though no residual is heard", joint, norm)
		}
		if losses["grad_norm.decoder"] == 0 {
			t.Errorf("joint %v: the decoder has no gradient", joint)
		}
	}
}

// TestPredictorsWithoutWeight: predictors that nothing is learned from neither run nor
// change, and everything else learns what it does beside predictors that run.
func TestPredictorsWithoutWeight(t *testing.T) {
	c := smallConfig()
	batch := batchOf(t, c, utterances(t, "en", "fr"), 16)
	o := upstreamCodecOptions()
	o.Weights.F0, o.Weights.UV, o.Weights.Content, o.Weights.Speaker = 0, 0, 0, 0
	o.Deterministic, o.DiscriminatorStart = true, 1000
	trainer := newCodecTrainer(t, c, o, 1)
	before := map[string][]float32{}
	for _, p := range trainer.Model.PredictorNetwork().Params {
		before[p.Name] = slices.Clone(p.Value)
	}
	losses, err := trainer.Step(batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f0", "content", "rev_speaker", "grad_norm.fa_predictors"} {
		if v, ok := losses[name]; ok {
			t.Errorf("%s is %v", name, v)
		}
	}
	for _, p := range trainer.Model.PredictorNetwork().Params {
		if !slices.Equal(p.Value, before[p.Name]) {
			t.Errorf("%s has changed", p.Name)
		}
	}
	if losses["grad_norm.encoder"] == 0 {
		t.Error("the encoder has no gradient")
	}
}

// TestMeasuredLosses: what nothing learns from is computed in the steps that are
// logged, and where it has a weight in all.
func TestMeasuredLosses(t *testing.T) {
	c := smallConfig()
	batch := batchOf(t, c, utterances(t, "en", "fr"), 16)
	for _, weight := range []float64{0, 2} {
		o := upstreamCodecOptions()
		o.DiscriminatorStart, o.MeasureInterval, o.Weights.Waveform = 1000, 3, weight
		trainer := newCodecTrainer(t, c, o, 1)
		for step := range 4 {
			losses, err := trainer.Step(batch)
			if err != nil {
				t.Fatal(err)
			}
			logged := step == 0 || step == 2
			if _, ok := losses["stft"]; ok != logged {
				t.Errorf("step %d: the STFT distance is there: %v", step+1, ok)
			}
			if _, ok := losses["l1"]; ok != (logged || weight > 0) {
				t.Errorf("step %d, weight %v: the distance of samples is there: %v", step+1, weight, ok)
			}
		}
	}
}

// TestDiscriminatorCrop: discriminators see so many samples, in other steps others.
func TestDiscriminatorCrop(t *testing.T) {
	c := smallConfig()
	batch := batchOf(t, c, utterances(t, "en", "fr"), 16)
	o := upstreamCodecOptions()
	o.DiscriminatorLen = 1500
	trainer := newCodecTrainer(t, c, o, 1)
	var first []float32
	for n := range 3 {
		trainer.Steps = n
		s := &step{Trainer: trainer.Trainer}
		x := s.discriminatorCrop(trainer.generatorRun, trainer.generatorRun.Waveforms(batch.Inputs.Wave))
		if x.B != 2 || x.T != 1 || x.C != 1500 {
			t.Fatalf("waveforms of [%d, %d, %d]", x.B, x.T, x.C)
		}
		if first == nil {
			first = slices.Clone(x.Data)
		} else if slices.Equal(first, x.Data) {
			t.Errorf("step %d sees what the first saw", n)
		}
	}
	if _, err := trainer.Step(batch); err != nil {
		t.Fatal(err)
	}
}

// TestTimbreOfBlocks: with decoder_timbre what turns a timbre into the norms of the decoder's
// blocks learns by the gradient of the loss, and so does what the timbre comes from.
func TestTimbreOfBlocks(t *testing.T) {
	experiment := frameExperiment(t.TempDir())
	experiment.Model.SpeakerClasses = 2
	c := CodecTrainingConfigOf(experiment)
	o := upstreamCodecOptions()
	o.Weights = config.LossWeights{Mel: 2}
	o.Deterministic, o.JointParts, o.DiscriminatorStart, o.Schedule.LearningRate = true, true, 1000, 0
	trainer := newCodecTrainer(t, c, o, 2)
	learned := checkSlopes(t, trainer.Trainer, trainer.Step, batchOf(t, c, utterances(t, "en", "fr"), 16), "mel", o.Weights.Mel, 3e-4, func(_ *nn.Network, p *nn.Param) string {
		switch {
		case strings.Contains(p.Name, ".style."):
			return "style"
		case strings.Contains(p.Name, "timbre_encoder"):
			return "timbre encoder"
		}
		return ""
	})
	if learned["style"] != 2 || learned["timbre encoder"] == 0 {
		t.Errorf("tensors that learn: %v", learned)
	}
}
