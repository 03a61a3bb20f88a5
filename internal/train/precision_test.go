package train

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
)

// trainingOf trains a small part of the preset base, every loss on, and returns the
// losses of each step.
func trainingOf(t *testing.T, precision string, steps, discriminatorStart, threads int) (all []Losses, trainer *CodecTrainer) {
	t.Helper()
	c, err := config.Preset("base")
	if err != nil {
		t.Fatal(err)
	}
	m := &c.Model
	m.SpeakerClasses, m.PhoneClasses, m.LatentDim, m.CodebookSize = 8, 12, 64, 64
	m.ConvNeXt.Dim, m.ConvNeXt.HiddenDim, m.ConvNeXt.EncoderBlocks, m.ConvNeXt.DecoderBlocks = 64, 128, 2, 2
	m.ProsodyHidden, m.TimbreHidden = 32, 32
	c.Train.DiscriminatorStart, c.Train.Precision = discriminatorStart, precision
	c.Train.ResidualMask = 0
	c.Loss.F0, c.Loss.UV, c.Loss.Content, c.Loss.Speaker, c.Loss.Conversion = 1, 1, 5, 1, 1
	networks := CodecTrainingConfigOf(c)
	o := CodecOptionsOf(c)
	o.Deterministic = true
	trainer = newCodecTrainer(t, networks, o, threads)
	batch := batchOf(t, networks, utterances(t, "en", "fr"), 40)
	for range steps {
		losses, err := trainer.Step(batch)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, losses)
	}
	return all, trainer
}

// TestResumeChanged: a run that goes on with another precision says so, in one line.
func TestResumeChanged(t *testing.T) {
	dir := t.TempDir()
	c := smallExperiment(dir)
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	same := smallExperiment(dir)
	same.LogInterval = 2
	l, err := runSmall(t, same, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	const line = "the experiment has changed since the checkpoint"
	if slices.ContainsFunc(l.all, func(s string) bool { return strings.Contains(s, line) }) {
		t.Errorf("nothing has changed: %q", l.all)
	}
	other := smallExperiment(dir)
	other.Train.Precision = config.PrecisionBF16
	if l, err = runSmall(t, other, 3, nil); err != nil {
		t.Fatal(err)
	}
	l.has(t, line)
	l.has(t, "changed: train.precision: bf16, was float32")
}

// TestBF16Deterministic: rounded operands give the same bits on any number of threads,
// and other ones than float32.
func TestBF16Deterministic(t *testing.T) {
	one, a := trainingOf(t, config.PrecisionBF16, 3, 1, 1)
	_, b := trainingOf(t, config.PrecisionBF16, 3, 1, 3)
	want := state(a.Trainer)
	for name, got := range state(b.Trainer) {
		for i, v := range got {
			if v != want[name][i] {
				t.Fatalf("%s differs between one thread and three", name)
			}
		}
	}
	exact, _ := trainingOf(t, config.PrecisionFloat32, 1, 1, 2)
	relative := math.Abs(one[0]["total"]-exact[0]["total"]) / exact[0]["total"]
	if relative == 0 || relative > 0.01 {
		t.Errorf("the first loss differs by %.3g of that of float32", relative)
	}
}

// TestBF16Losses: the means of the losses over 200 steps are within 1 % of those of
// float32. Single steps differ by more, in both directions: a code that rounding changes
// sends the two runs on different ways.
func TestBF16Losses(t *testing.T) {
	if os.Getenv("FACODEC_HEAVY") == "" {
		t.Skip("takes a minute; FACODEC_HEAVY=1 runs it")
	}
	const steps = 200
	exact, _ := trainingOf(t, config.PrecisionFloat32, steps, steps/2, 0)
	rounded, _ := trainingOf(t, config.PrecisionBF16, steps, steps/2, 0)
	mean := func(all []Losses, name string) (sum float64) {
		for _, l := range all {
			sum += l[name] / float64(len(all))
		}
		return sum
	}
	for _, name := range []string{"total", "mel", "stft"} {
		want, got := mean(exact, name), mean(rounded, name)
		end := mean(rounded[steps-20:], name)/mean(exact[steps-20:], name) - 1
		t.Logf("%s: %.5g, of float32 %.5g (%+.2f %%; of the last 20 steps %+.2f %%)", name, got, want, 100*(got/want-1), 100*end)
		if math.Abs(got/want-1) > 0.01 {
			t.Errorf("%s: %.5g, of float32 %.5g", name, got, want)
		}
	}
}
