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
