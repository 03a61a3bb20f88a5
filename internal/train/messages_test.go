package train

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/eventlog"
)

// listed returns what an error lists below its line.
func listed(err error) []string {
	if differ, ok := errors.AsType[*DifferenceError](err); ok {
		return differ.Lines
	}
	return nil
}

// with returns the lines that have a part.
func (l *lines) with(part string) (found []string) {
	for _, line := range l.all {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

// TestConfigFile: a run does not need its config.json, but one that is damaged, gone or edited in
// vain is told of, and replaced.
func TestConfigFile(t *testing.T) {
	c := smallExperiment(t.TempDir())
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(RunDir(c), configName)
	whole := string(readFile(t, path))
	edited := strings.NewReplacer(`"mel": 15`, `"mel": 14`, `"epochs": 1000`, `"epochs": 2000`).Replace(whole)
	const again = "; checkpoints hold the experiment, too: the file is written again"
	for i, test := range []struct {
		name, text string
		want       []string // each line that names the file, or what is lost
	}{
		{"whole", whole, nil},
		{"gone", "", []string{path + ": no such file or directory" + again}},
		{"cut short", whole[:100], []string{again}},
		{"something else", "[]", []string{path + ":1: is no experiment file: it holds no keys" + again}},
		{"edited", edited, []string{path + " has values that this run is not trained with, and is overwritten",
			"overwritten: epochs: 2000, now 1000", "overwritten: loss_weights.mel: 14, now 15"}},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if test.text == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		l, err := runSmall(t, smallExperiment(c.LogDir), i+2, nil)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got := append(l.with(configName), l.with("overwritten: ")...)
		if !slices.EqualFunc(got, test.want, strings.Contains) {
			t.Errorf("%s: says %q, want %q", test.name, got, test.want)
		}
		if now := string(readFile(t, path)); now != whole {
			t.Errorf("%s: it is not written again", test.name)
		}
	}
	if !strings.Contains(edited, `"mel": 14`) || !strings.Contains(edited, `"epochs": 2000`) {
		t.Errorf("not edited: %s", edited)
	}
	// Whoever names the edited file trains by it.
	c = smallExperiment(c.LogDir)
	c.Loss.Mel, c.Epochs = 14, 2000
	if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := runSmall(t, c, 7, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := append(l.with(configName), l.with("overwritten")...); got != nil {
		t.Errorf("named: says %q", got)
	}
	l.has(t, "changed: loss_weights.mel: 14, was 15")
}

// TestComplete: a run that has all its steps does not go on, and says how it would; what does
// not matter to it is not said.
func TestComplete(t *testing.T) {
	begun := smallExperiment(t.TempDir())
	if _, err := runSmall(t, begun, 2, nil); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(RunDir(begun), checkpointDir, "step_00000002.safetensors")
	for name, test := range map[string]struct {
		steps  int
		change func(c *config.Config, o *RunOptions)
		want   string
	}{
		"by steps": {2, nil, "it has 2 steps; ask for more than 2 to train it further"},
		"by fewer": {1, nil, "it has 2 steps; ask for more than 2 to train it further"},
		"by steps, with time left": {2, func(_ *config.Config, o *RunOptions) { o.Time = time.Hour },
			"it has 2 steps; ask for more than 2 to train it further"},
		"by epochs": {0, func(c *config.Config, _ *RunOptions) { c.Epochs = 1 },
			"it has 2 steps, those of 1 epoch; an experiment file with epochs of at least 2 trains it further"},
		"by epochs, with time left": {0, func(c *config.Config, o *RunOptions) { c.Epochs, o.Time = 1, time.Hour },
			"it has 2 steps, those of 1 epoch; an experiment file with epochs of at least 2 trains it further"},
		"by epochs, of more steps": {9, func(c *config.Config, _ *RunOptions) { c.Train.MaxEpoch = 1 },
			"it has 2 steps, those of 1 epoch; an experiment file with a train.max_epoch of at least 2 trains it further"},
		"by both": {2, func(c *config.Config, _ *RunOptions) { c.Epochs = 1 },
			"it has 2 steps, those of 1 epoch; ask for more than 2 to train it further, and give an experiment file with epochs of at least 2"},
		"by both keys": {3, func(c *config.Config, _ *RunOptions) { c.Epochs, c.Train.MaxEpoch = 1, 1 },
			"it has 2 steps, those of 1 epoch; an experiment file with epochs and train.max_epoch of at least 2 trains it further"},
		"by fewer than both": {1, func(c *config.Config, _ *RunOptions) { c.BatchSize, c.Train.MaxEpoch = 4, 1 },
			"it has 2 steps, more than the 1 of 1 epoch; ask for more than 2 to train it further, and give an experiment file with a train.max_epoch of at least 3"},
		"of another experiment": {2, func(c *config.Config, o *RunOptions) { c.Loss.Mel, c.Dataset = 14, t.TempDir() },
			"it has 2 steps; ask for more than 2"},
		"from other weights": {2, func(_ *config.Config, o *RunOptions) { o.Init = from }, "it has 2 steps; ask for more than 2"},
	} {
		c := smallExperiment(begun.LogDir)
		l, err := runSmall(t, c, test.steps, func(o *RunOptions) {
			if test.change != nil {
				test.change(c, o)
			}
			if c.Dataset != begun.Dataset { // a recording more
				if err := os.CopyFS(c.Dataset, os.DirFS(begun.Dataset)); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(c.Dataset, "en.flac"), filepath.Join(c.Dataset, "english.flac")); err != nil {
					t.Fatal(err)
				}
			}
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		l.has(t, from+": the run is complete: "+test.want)
		for _, part := range []string{"goes on", "resuming", "going on", "changed"} {
			if got := l.with(part); got != nil {
				t.Errorf("%s: says %q", name, got)
			}
		}
	}
}

// TestOtherNetworks: a run of other networks is not resumed, and the error lists the keys, those of
// networks alone, and says which preset has them.
func TestOtherNetworks(t *testing.T) {
	c := smallExperiment(t.TempDir())
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	other := smallExperiment(c.LogDir)
	other.Model.LatentDim, other.Model.Discriminator.Periods, other.Loss.Mel = 32, []int{2, 3}, 14
	_, err := runSmall(t, other, 2, nil)
	want := []string{"differs: model_params.discriminator.periods: [2,3], was [2]", "differs: model_params.latent_dim: 32, was 24"}
	if !errors.Is(err, ErrOtherNetworks) || !slices.Equal(listed(err), want) ||
		!strings.HasPrefix(err.Error(), filepath.Join(RunDir(c), checkpointDir, "step_00000001.safetensors")+": ") || !strings.Contains(err.Error(), "another exp_name") {
		t.Errorf("error %v, %q, want %q", err, listed(err), want)
	}
	for _, old := range config.Presets() {
		was, err := config.Preset(old)
		if err != nil {
			t.Fatal(err)
		}
		was.Model.SpeakerClasses = max(was.Model.SpeakerClasses, 15) // as many as were found
		for _, preset := range config.Presets() {
			now, err := config.Preset(preset)
			if err != nil {
				t.Fatal(err)
			}
			if sameNetworks(was, now) {
				continue
			}
			err = otherNetworks("run", was, now)
			lines := strings.Join(listed(err), "\n")
			if preset == old || !strings.Contains(lines, "differs: model_params.latent_dim: ") || !strings.Contains(err.Error(), "those of the preset "+old+";") {
				t.Errorf("%s on a run of %s: error %v: %s", preset, old, err, lines)
			}
			for _, key := range []string{"optimizer.", "loss_weights.", "norm_f0", "exp_name"} {
				if strings.Contains(lines, key) {
					t.Errorf("%s on a run of %s: lists %s: %s", preset, old, key, lines)
				}
			}
		}
	}
	if err := otherNetworks("run", config.DefaultRedecoder(), config.Default()); !errors.Is(err, ErrOtherNetworks) || !strings.Contains(err.Error(), "it is a redecoder's") {
		t.Errorf("a redecoder's run: error %v", err)
	}
}

// TestSystemErrors: what the system refuses, or a name that leads to nothing of use, is said with
// the file, the key and the cure, and a start that fails leaves nothing and complains of nothing.
func TestSystemErrors(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "nope.bin")
	const folder = "; a run is kept in a folder that can be written to: log_dir and exp_name say which"
	const inTheWay = "is a directory, and a run writes a file there: move it away, or name another folder by log_dir and exp_name"
	occupied := func(name string) func(c *config.Config, _ *RunOptions) {
		return func(c *config.Config, _ *RunOptions) {
			if err := os.MkdirAll(filepath.Join(RunDir(c), name, "x"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name   string
		change func(c *config.Config, o *RunOptions)
		is     error
		want   []string // parts
	}{
		{"log_dir is a file", func(c *config.Config, _ *RunOptions) { c.LogDir = text }, nil, []string{text + ": ", folder}},
		{"the lock is a folder", occupied(lockName), nil, []string{lockName + ": ", inTheWay}},
		{"the log is a folder", occupied(eventlog.FileName), nil, []string{eventlog.FileName + ": ", inTheWay}},
		{"config.json is a folder", occupied(configName), nil, []string{configName + ": ", inTheWay}},
		{"the best checkpoint is a folder", occupied(filepath.Join(checkpointDir, bestName)), nil, []string{bestName + ": ", inTheWay}},
		{"no checkpoint to start from", func(_ *config.Config, o *RunOptions) { o.Init = none }, ErrInit, []string{none + ": no such file"}},
		{"a text to start from", func(_ *config.Config, o *RunOptions) { o.Init = text }, ErrInit, []string{text + ": not a checkpoint"}},
		{"no pretrained model", func(c *config.Config, _ *RunOptions) { c.PretrainedModel = none }, nil,
			[]string{"pretrained_model: " + none + ": no such file", `; want a checkpoint, or "" to start from random weights`}},
		{"no checkpoint to resume", func(_ *config.Config, o *RunOptions) { o.Resume = none }, ErrResume, []string{none + ": no such file"}},
		{"a text to resume", func(_ *config.Config, o *RunOptions) { o.Resume = text }, ErrResume, []string{text + ": not a checkpoint"}},
		{"a model to resume", func(_ *config.Config, o *RunOptions) {
			o.Resume = filepath.Join("..", "..", "testdata", "golden", "checkpoint_zip.pth")
		}, ErrResume, []string{"checkpoint_zip.pth: is no checkpoint of training", "; a new run can start from its weights"}},
		{"no parallel recordings", func(c *config.Config, _ *RunOptions) { c.Augment.Voice, c.Augment.Parallel = 0.5, none }, nil,
			[]string{"augment.parallel: " + none + ": no such file", "; want a folder of folders"}},
		{"no pitch network", func(c *config.Config, _ *RunOptions) { c.F0Path = text }, nil,
			[]string{"F0_path: ", text + ": not a checkpoint", `; want the checkpoint of a pitch network, or ""`}},
	} {
		c := smallExperiment(t.TempDir())
		l, err := runSmall(t, c, 1, func(o *RunOptions) { test.change(c, o) })
		if err == nil || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: error %v", test.name, err)
			continue
		}
		for _, part := range test.want {
			if strings.Count(err.Error(), part) != 1 {
				t.Errorf("%s: error %v, want %s in it once", test.name, err, part)
			}
		}
		for _, call := range []string{"open ", "mkdir ", "stat "} {
			if strings.Contains(err.Error(), call) {
				t.Errorf("%s: error %v names a system call", test.name, err)
			}
		}
		if got := l.with("left behind"); got != nil {
			t.Errorf("%s: says %q", test.name, got)
		}
	}
}
