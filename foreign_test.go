package facodec

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/describe"
	"github.com/facodec-go/facodec/internal/weights"
)

// rewritten writes the tensors of a checkpoint under other names, or with other
// values, and its metadata.
func rewritten(t *testing.T, path, name string, change func(*weights.Array)) string {
	t.Helper()
	f := codectest.Open(t, path)
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
	small := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	want, err := describe.Describe(small, "")
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
			if d, err := describe.Describe(path, ""); err != nil || d.Tensors != want.Tensors || len(d.Networks) != 3 || d.Problem != "" {
				t.Errorf("%s: %+v, %v", title, d, err)
			}
		}
	}
}

// TestNotFinite: weights of a run that diverged are refused by every way in, with
// the names of the first.
func TestNotFinite(t *testing.T) {
	small := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
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
		for _, write := range []func(context.Context, string, string, convert.Options) (convert.Report, error){convert.Convert, convert.Export} {
			if _, err := write(context.Background(), path, output, convert.Options{}); !errors.Is(err, ErrNotFinite) {
				t.Errorf("written: %v", err)
			}
			if _, err := os.Stat(output); err == nil {
				t.Error("an output was written")
			}
		}
	}
}
