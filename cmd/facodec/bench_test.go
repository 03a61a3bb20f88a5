package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBench(t *testing.T) {
	config := filepath.Join(t.TempDir(), "small.json")
	small := `{"model_params": {"latent_dim": 24, "codebook_size": 32, "codebook_dim": 4, "prosody_hidden_dim": 16,
		"prosody_layers": 2, "timbre_hidden_dim": 16, "DAC": {"encoder_dim": 2, "decoder_dim": 32}}}`
	if err := os.WriteFile(config, []byte(small), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := execute(context.Background(), []string{"bench", "--config", config, "--seconds", "1.5", "--runs", "2", "--threads", "2", "--json"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	var r benchReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Seconds != 1.5 || r.Threads != 2 || r.RealTimeFactor <= 0 || r.GFLOPS <= 0 || r.Kernels == "" {
		t.Errorf("report %+v", r)
	}
	var sum float64
	names := map[string]bool{}
	for _, p := range r.Sections {
		names[p.Name] = true
		sum += p.Share
		if p.MACs <= 0 || p.Elapsed <= 0 {
			t.Errorf("part %+v", p)
		}
	}
	for _, name := range []string{"timbre", "encoder", "prosody", "quantizer", "decoder"} {
		if !names[name] {
			t.Errorf("no part %s", name)
		}
	}
	if sum > 1.001 || sum < 0.5 {
		t.Errorf("the shares add up to %v", sum)
	}
	out.Reset()
	if code := execute(context.Background(), []string{"bench", "--config", config, "--seconds", "0.1", "--runs", "1"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if !strings.Contains(out.String(), "real-time factor") {
		t.Errorf("printed %q", out.String())
	}
	if code := execute(context.Background(), []string{"bench", "--seconds", "-1"}, &out, &errs); code != exitFailed {
		t.Errorf("exit code %d for negative seconds", code)
	}
}
