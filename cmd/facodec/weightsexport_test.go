package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/weights"
)

// TestExport: what is left of a training checkpoint, what is said of it, and that
// info tells networks from the state of a run.
func TestExport(t *testing.T) {
	dir := t.TempDir()
	small := openFile(t, fixture("small.safetensors"))
	arrays := weights.ArraysOf(small)
	for _, name := range []string{"fa_predictors.a.bias", "train.encoder.a.bias", "adamw.m.encoder.a.bias", "adamw.v.encoder.a.bias"} {
		arrays = append(arrays, weights.Array{Name: name, Shape: []int{3}, Values: func() ([]float32, error) { return []float32{1, 2, 3}, nil }})
	}
	training := filepath.Join(dir, "training.safetensors")
	notes := map[string]string{"config": small.Metadata()["config"], "iters": "12000", "epoch": "4", "train_state": "{}"}
	if err := weights.WriteSafetensors(training, arrays, notes, nil); err != nil {
		t.Fatal(err)
	}

	text := succeed(t, "info", training).stdout
	for _, want := range []string{
		"training       step 12,000, epoch 4\n", "\n    encoder ", ", runs\n", "fa_predictors        3 in 1 tensor F32, training only\n",
		"\n  to continue training; facodec weights export leaves it out\n",
		"\n    adamw  6 in 2 tensors F32, moments of the optimizers\n",
		"\n    train  3 in 1 tensor F32, the networks that learn; those above are their running means\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("info says no %q:\n%s", want, text)
		}
	}
	if list := succeed(t, "info", "--tensors", training).stdout; !strings.Contains(list, "\nadamw.v.encoder.a.bias ") {
		t.Errorf("not every tensor is listed:\n%s", list)
	}

	st, pt := filepath.Join(dir, "a.safetensors"), filepath.Join(dir, "b.pth")
	r := succeed(t, "weights", "export", training, st)
	if !strings.Contains(r.stderr, "left out: [adamw fa_predictors train train_*]") || strings.Contains(r.stderr, "small already") {
		t.Errorf("stderr: %s", r.stderr)
	}
	if r := succeed(t, "weights", "export", st, pt); !strings.Contains(r.stderr, "a.safetensors holds nothing but networks that run: it was small already") {
		t.Errorf("stderr: %s", r.stderr)
	}
	sameTensors(t, openFile(t, st), small)
	sameTensors(t, openFile(t, pt), small)
	if text := succeed(t, "info", pt).stdout; strings.Contains(text, "to continue training") || !strings.Contains(text, "step 12,000, epoch 4") {
		t.Errorf("info of the export:\n%s", text)
	}
	if r := succeed(t, "weights", "export", training, st); !strings.Contains(r.stderr, "exists and is kept") {
		t.Errorf("stderr: %s", r.stderr)
	}
	fail(t, "is the input", "weights", "export", "--force", training, training)
}

// TestExportDType: half the size, and what is no type.
func TestExportDType(t *testing.T) {
	in, out := fixture("small.safetensors"), filepath.Join(t.TempDir(), "a.safetensors")
	succeed(t, "weights", "export", "--dtype", "f16", in, out)
	if text := succeed(t, "info", out).stdout; !strings.Contains(text, " F16,F32, runs\n") && !strings.Contains(text, " F32,F16, runs\n") {
		t.Errorf("info of the export:\n%s", text)
	}
	if r := succeed(t, "weights", "export", "--dtype", "int8", "--force", in, out); strings.Contains(r.stderr, "small already") {
		t.Errorf("stderr: %s", r.stderr)
	}
	fail(t, `--dtype "int4": want f32, f16, bf16 or int8`, "weights", "export", "--dtype", "int4", in, out)
}
