package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
)

// TestTrainResumed: what a preset, or a codec, makes of the command line gives way to the
// experiment of a run that goes on; a file given to --config does not.
func TestTrainResumed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "codec.json")
	write(t, file, []byte(trainedConfig))
	speech := filepath.Dir(clip("en.flac"))
	succeed(t, "train", "--config", file, "--dataset", speech, "--log-dir", dir, "--steps", "1", "--exp-name", "mine")
	load := func() *config.Config {
		c, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		c.Optimizer.LearningRate = 0.5 // as another preset would have it
		return c
	}
	for _, test := range []struct {
		name  string
		flags runFlags
		keeps bool
	}{
		{"a run that goes on", runFlags{expName: "mine", logDir: dir, resume: "auto"}, true},
		{"its checkpoint", runFlags{expName: "mine", logDir: dir, resume: filepath.Join(dir, "mine", "checkpoints", "step_00000001.safetensors")}, true},
		{"another run", runFlags{expName: "yours", logDir: dir, resume: "auto"}, false},
		{"a new run", runFlags{expName: "mine", logDir: dir, resume: "none"}, false},
		{"what is printed", runFlags{expName: "mine", logDir: dir, resume: "auto", printConfig: true}, false},
	} {
		c := test.flags.resumed(load())
		if kept := c.Optimizer.LearningRate != 0.5; kept != test.keeps || test.flags.keeps != test.keeps {
			t.Errorf("%s: kept %v, and says %v; want %v", test.name, kept, test.flags.keeps, test.keeps)
		}
		if test.keeps && (c.ExpName != "mine" || c.LogDir != dir || c.Dataset != speech) {
			t.Errorf("%s: %s in %s on %s", test.name, c.ExpName, c.LogDir, c.Dataset)
		}
	}
}

// TestTrainAgain: a run that is complete does not go on, and another preset than the run's is
// refused, with the keys that differ, also where --quiet hides all else.
func TestTrainAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "codec.json")
	write(t, file, []byte(trainedConfig))
	args := []string{"--dataset", filepath.Dir(clip("en.flac")), "--log-dir", dir, "--exp-name", "mine"}
	config := append([]string{"train", "--config", file, "--steps", "1"}, args...)
	succeed(t, config...)
	r := succeed(t, config...)
	if !strings.Contains(r.stderr, "the run is complete") || strings.Contains(r.stderr, "goes on") || strings.Contains(r.stderr, "resuming") {
		t.Errorf("again: %s", r.stderr)
	}
	r = run(t, append([]string{"train", "--preset", "tiny", "--quiet"}, args...)...)
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	if r.code != exitFailed || !strings.Contains(lines[0], "(--config, --exp-name, --init)") || !slices.Contains(lines, "differs: model_params.latent_dim: 128, was 24") {
		t.Errorf("another preset: exit %d: %s", r.code, r.stderr)
	}
	for _, line := range lines[1:] {
		if !strings.HasPrefix(line, "differs: ") {
			t.Errorf("another preset: %s", line)
		}
	}
}

// TestTrainPartialInit: the built-in model is no start for another architecture, before
// recordings are read, and the error says what is one.
func TestTrainPartialInit(t *testing.T) {
	dir := t.TempDir()
	args := []string{"train", "--preset", "tiny", "--init", "default", "--dataset", filepath.Dir(clip("en.flac")), "--log-dir", dir}
	r := run(t, args...)
	for _, want := range []string{
		"\ndiffers: model_params.encoder_type: dac, stft in the weights\n", "\ndiffers: model_params.latent_dim: 128, 192 in the weights\n",
		"the preset base has the networks of these weights", "--partial-init",
	} {
		if r.code != exitFailed || !strings.Contains(r.stderr, want) {
			t.Errorf("exit %d, no %q: %s", r.code, want, r.stderr)
		}
	}
	if strings.Contains(r.stderr, "of speech") {
		t.Errorf("it reads recordings first: %s", r.stderr)
	}
	if r := run(t, "train", "--preset", "tiny", "--partial-init", "--dataset", filepath.Dir(clip("en.flac")), "--log-dir", dir); r.code != exitFailed || !strings.Contains(r.stderr, "--init") {
		t.Errorf("--partial-init without --init: exit %d: %s", r.code, r.stderr)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("leaves %v", left)
	}
}
