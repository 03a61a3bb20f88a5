package train

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// frozen is the small experiment's codec, with weights by a seed.
func frozen(seed uint64) *FrozenCodec { return frozenOf(smallExperiment(""), seed) }

func frozenOf(c *config.Config, seed uint64) *FrozenCodec {
	return &FrozenCodec{Name: "codec", Config: c, Weights: nn.InitialWeights(model.NewCodec(model.CodecConfigOf(c)).Params(), seed)}
}

// smallRedecoder trains a redecoder for it.
func smallRedecoder(dir string) *config.Config {
	c := RedecoderFor(frozen(7).Config)
	c.LogDir, c.Redecoder.WavenetEmbedDim, c.Redecoder.WavenetLayers = dir, 16, 3
	return c
}

func runRedecoder(t *testing.T, c *config.Config, steps int, change func(*RunOptions)) (*lines, error) {
	t.Helper()
	return runSmall(t, c, steps, func(o *RunOptions) {
		o.Codec = frozen(7)
		if change != nil {
			change(o)
		}
	})
}

// TestRedecoderResume is TestResume for a redecoder, whose checkpoints inference
// then opens: what it speaks is what the last validation heard.
func TestRedecoderResume(t *testing.T) {
	whole, parts := smallRedecoder(t.TempDir()), smallRedecoder(t.TempDir())
	for _, c := range []*config.Config{whole, parts} {
		c.Train.GradientAccumulationStep, c.Validation.Interval = 2, 2 // the end of a run validates
		c.Train.RestartCodes, c.Train.NormalizeCodes = 1, true         // of a codec's experiment; without effect
	}
	if _, err := runRedecoder(t, whole, 5, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := runRedecoder(t, parts, 2, func(o *RunOptions) { o.Threads = 1 }); err != nil {
		t.Fatal(err)
	}
	l, err := runRedecoder(t, parts, 5, func(o *RunOptions) { o.Threads = 3 })
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "resuming from")
	sameRuns(t, RunDir(parts), RunDir(whole), 5)
	_, err = runRedecoder(t, parts, 9, func(o *RunOptions) { o.Codec = frozen(8) })
	if err == nil || !strings.Contains(err.Error(), "was trained for another codec than codec") {
		t.Errorf("resumed with another codec: error %v", err)
	}
	opensInInference(t, whole)
}

// opensInInference opens a codec's and a redecoder's checkpoint as programs do.
func opensInInference(t *testing.T, c *config.Config) {
	path := filepath.Join(t.TempDir(), "codec.safetensors")
	f := frozen(7)
	text, err := f.Config.JSON()
	if err != nil {
		t.Fatal(err)
	}
	pool := parallel.New(1)
	t.Cleanup(pool.Close)
	trainer, err := NewCodecTrainer(CodecTrainingConfigOf(f.Config), nn.InitialWeights(model.NewCodecTraining(CodecTrainingConfigOf(f.Config)).Params(), 7), CodecOptionsOf(f.Config), pool)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	if err := trainer.Save(path, map[string]string{checkpoint.ConfigKey: string(text)}); err != nil {
		t.Fatal(err)
	}
	codec, err := facodec.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer codec.Close()
	wave := speech(t, "en")
	encoded, err := codec.Encode(wave)
	if err != nil {
		t.Fatal(err)
	}
	timbre, err := codec.Timbre(speech(t, "it"))
	if err != nil {
		t.Fatal(err)
	}
	var spoken [][]float32
	for _, name := range []string{"best.safetensors", "step_00000005.safetensors", "step_00000003.safetensors"} {
		redecoder, err := codec.OpenRedecoder(filepath.Join(RunDir(c), checkpointDir, name))
		if err != nil {
			t.Fatal(err)
		}
		decoder, err := redecoder.NewDecoder(timbre)
		if err != nil {
			t.Fatal(err)
		}
		samples, err := decoder.Push(encoded.Codes)
		if err != nil {
			t.Fatal(err)
		}
		last, err := decoder.Flush()
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, last...)
		if n := encoded.Codes.Frames() * 300; n == 0 || len(samples) != n {
			t.Errorf("%s: %d samples, want %d", name, len(samples), n)
		}
		spoken = append(spoken, samples)
		redecoder.Close()
	}
	if slices.Equal(spoken[1], spoken[2]) {
		t.Error("two steps change nothing that is heard")
	}
}

// smallRedecoderTrainer has a batch, too.
func smallRedecoderTrainer(t *testing.T, o Options) (*RedecoderTrainer, *Batch) {
	t.Helper()
	pool := parallel.New(2)
	t.Cleanup(pool.Close)
	c := smallRedecoder("")
	encoder, err := newBatchEncoder(c, frozen(7), pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(encoder.close)
	items := []dataset.Item{{Samples: speech(t, "en")}, {Samples: speech(t, "fr")}}
	batch, err := encoder.batch(items, crops{starts: []int{70, 11}, frames: 24})
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := NewRedecoderTrainer(RedecoderTrainingConfigOf(c), 24000, nn.InitialWeights(model.NewRedecoderTraining(RedecoderTrainingConfigOf(c)).Params(), 3), o, pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(trainer.Close)

	for i, item := range items {
		u := encoder.codec.NewUtteranceCodec(pool)
		from := []int{70, 11}[i]
		if want := u.Encode(item.Samples)[model.Content][0][from : from+24]; !slices.Equal(batch.Encoded.Content[i], want) {
			t.Errorf("codes %v, of the whole utterance %v", batch.Encoded.Content[i], want)
		}
		golden.Equal(t, "timbre", batch.Encoded.Timbre.Sample(i).ToBCT(), u.Timbre(item.Samples))
		golden.Equal(t, "crop", batch.Inputs.Wave.Sample(i).ToBCT(), item.Samples[from*300:(from+24)*300])
	}
	return trainer, batch
}

// TestEncodingLeavesThePool: while a batch is encoded, a loop of the training step has
// all of its threads.
func TestEncodingLeavesThePool(t *testing.T) {
	pool := parallel.New(2)
	t.Cleanup(pool.Close)
	e, err := newBatchEncoder(smallRedecoder(""), frozen(7), pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	// Without its workers the encoder waits in the middle of a batch.
	var workers []*encoderWorker
	for range cap(e.workers) {
		workers = append(workers, <-e.workers)
	}
	items := []dataset.Item{{Samples: speech(t, "en")}, {Samples: speech(t, "fr")}}
	encoded := make(chan error)
	go func() {
		_, err := e.batch(items, crops{starts: []int{0, 0}, frames: 8})
		encoded <- err
	}()
	time.Sleep(50 * time.Millisecond) // for it to come so far
	met := make(chan struct{})
	alone := false
	pool.For(2, func(int) {
		select {
		case met <- struct{}{}:
		case <-met:
		case <-time.After(5 * time.Second):
			alone = true
		}
	})
	if alone {
		t.Error("a loop ran on one thread")
	}
	for _, w := range workers {
		e.workers <- w
	}
	if err := <-encoded; err != nil {
		t.Error(err)
	}
}

// TestRedecoderSpeaks: what a batch speaks in training, without dropout, is what
// each of its utterances speaks in inference.
func TestRedecoderSpeaks(t *testing.T) {
	o := upstreamCodecOptions().Options
	o.Deterministic = true
	trainer, batch := smallRedecoderTrainer(t, o)
	region := &tensor.Region{}
	defer region.Free()
	inferring := model.NewRedecoder(model.RedecoderConfigOf(smallRedecoder("")))
	if err := inferring.Load(trainer.InferenceWeights(), region, trainer.pool); err != nil {
		t.Fatal(err)
	}
	s := &step{Trainer: trainer.Trainer, model: trainer}
	wave := s.forward(batch, 0)
	for i, content := range batch.Encoded.Content {
		timbre := batch.Encoded.Timbre.Sample(i).ToBCT()
		want := inferring.NewStream(timbre, trainer.pool).Push(model.Codes{model.Content: [][]int32{content}}, true)
		golden.Equal(t, "spoken", wave.Sample(i).ToBCT(), want)
	}
}

// TestRedecoderGradient compares the change of the mel loss along a direction with
// the gradient, for the parameters of each part.
func TestRedecoderGradient(t *testing.T) {
	o := upstreamCodecOptions().Options
	o.Deterministic, o.DiscriminatorStart, o.Schedule.LearningRate = true, 1000, 0
	trainer, batch := smallRedecoderTrainer(t, o)
	parts := checkSlopes(t, trainer.Trainer, trainer.Step, batch, "mel", o.Weights.Mel, 2e-3, func(_ *nn.Network, p *nn.Param) string {
		if p.Unused != (strings.Contains(p.Name, "prosody_embed") || strings.Contains(p.Name, "content_embed.1")) {
			t.Errorf("%s is unused: %v", p.Name, p.Unused)
		}
		switch {
		case p.Unused:
			return ""
		case strings.Contains(p.Name, "cond_layer"):
			return "cond_layer"
		}
		return strings.Join(strings.Split(p.Name, ".")[:2], ".")
	})
	if len(parts) != 5 {
		t.Errorf("%d parts", len(parts))
	}
}

// TestRedecoderLearns one batch, with every loss on; what conversion does not use
// stays what it is.
func TestRedecoderLearns(t *testing.T) {
	o := upstreamCodecOptions().Options
	o.Schedule.LearningRate, o.EMADecay = 1e-3, 0.9
	trainer, batch := smallRedecoderTrainer(t, o)
	unused := trainer.Generator[0].Params[0]
	before := slices.Clone(unused.Value)
	var mel []float64
	for range 30 {
		losses, err := trainer.Step(batch)
		if err != nil {
			t.Fatal(err)
		}
		if want := 15*losses["mel"] + losses["feature"] + losses["generator"]; losses["total"] != want {
			t.Errorf("total %v, want %v", losses["total"], want)
		}
		mel = append(mel, losses["mel"])
	}
	early, late := mean(mel[:5]), mean(mel[25:])
	t.Logf("mel loss of steps 1 to 5: %.3f, of 26 to 30: %.3f", early, late)
	if !(late < 0.8*early) {
		t.Errorf("mel loss %v after 30 steps on one batch, %v before", late, early)
	}
	if unused.Name != "encoder.prosody_embed.0.weight" || !slices.Equal(unused.Value, before) {
		t.Errorf("%s has changed", unused.Name)
	}
}

func TestRedecoderValidation(t *testing.T) {
	trainer, _ := smallRedecoderTrainer(t, upstreamCodecOptions().Options)
	pool := parallel.New(2)
	t.Cleanup(pool.Close)
	codec := model.NewCodec(model.CodecConfigOf(smallExperiment("")))
	region := &tensor.Region{}
	defer region.Free()
	if err := codec.Load(frozen(7).Weights, region, pool); err != nil {
		t.Fatal(err)
	}
	clips := heldOut(t)
	v, err := NewRedecoderValidator(codec, model.RedecoderConfigOf(smallRedecoder("")), clips, 2, pool)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	dir := t.TempDir()
	values, err := v.Run(t.Context(), trainer.InferenceWeights(), startLog(t, dir), 5)
	if err != nil {
		t.Fatal(err)
	}
	again, err := v.Run(t.Context(), trainer.InferenceWeights(), nil, 6)
	if err != nil {
		t.Fatal(err)
	}
	equalValues(t, again, values)
	for tag := range values {
		if strings.Contains(tag, "perplexity") || strings.Contains(tag, "use_") {
			t.Errorf("the codec's %s", tag)
		}
	}

	redecoder := model.NewRedecoder(model.RedecoderConfigOf(smallRedecoder("")))
	if err := redecoder.Load(trainer.InferenceWeights(), region, pool); err != nil {
		t.Fatal(err)
	}
	u := codec.NewUtteranceCodec(pool)
	speak := func(clip, voice int) []float32 {
		wave := clips[clip].Wave
		return redecoder.NewStream(u.Timbre(clips[voice].Wave), pool).Push(u.Encode(wave), true)[:len(wave)]
	}
	sum := 0.0
	for i, clip := range clips {
		sum += v.base.melOf(clip.Wave, speak(i, i))
	}
	if got, want := values[eventlog.ValidationMel], sum/float64(len(clips)); math.Abs(got-want) > 1e-9*want {
		t.Errorf("mel distance %v, want %v", got, want)
	}
	sounds, pictures := shown(t, dir)
	for tag, want := range map[string][]float32{
		"full/gt_audio_1": clips[0].Wave, "full/pred_audio_2": speak(1, 1),
		"vc/ref_audio_1": clips[2].Wave, "vc/pred_audio_1": speak(0, 2), "vc/pred_audio_2": speak(1, 2),
	} {
		if !nearlyEqual(sounds[5][tag], want) {
			t.Errorf("%s: %d samples, other than the %d that were to be heard", tag, len(sounds[5][tag]), len(want))
		}
	}
	if len(sounds[5]) != 8 || pictures[5]["val/spectrogram_2"] == nil {
		t.Errorf("%d sounds, pictures %v", len(sounds[5]), pictures)
	}
}

// melOf is the mel distance as the validator measures it.
func (v *Validator) melOf(truth, spoken []float32) float64 {
	b := <-v.workers
	defer func() { v.workers <- b }()
	return b.speech.Compare(truth, spoken)["mel"]
}

func TestRedecoderErrors(t *testing.T) {
	for want, change := range map[string]func(c *config.Config, o *RunOptions){
		"a redecoder is trained for a codec, and none is given": func(_ *config.Config, o *RunOptions) { o.Codec = nil },
		"codec: is not the codec that the experiment is for; name that, or train an experiment for this one\n" +
			"differs: model_params.latent_dim: 32, 24 in the codec\n" +
			"differs: model_params.DAC.encoder_rates: [5 2 5 6], [2 5 5 6] in the codec": func(c *config.Config, _ *RunOptions) {
			c.Model.LatentDim, c.Model.DAC.EncoderRates = 32, []int{5, 2, 5, 6}
		},
		"codec: is a redecoder and not a codec": func(c *config.Config, o *RunOptions) { o.Codec.Config = c },
		"codec: the checkpoint's tensors are not those of the network": func(c *config.Config, o *RunOptions) {
			o.Codec.Weights = nn.InitialWeights(model.NewRedecoder(model.RedecoderConfigOf(c)).Params(), 1)
		},
	} {
		c := smallRedecoder(t.TempDir())
		_, err := runRedecoder(t, c, 1, func(o *RunOptions) { change(c, o) })
		if err == nil || !strings.Contains(strings.Join(append([]string{err.Error()}, listed(err)...), "\n"), want) {
			t.Errorf("error %v, %q, want %s", err, listed(err), want)
		}
		if _, err := os.Stat(RunDir(c)); err == nil {
			t.Error("a folder is left behind")
		}
	}
}

// TestRedecoderFor: for the standard codec the standard redecoder comes out, and
// what is told of a codec holds of it.
func TestRedecoderFor(t *testing.T) {
	c := RedecoderFor(config.Default())
	want := config.DefaultRedecoder()
	want.ExpName = c.ExpName
	if c.ExpName != "facodec_redecoder" || !c.Equal(want) {
		t.Errorf("for the standard codec: %+v", c)
	}
	for _, name := range config.Presets() {
		codec, err := config.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		c := RedecoderFor(codec)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := checkCodec(c, &FrozenCodec{Name: name, Config: codec}); err != nil {
			t.Error(err)
		}
		params := 0
		for _, p := range model.NewRedecoder(model.RedecoderConfigOf(c)).Params() {
			params += p.Len()
		}
		t.Logf("%s: %d × %d WaveNet, %.2f M parameters", name, c.Redecoder.WavenetEmbedDim, c.Redecoder.WavenetLayers, float64(params)/1e6)
	}
}
