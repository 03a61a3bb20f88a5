package train

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

// copyRun copies a run's folder as a kill at this moment would leave it.
func copyRun(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Error(err)
	}
}

// TestKilledWhileValidating: a process that is killed in a validation keeps the steps before
// it, and who resumes makes up for the validation; it stands in the log once.
func TestKilledWhileValidating(t *testing.T) {
	const steps = 5 // of which 3 and the last are validated
	killed := map[string]*config.Config{}
	at := func(c *config.Config, name string) {
		if killed[name] == nil {
			killed[name] = smallExperiment(t.TempDir())
			copyRun(t, RunDir(c), RunDir(killed[name]))
		}
	}
	whole := smallExperiment(t.TempDir())
	var l lines
	report := func(format string, args ...any) {
		l.add(format, args...)
		switch line := l.all[len(l.all)-1]; {
		case strings.HasPrefix(line, "step 3: held out"):
			at(whole, "behind the first validation")
		case strings.HasPrefix(line, "step 5: held out"):
			at(whole, "behind the last validation")
		}
	}
	_, err := runSmall(t, whole, steps, func(o *RunOptions) {
		o.Report = report
		o.Progress = func(p Progress) {
			switch {
			case p.Phase == "validate" && p.Done == 3:
				at(whole, "in the first validation")
			case p.Phase == "validate" && p.Done == steps:
				at(whole, "in the last validation")
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(killed) != 4 {
		t.Fatalf("%d moments", len(killed))
	}
	for name, c := range killed {
		last, first := strings.Contains(name, "last"), 4
		l, err := runSmall(t, c, steps, func(o *RunOptions) {
			o.Progress = func(p Progress) {
				if p.Phase == "train" {
					first = min(first, p.Done)
					if last {
						t.Errorf("%s: step %d again", name, p.Done)
					}
				}
			}
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if first != 4 {
			t.Errorf("%s: goes on with step %d", name, first)
		}
		l.has(t, "step 5: held out")
		sameRuns(t, RunDir(c), RunDir(whole), steps)
		if a, b := bestOf(t, c), bestOf(t, whole); a != b {
			t.Errorf("%s: the best is %s, want %s", name, a, b)
		}
	}
	if l, err := runSmall(t, whole, steps, nil); err != nil {
		t.Errorf("with nothing left to do: %v", err)
	} else {
		l.has(t, "the run is complete")
	}
}

// TestInterruptedWhileValidating: the same, of a run that is asked to stop.
func TestInterruptedWhileValidating(t *testing.T) {
	whole := smallExperiment(t.TempDir())
	if _, err := runSmall(t, whole, 4, nil); err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{3, 4} {
		c := smallExperiment(t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		var l lines
		err := Run(ctx, RunOptions{Config: c, Resume: ResumeAuto, Steps: 4, Threads: 2, Report: l.add, Progress: func(p Progress) {
			if p.Phase == "validate" && p.Done == step {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("step %d: error %v", step, err)
		}
		if _, err := runSmall(t, c, 4, nil); err != nil {
			t.Fatal(err)
		}
		sameRuns(t, RunDir(c), RunDir(whole), 4)
	}
}

// bestOf returns the step and the mel distance of a run's best checkpoint.
func bestOf(t *testing.T, c *config.Config) string {
	t.Helper()
	f, err := weights.Open(filepath.Join(RunDir(c), checkpointDir, bestName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Metadata()[checkpoint.StepKey] + ": " + f.Metadata()[checkpoint.BestKey]
}

func readFile(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Error(err)
	}
	return data
}

// filesOf returns what is in a run's folder, but for the cache.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == filepath.Join(dir, cacheDir):
			return fs.SkipDir
		case d.IsDir():
			files[path] = "a folder"
		default:
			files[path] = string(readFile(t, path))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return files
}

func sameFiles(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for path, text := range want {
		if got[path] != text {
			t.Errorf("%s: %s is changed or gone", what, path)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s: %s is new", what, path)
		}
	}
}

// TestFailedResume: a start that fails changes nothing of a run that is there, and nothing
// of a folder that is there for another reason; nor does one with nothing to do.
func TestFailedResume(t *testing.T) {
	begun := func() *config.Config { return smallExperiment(filepath.Join(t.TempDir(), "runs")) }
	c := begun()
	if _, err := runSmall(t, c, 2, nil); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "small")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(c *config.Config, o *RunOptions){
		"no dataset":      func(c *config.Config, _ *RunOptions) { c.Dataset = filepath.Join(c.LogDir, "nowhere") },
		"no speech":       func(c *config.Config, _ *RunOptions) { c.Dataset = t.TempDir() },
		"few classes":     func(c *config.Config, _ *RunOptions) { c.Model.SpeakerClasses = 2 },
		"another model":   func(c *config.Config, _ *RunOptions) { c.Model.LatentDim = 32 },
		"no parallel":     func(c *config.Config, _ *RunOptions) { c.Augment.Voice, c.Augment.Parallel = 0.5, t.TempDir() },
		"another average": func(c *config.Config, _ *RunOptions) { c.EMA.Decay = 0 },
		"no pitch":        func(c *config.Config, _ *RunOptions) { c.F0Path = filepath.Join("..", "..", "go.mod") },
		"not begun":       func(c *config.Config, o *RunOptions) { o.Resume = ResumeNone; c.Dataset = "nowhere" },
		"nothing to do":   func(c *config.Config, o *RunOptions) { o.Steps = 2; c.Optimizer.LearningRate = 1e-3 },
	} {
		for _, dir := range []string{RunDir(c), empty} {
			if dir == empty && (name == "another average" || name == "another model" || name == "nothing to do") {
				continue // of a run
			}
			before := filesOf(t, dir)
			changed := smallExperiment(filepath.Dir(dir))
			if _, err := runSmall(t, changed, 4, func(o *RunOptions) { change(changed, o) }); (err == nil) != (name == "nothing to do") {
				t.Errorf("%s: error %v", name, err)
			}
			sameFiles(t, name, filesOf(t, dir), before)
			if dir == empty {
				if left, _ := os.ReadDir(dir); len(left) > 0 {
					t.Errorf("%s: leaves %v", name, left)
				}
			}
		}
	}
}

// TestExperimentOf: a run that was begun from a model's weights goes on without being told
// how, and one that is told otherwise says what does not fit.
func TestExperimentOf(t *testing.T) {
	dir := t.TempDir()
	preset := func() *config.Config {
		c := smallExperiment(dir)
		c.Model.SpeakerClasses = 0
		return c
	}
	c := preset()
	if got := ExperimentOf(c, ResumeAuto); got != c {
		t.Error("there is no run, and it has an experiment")
	}
	c.FineTune()
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	_, err := runSmall(t, preset(), 2, nil)
	if err == nil || !strings.Contains(err.Error(), "augment.speed") || !strings.Contains(err.Error(), "step_00000001.safetensors: has ") {
		t.Errorf("the preset: error %v", err)
	}
	next := ExperimentOf(preset(), ResumeAuto)
	if next.Augment.Speed != 0 || next.Optimizer.LearningRate != 1e-4 || next.Dataset != c.Dataset || next.LogDir != dir {
		t.Errorf("the run's experiment: %+v", next)
	}
	l, err := runSmall(t, next, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "resuming from")
	for _, line := range l.all {
		if strings.Contains(line, "changed") {
			t.Error(line)
		}
	}
	if none := preset(); ExperimentOf(none, ResumeNone) != none {
		t.Error("a new run takes an old one's experiment")
	}
	other := preset()
	other.Model.LatentDim = 32
	if ExperimentOf(other, ResumeAuto) != other {
		t.Error("a preset with other networks is not the run's")
	}
	newest := filepath.Join(RunDir(c), checkpointDir, "step_00000002.safetensors")
	if got := ExperimentOf(preset(), newest); got.Augment.Speed != 0 {
		t.Error("a checkpoint that is named")
	}
	damage(t, newest, "cut short")
	if got := ExperimentOf(preset(), ResumeAuto); got.Augment.Speed != 0 {
		t.Error("the newest is damaged")
	}
}

// TestChangesAreAllNamed: a run that goes on otherwise says in what, key by key.
func TestChangesAreAllNamed(t *testing.T) {
	c := smallExperiment(t.TempDir())
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	c = smallExperiment(c.LogDir)
	c.Loss.Mel, c.Loss.STFT, c.Loss.Feature, c.Loss.F0, c.Optimizer.LearningRate, c.Optimizer.LRDecay, c.MaxLen = 14, 1, 2, 2, 1e-3, 0.9, 9
	l, err := runSmall(t, c, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"changed: loss_weights.mel: 14, was 15", "changed: loss_weights.stft: 1, was 0", "changed: loss_weights.feature: 2, was 1",
		"changed: loss_weights.f0: 2, was 1", "changed: optimizer.lr: 0.001, was 0.0001", "changed: max_len: 9, was 8",
	} {
		if !slices.Contains(l.all, want) {
			t.Errorf("no line %q: %q", want, l.all)
		}
	}
}

// TestBestIsOfOneDataset: best.safetensors is compared with nothing that was measured on other
// recordings, also where only one was added.
func TestBestIsOfOneDataset(t *testing.T) {
	c := smallExperiment(t.TempDir())
	speech := filepath.Join(t.TempDir(), "speech")
	if err := os.CopyFS(speech, os.DirFS(c.Dataset)); err != nil {
		t.Fatal(err)
	}
	c.Dataset = speech
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	// A best that no validation reaches.
	path := filepath.Join(RunDir(c), checkpointDir, "step_00000001.safetensors")
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	metadata, arrays := f.Metadata(), weights.ArraysOf(f)
	metadata[checkpoint.BestKey] = strconv.FormatFloat(math.SmallestNonzeroFloat64, 'g', -1, 64)
	delete(metadata, checkpoint.DigestKey)
	if metadata[checkpoint.DigestKey], err = checkpoint.Digest(metadata, arrays); err != nil {
		t.Fatal(err)
	}
	if err := weights.WriteSafetensors(path+".new", arrays, metadata, nil); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if _, err := runSmall(t, c, 2, nil); err != nil {
		t.Fatal(err)
	}
	if step, _, _ := strings.Cut(bestOf(t, c), ":"); step != "1" {
		t.Errorf("the dataset is the same: the best is of step %s, want 1", step)
	}
	if err := os.WriteFile(filepath.Join(speech, "one_more.flac"), readFile(t, speech, "en.flac"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := runSmall(t, c, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "the dataset has changed since the checkpoint")
	l.has(t, "best.safetensors")
	if step, _, _ := strings.Cut(bestOf(t, c), ":"); step != "3" {
		t.Errorf("one recording more: the best is of step %s, want 3", step)
	}
}

// TestPartialInit: weights of which the smaller part fits are refused, with the keys in which
// they differ, unless they are asked for; what only training needs does not count.
func TestPartialInit(t *testing.T) {
	c := smallExperiment(t.TempDir())
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(RunDir(c), checkpointDir, "step_00000001.safetensors")
	for _, test := range []struct {
		name   string
		change func(c *config.Config)
		want   []string // lines; nil for a start
	}{
		{"other heads and discriminators", func(c *config.Config) {
			c.Model.PhoneClasses, c.Model.SpeakerClasses, c.Model.Discriminator.Periods = 40, 50, []int{3, 5}
		}, nil},
		{"one book more", func(c *config.Config) { c.Model.NContent = 3 }, nil},
		{"another decoder", func(c *config.Config) { c.Model.DAC.DecoderDim = 64 }, nil},
		{"at the frame rate", func(c *config.Config) {
			c.Model.EncoderType, c.Model.DecoderType, c.Model.LatentDim = config.EncoderSTFT, config.DecoderISTFT, 32
		}, []string{
			"differs: model_params.decoder_type: istft, dac in the weights",
			"differs: model_params.encoder_type: stft, dac in the weights",
			"differs: model_params.latent_dim: 32, 24 in the weights",
		}},
	} {
		for _, asked := range []bool{false, true} {
			other := smallExperiment(t.TempDir())
			test.change(other)
			_, err := runSmall(t, other, 1, func(o *RunOptions) { o.Init, o.PartialInit = from, asked })
			refused := test.want != nil && !asked
			if refused != errors.Is(err, ErrPartialInit) || !refused && err != nil {
				t.Errorf("%s, asked for %v: error %v", test.name, asked, err)
			}
			if refused && (!slices.Equal(listed(err), test.want) || !strings.Contains(err.Error(), from)) {
				t.Errorf("%s: error %v, %q, want %q", test.name, err, listed(err), test.want)
			}
			if test.want == nil {
				break
			}
		}
	}
}
