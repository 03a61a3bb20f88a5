package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
)

func TestBench(t *testing.T) {
	config := filepath.Join(t.TempDir(), "small.json")
	small := `{"model_params": {"latent_dim": 24, "codebook_size": 32, "codebook_dim": 4, "prosody_hidden_dim": 16,
		"prosody_layers": 2, "timbre_hidden_dim": 16, "DAC": {"encoder_dim": 2, "decoder_dim": 32},
		"discriminator": {"periods": [2], "fft_sizes": [512]}}, "max_len": 20}`
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
	if r.WholeFile != r.RealTimeFactor || r.OneCore <= 0 || r.FrameRTF <= 0 || r.FrameP99 <= 0 || r.FourFrameRTF <= 0 ||
		r.PeakGFLOPS <= 0 || r.PeakRSS != float64(r.PeakMemory)/1e6 || r.Precision != facodec.DefaultPrecision {
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
	if r.TrainStep != 0 || strings.Contains(out.String(), "train_") {
		t.Errorf("a training step without --train: %s", out.String())
	}
	out.Reset()
	if code := execute(context.Background(), []string{"bench", "--config", config, "--seconds", "0.1", "--runs", "1", "--train", "--batch", "1", "--json"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.TrainStep <= 0 || r.TrainBatch != 1 || r.TrainPeakRSS < r.PeakRSS {
		t.Errorf("report %+v", r)
	}
	for _, args := range [][]string{{"--batch", "3"}, {"--train", "--batch", "0"}, {"--train", "--checkpoint-path", "default"}, {"--train", "--checkpoint-path", randomNS3}} {
		errs.Reset()
		if code := execute(context.Background(), append([]string{"bench"}, args...), &out, &errs); code == 0 || !strings.Contains(errs.String(), "--train") && !strings.Contains(errs.String(), "--batch") {
			t.Errorf("%v: exit code %d, %s", args, code, errs.String())
		}
	}
	out.Reset()
	if code := execute(context.Background(), []string{"bench", "--config", config, "--seconds", "0.1", "--runs", "1"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if !strings.Contains(out.String(), "real-time factor") {
		t.Errorf("printed %q", out.String())
	}
	for _, args := range [][]string{{"--model", "huge"}, {"--model", "tiny", "--config", config}, {"--model", "tiny", "--checkpoint-path", "default"}} {
		errs.Reset()
		if code := execute(context.Background(), append([]string{"bench"}, args...), &out, &errs); code == 0 || !strings.Contains(errs.String(), "--model") {
			t.Errorf("%v: exit code %d, %s", args, code, errs.String())
		}
	}
	for _, seconds := range []string{"-1", "0", "1e-9", "nan", "inf"} {
		if code := execute(context.Background(), []string{"bench", "--seconds", seconds}, &out, &errs); code != exitFailed {
			t.Errorf("exit code %d for %s seconds", code, seconds)
		}
	}
}
