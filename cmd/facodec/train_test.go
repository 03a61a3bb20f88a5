package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cancelOn cancels once a text is written to it.
type cancelOn struct {
	strings.Builder
	text   string
	cancel context.CancelFunc
}

func (c *cancelOn) Write(p []byte) (int, error) {
	n, err := c.Builder.Write(p)
	if strings.Contains(c.String(), c.text) {
		c.cancel()
	}
	return n, err
}

// TestTrainInterrupted: a run that is interrupted ends as any command does, with a
// checkpoint from which the same command continues.
func TestTrainInterrupted(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "codec.json")
	if err := os.WriteFile(config, []byte(trainedConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"train", "--config", config, "--dataset", filepath.Dir(clip("en.flac")), "--log-dir", dir, "--steps", "100000"}
	ctx, cancel := context.WithCancel(t.Context())
	stderr := &cancelOn{text: "step 1/", cancel: cancel}
	if code := execute(ctx, args, stderr, stderr); code != exitInterrupted || !strings.Contains(stderr.String(), "facodec: interrupted") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "codec", "checkpoints", "step_*.safetensors")); len(left) != 1 {
		t.Errorf("checkpoints %q", left)
	}
}

// TestTrainCorpus: the flags for corpora reach the experiment, and too much that is bad ends
// the run before its first step.
func TestTrainCorpus(t *testing.T) {
	r := run(t, "train", "--preset", "tiny", "--speaker-field", "spk", "--print-config")
	if r.code != 0 || !strings.Contains(r.stdout, `"speaker_field": "spk"`) {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	dir := t.TempDir()
	list := filepath.Join(dir, "list.txt")
	write(t, list, []byte("gone.wav\nmissing.wav\n"+mustAbs(t, clip("en.flac"))+"\n"))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--max-bad", "101"}, "--max-bad: 101 is no percentage"},
		{nil, "stopped: 2 of the 3 items of the corpus are bad, more than 5 %; --max-bad sets how many may be"},
		{[]string{"--max-bad", "0"}, "more than 0 %; --max-bad"},
	} {
		r := run(t, append([]string{"train", "--preset", "tiny", "--dataset", "@" + list, "--log-dir", dir}, test.args...)...)
		if r.code == 0 || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%v: exit %d: %s, want %s", test.args, r.code, r.stderr, test.want)
		}
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// TestTrainInitPreset: a preset with --init is one for trained weights; a --config is taken as it is.
func TestTrainInitPreset(t *testing.T) {
	config := filepath.Join(t.TempDir(), "base.json")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--preset", "base"}, `"lr": 0.001,`},
		{[]string{"--preset", "base", "--init", "default"}, `"lr": 0.0001,`},
		{[]string{"--config", config, "--init", "default"}, `"lr": 0.001,`},
	} {
		r := run(t, append([]string{"train", "--print-config"}, test.args...)...)
		if r.code != 0 || !strings.Contains(r.stdout, test.want) {
			t.Errorf("%q: exit %d, no %s: %s%s", test.args, r.code, test.want, r.stdout, r.stderr)
		}
		if len(test.args) == 2 {
			write(t, config, []byte(r.stdout))
		}
	}
}
