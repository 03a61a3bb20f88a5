package facodec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/weights"
)

// rewritten writes the tensors of a checkpoint under other names, or with other
// values, and its metadata.
func rewritten(t *testing.T, path, name string, change func(*weights.Array)) string {
	t.Helper()
	f := opened(t, path)
	arrays := weights.ArraysOf(f)
	for i := range arrays {
		change(&arrays[i])
	}
	output := filepath.Join(t.TempDir(), name)
	if err := weights.WriteSafetensors(output, arrays, f.Metadata(), nil); err != nil {
		t.Fatal(err)
	}
	return output
}

// TestOpenForeign: what torch.compile, distributed training, Lightning and
// Accelerate make of a codec's checkpoint is the same codec.
func TestOpenForeign(t *testing.T) {
	small := smallCheckpoint(t, "small.safetensors", smallConfig, false)
	want, err := Describe(small)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(small)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fingerprint := c.TokensFingerprint()
	within := func(part string) func(string) string {
		return func(name string) string {
			parts := strings.Split(name, ".")
			return strings.Join(slices.Insert(parts, len(parts)/2, part), ".")
		}
	}
	front := func(s string) func(string) string { return func(name string) string { return s + name } }
	for title, rename := range map[string]func(string) string{
		"compiled":                  front("_orig_mod."),
		"distributed and compiled":  front("module._orig_mod."),
		"compiled and distributed":  front("_orig_mod.module."),
		"a part compiled":           within("_orig_mod"),
		"a part wrapped":            within("_fsdp_wrapped_module"),
		"a network compiled":        func(name string) string { return strings.Replace(name, ".", "._orig_mod.module.", 1) },
		"a Lightning module":        front("model."),
		"within a module of a task": front("task.codec._orig_mod."),
	} {
		path := rewritten(t, small, "x.safetensors", func(a *weights.Array) { a.Name = rename(a.Name) })
		for _, path := range []string{path, filepath.Join(filepath.Dir(path))} { // the file, and its folder
			c, err := Open(path)
			if err != nil {
				t.Errorf("%s: %v", title, err)
				continue
			}
			if c.TokensFingerprint() != fingerprint {
				t.Errorf("%s: other weights", title)
			}
			c.Close()
			if d, err := Describe(path); err != nil || d.Tensors != want.Tensors || len(d.Networks) != 3 || d.Problem != "" {
				t.Errorf("%s: %+v, %v", title, d, err)
			}
		}
	}
}

// TestNotFinite: weights of a run that diverged are refused by every way in, with
// the names of the first.
func TestNotFinite(t *testing.T) {
	small := smallCheckpoint(t, "small.safetensors", smallConfig, false)
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
		path := rewritten(t, small, "diverged.safetensors", func(a *weights.Array) {
			if strings.HasPrefix(a.Name, "decoder.") && strings.HasSuffix(a.Name, "weight_v") {
				values := a.Values
				a.Values = func() ([]float32, error) {
					v, err := values()
					v = slices.Clone(v)
					v[len(v)-1] = bad
					return v, err
				}
			}
		})
		_, err := Open(path)
		if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "decoder.model.0.conv.conv.weight_v") {
			t.Errorf("opened: %v", err)
		}
		output := filepath.Join(t.TempDir(), "out.pth")
		for _, write := range []func(context.Context, string, string, WeightsOptions) (WeightsReport, error){ConvertWeights, ExportWeights} {
			if _, err := write(context.Background(), path, output, WeightsOptions{}); !errors.Is(err, ErrNotFinite) {
				t.Errorf("written: %v", err)
			}
			if _, err := os.Stat(output); err == nil {
				t.Error("an output was written")
			}
		}
	}
}

// TestConvertLeavesStateOut: the optimizer of a training checkpoint is not
// converted, nor the networks that only it could move on.
func TestConvertLeavesStateOut(t *testing.T) {
	small := smallCheckpoint(t, "small.safetensors", smallConfig, false)
	output := filepath.Join(t.TempDir(), "out.pth")
	r, err := ConvertWeights(context.Background(), trainingCheckpoint(t, small), output, WeightsOptions{})
	if err != nil || !slices.Equal(r.LeftOut, []string{"adamw", "train", "train_*"}) {
		t.Errorf("left out %q, %v", r.LeftOut, err)
	}
	f := opened(t, output)
	if want := len(opened(t, small).Names()) + 2; len(f.Names()) != want { // and a predictor and a discriminator
		t.Errorf("%d tensors, want %d", len(f.Names()), want)
	}
	if _, ok := f.Values()["train_state"]; ok {
		t.Error("the state of the run came along")
	}
}

// TestConvertUnknown: what no command could open is not converted.
func TestConvertUnknown(t *testing.T) {
	dir := t.TempDir()
	values := func() ([]float32, error) { return []float32{1}, nil }
	for name, names := range map[string][]string{
		"another network": {"bert.embeddings.weight", "bert.pooler.bias"},
		"a discriminator": {"discriminator.mpd.weight"},
		"a pitch network": {"conv_block.0.weight"}, // with all else missing
		"nothing":         nil,
	} {
		input, output := filepath.Join(dir, "in.safetensors"), filepath.Join(dir, "out.pth")
		var arrays []weights.Array
		for _, n := range names {
			arrays = append(arrays, weights.Array{Name: n, Shape: []int{1}, Values: values})
		}
		if err := weights.WriteSafetensors(input, arrays, nil, nil); err != nil {
			t.Fatal(err)
		}
		_, err := ConvertWeights(context.Background(), input, output, WeightsOptions{})
		if !errors.Is(err, ErrTensors) || !strings.Contains(err.Error(), input) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(output); err == nil {
			t.Errorf("%s: an output was written", name)
		}
	}
}

// TestDescribeManyNetworks: the time to describe a checkpoint grows with its names,
// not with their square.
func TestDescribeManyNetworks(t *testing.T) {
	var arrays []weights.Array
	for i := range 60_000 {
		arrays = append(arrays, weights.Array{Name: fmt.Sprintf("n%d.x", i), Shape: []int{0}, Values: func() ([]float32, error) { return nil, nil }})
	}
	path := filepath.Join(t.TempDir(), "many.safetensors")
	if err := weights.WriteSafetensors(path, arrays, nil, nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d, err := Describe(path)
	if err != nil || len(d.Networks) != len(arrays) {
		t.Fatal(len(d.Networks), err)
	}
	if took := time.Since(began); took > 5*time.Second { // 0.2 s; the square took half a minute
		t.Errorf("%v", took)
	}
}
