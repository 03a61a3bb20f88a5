package train

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// smallConfig has every kind of layer and takes a tenth of a second a step.
func smallConfig() model.CodecTrainingConfig {
	c := config.Default()
	m := &c.Model
	m.LSTM = 1
	m.LatentDim, m.CodebookSize, m.CodebookDim = 32, 32, 4
	m.ProsodyHidden, m.ProsodyLayers, m.TimbreHidden = 16, 2, 16
	m.PhoneClasses, m.SpeakerClasses = 12, 5
	m.DAC.EncoderDim, m.DAC.DecoderDim = 4, 64
	m.Discriminator = config.Discriminator{Periods: []int{2, 5}, MPDChannels: []int{4, 8, 8, 16, 16}, FFTSizes: []int{512, 256}, MRDChannels: 4}
	return CodecTrainingConfigOf(c)
}

// speech reads a clip of the repository.
func speech(t testing.TB, name string) []float32 {
	t.Helper()
	samples, err := audio.ReadFile(filepath.Join("..", "..", "testdata", "speech", name+".flac"), 24000)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// utterances are clips with their pitch and with phones and speakers made up.
func utterances(t testing.TB, names ...string) []Utterance {
	t.Helper()
	pitch := dsp.NewPitch(dsp.StandardPitch)
	var us []Utterance
	for i, name := range names {
		u := Utterance{Wave: speech(t, name), Speaker: int32(i)}
		for frame, v := range pitch.F0(u.Wave) {
			u.F0 = append(u.F0, float32(v))
			u.Phones = append(u.Phones, int32(frame/7%12))
		}
		us = append(us, u)
	}
	return us
}

func batchOf(t testing.TB, c model.CodecTrainingConfig, us []Utterance, frames int) *Batch {
	t.Helper()
	starts := make([]int, len(us))
	for i := range starts {
		starts[i] = 10 + 3*i
	}
	b, err := NewCollator(c.Codec, true).Batch(us, starts, frames)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newCodecTrainer(t testing.TB, c model.CodecTrainingConfig, o CodecOptions, threads int) *CodecTrainer {
	t.Helper()
	pool := parallel.NewPatient(threads)
	t.Cleanup(pool.Close)
	trainer, err := NewCodecTrainer(c, nn.InitialWeights(model.NewCodecTraining(c).Params(), 7), o, pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(trainer.Close)
	return trainer
}

// keepGradients lets the gradients of a step be looked at after it.
func keepGradients(trainers ...*Trainer) {
	for _, t := range trainers {
		for _, o := range t.Optimizers {
			o.keepGrad = true
		}
	}
}

// upstreamCodecOptions are those of train.py.
func upstreamCodecOptions() CodecOptions { return CodecOptionsOf(config.Default()).withoutEMA() }

func (o CodecOptions) withoutEMA() CodecOptions {
	o.EMADecay, o.Seed = 0, 0
	return o
}

// forwardOf runs the codec over a batch as a step does, and no more.
func forwardOf(t *CodecTrainer, batch *Batch) codecOutputs {
	s := &step{Trainer: t.Trainer, model: t, pieces: []*Batch{batch}, plan: pieces{counts: []int{1}, utterances: batch.Size()}, pieceLosses: []Losses{{}}}
	s.forward(batch, 0)
	return t.outputs
}

// state returns all that a trainer has learned.
func state(t *Trainer) map[string][]float32 {
	all := map[string][]float32{}
	for _, n := range t.Networks() {
		for _, m := range t.Optimizers[n.Prefix].Moments {
			all[m.Param.Name], all[m.Param.Name+" mean"], all[m.Param.Name+" square"] = m.Param.Value, m.M, m.V
		}
	}
	if t.EMA != nil {
		for i, p := range t.EMA.Params {
			all[p.Name+" EMA"] = t.EMA.Means[i]
		}
	}
	return all
}

// TestStepsDoNotDependOnThreads takes ten steps with all that is left to chance,
// twice, and on one to three threads.
func TestStepsDoNotDependOnThreads(t *testing.T) {
	c := smallConfig()
	batch := batchOf(t, c, utterances(t, "en", "fr"), 16)
	o := upstreamCodecOptions()
	o.EMADecay, o.Seed = 0.999, 3
	run := func(threads int) (map[string][]float32, []Losses) {
		trainer := newCodecTrainer(t, c, o, threads)
		var all []Losses
		for range 10 {
			losses, err := trainer.Step(batch)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, losses)
		}
		return state(trainer.Trainer), all
	}
	want, wantLosses := run(1)
	for _, threads := range []int{1, 2, 3} {
		got, losses := run(threads)
		for name, v := range want {
			golden.Equal(t, name, got[name], v)
		}
		for i := range wantLosses {
			for name, v := range wantLosses[i] {
				if losses[i][name] != v {
					t.Errorf("%d threads, step %d: %s is %v, with one thread %v", threads, i, name, losses[i][name], v)
				}
			}
		}
	}
	if wantLosses[9]["total"] >= wantLosses[0]["total"] {
		t.Errorf("total loss %v after ten steps on one batch, %v before", wantLosses[9]["total"], wantLosses[0]["total"])
	}
}

// TestDataInit: from the first step on the codes of a fitted codec differ from frame
// to frame, which those of random weights hardly do.
func TestDataInit(t *testing.T) {
	c := smallConfig()
	batch := batchOf(t, c, utterances(t, "en", "fr"), 40)
	used := func(fitted bool) (books []int) {
		o := upstreamCodecOptions()
		o.DataInit, o.Seed = fitted, 3
		trainer := newCodecTrainer(t, c, o, 2)
		if _, err := trainer.Step(batch); err != nil {
			t.Fatal(err)
		}
		for _, part := range trainer.Codes {
			for _, book := range part {
				seen := map[int32]bool{}
				for _, codes := range book {
					for _, code := range codes {
						seen[code] = true
					}
				}
				books = append(books, len(seen))
			}
		}
		return books
	}
	random, fitted := used(false), used(true)
	t.Logf("codes in use of 32: %v, fitted %v", random, fitted)
	for i, n := range fitted {
		if n < 16 {
			t.Errorf("book %d: %d codes in use, fitted; %d otherwise", i, n, random[i])
		}
	}
	if random[1] > 8 {
		t.Errorf("random weights use %d codes of content: the test shows nothing", random[1])
	}
}

// TestAccumulation compares a batch in pieces, chance and all, with the whole.
func TestAccumulation(t *testing.T) {
	c := smallConfig()
	us := utterances(t, "en", "fr", "it", "ru")
	whole := batchOf(t, c, us, 20)
	piece := func(from, to int) *Batch { return pieceOf(whole, from, to) }
	o := upstreamCodecOptions()
	o.Seed = 5
	a, b := newCodecTrainer(t, c, o, 2), newCodecTrainer(t, c, o, 2)
	keepGradients(a.Trainer, b.Trainer)
	want, err := a.Step(whole)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Step(piece(0, 1), piece(1, 3), piece(3, 4))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range want {
		if !(math.Abs(got[name]-v) <= 1e-4*math.Abs(v)) {
			t.Errorf("%s: %v in pieces, %v whole", name, got[name], v)
		}
	}
	for i, n := range a.Networks() {
		for j, p := range n.Params {
			if strings.HasSuffix(p.Name, "conv_k.bias") {
				continue // zero, but for rounding
			}
			golden.Close(t, "gradient of "+p.Name, b.Networks()[i].Params[j].Grad, p.Grad, 1e-3)
		}
	}
}

// TestNeighbors: what the codec hears, speaks and predicts of an utterance does
// not depend on what else is in the batch, whatever its length.
func TestNeighbors(t *testing.T) {
	c := smallConfig()
	us := utterances(t, "en", "fr", "ru")
	long := us[1]
	long.Wave = append(append([]float32(nil), long.Wave...), us[2].Wave...)
	var first [][]float32
	for _, neighbors := range [][]Utterance{{us[0], us[1]}, {us[0], us[2]}, {us[0], long, us[2]}} {
		trainer := newCodecTrainer(t, c, upstreamCodecOptions(), 2)
		var got []float32
		s := forwardOf(trainer, batchOf(t, c, neighbors, 20))
		for _, x := range []tensor.Tensor{s.Timbre, s.Wave, s.F0, s.Energy, s.RevF0, s.RevEnergy, s.Phones, s.RevPhones, s.Speaker, s.RevSpeaker} {
			got = append(got, x.Sample(0).ToBCT()...)
		}
		first = append(first, got)
	}
	for _, got := range first[1:] {
		golden.Equal(t, "first utterance", got, first[0])
	}
}

// TestNotFinite: a step that meets a NaN leaves everything as it was.
func TestNotFinite(t *testing.T) {
	c := smallConfig()
	o := upstreamCodecOptions()
	o.EMADecay = 0.999
	trainer := newCodecTrainer(t, c, o, 2)
	good := batchOf(t, c, utterances(t, "en", "fr"), 16)
	if _, err := trainer.Step(good); err != nil {
		t.Fatal(err)
	}
	before := map[string][]float32{}
	for name, v := range state(trainer.Trainer) {
		before[name] = append([]float32(nil), v...)
	}
	bad := batchOf(t, c, utterances(t, "en", "fr"), 16)
	bad.Inputs.Wave.Row(1, 500)[0] = float32(math.NaN())
	bad.Target.Row(1, 500)[0] = float32(math.NaN())
	if _, err := trainer.Step(bad); !errors.Is(err, ErrNotFinite) {
		t.Errorf("error %v", err)
	}
	for name, v := range state(trainer.Trainer) {
		golden.Equal(t, name, v, before[name])
	}
	if trainer.Steps != 2 || trainer.Skipped != 1 {
		t.Errorf("%d steps, %d skipped", trainer.Steps, trainer.Skipped)
	}
	if _, err := trainer.Step(good); err != nil {
		t.Errorf("the step after it: %v", err)
	}
}

// TestOverfitting learns one batch of real speech, with every loss on.
func TestOverfitting(t *testing.T) {
	if os.Getenv("FACODEC_HEAVY") == "" {
		t.Skip("takes a minute or two; FACODEC_HEAVY=1 runs it")
	}
	c := smallConfig()
	o := upstreamCodecOptions()
	o.Schedule.LearningRate = 1e-3
	trainer := newCodecTrainer(t, c, o, 0)
	batch := batchOf(t, c, utterances(t, "en", "fr"), 80)
	var mel []float64
	for range 300 {
		losses, err := trainer.Step(batch)
		if err != nil {
			t.Fatal(err)
		}
		mel = append(mel, losses["mel"])
	}
	early, late := mean(mel[:20]), mean(mel[250:])
	t.Logf("mel loss of steps 1 to 20: %.3f, of 251 to 300: %.3f, %.0f %%", early, late, 100*late/early)
	if !(late <= 0.6*early) {
		t.Error("more than 60 %")
	}
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// TestMemory: what the runs hold after many steps is what they held after a few.
func TestMemory(t *testing.T) {
	c := smallConfig()
	trainer := newCodecTrainer(t, c, upstreamCodecOptions(), 2)
	batch := batchOf(t, c, utterances(t, "en", "fr"), 8)
	held := func() int64 { return trainer.generatorRun.Memory() + trainer.discriminatorRun.Memory() }
	var early int64
	for i := range 30 {
		if _, err := trainer.Step(batch); err != nil {
			t.Fatal(err)
		}
		if i == 4 {
			early = held()
		}
	}
	if now := held(); now != early {
		t.Errorf("%d bytes after 30 steps, %d after 5", now, early)
	}
}

// TestResidentMemory: the process does not grow between steps 100 and 1000.
func TestResidentMemory(t *testing.T) {
	if os.Getenv("FACODEC_HEAVY") == "" {
		t.Skip("takes a minute; FACODEC_HEAVY=1 runs it")
	}
	c := smallConfig()
	trainer := newCodecTrainer(t, c, upstreamCodecOptions(), 0)
	us := utterances(t, "en", "fr")
	for i := range us {
		us[i].Wave = us[i].Wave[:24000]
	}
	batch := batchOf(t, c, us, 8)
	var early int
	for i := range 1000 {
		if _, err := trainer.Step(batch); err != nil {
			t.Fatal(err)
		}
		if i == 99 {
			early = resident(t)
		}
	}
	late := resident(t)
	t.Logf("%d kB at step 100, %d kB at step 1000", early, late)
	if float64(late) > 1.02*float64(early) {
		t.Error("more than 2 % more")
	}
}

// resident returns the process's resident memory in kB, where the system tells,
// without what earlier tests have left to be collected.
func resident(t *testing.T) int {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		var kB int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kB); n == 1 {
			return kB
		}
	}
	t.Skip("no VmRSS in /proc/self/status")
	return 0
}

// BenchmarkStep is a step of two seconds of speech: FACODEC_HEAVY=1 for the
// standard codec.
func BenchmarkStep(b *testing.B) {
	c := smallConfig()
	if os.Getenv("FACODEC_HEAVY") != "" {
		c = CodecTrainingConfigOf(config.Default())
	}
	trainer := newCodecTrainer(b, c, upstreamCodecOptions(), 0)
	us := utterances(b, "en", "fr")
	for _, u := range us {
		for i := range u.Phones {
			u.Phones[i] %= int32(c.Predictors.Phones)
		}
	}
	batch := batchOf(b, c, us, 80)
	for b.Loop() {
		if _, err := trainer.Step(batch); err != nil {
			b.Fatal(err)
		}
	}
}
