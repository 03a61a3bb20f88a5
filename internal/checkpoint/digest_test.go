package checkpoint

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/facodec-go/facodec/internal/weights"
)

// TestDigest: a file is what was written, or it is damaged, wherever it differs.
func TestDigest(t *testing.T) {
	array := func(name string, values ...float32) weights.Array {
		return weights.Array{Name: name, Shape: []int{len(values)}, Values: func() ([]float32, error) { return values, nil }}
	}
	arrays := []weights.Array{array("b", 1, 2, 3), array("a", 4)}
	metadata := map[string]string{StepKey: "7", ConfigKey: "{}"}
	digest, err := Digest(metadata, arrays)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]struct {
		metadata map[string]string
		arrays   []weights.Array
		whole    bool
	}{
		"the same":       {nil, arrays, true},
		"another order":  {nil, []weights.Array{arrays[1], arrays[0]}, true},
		"another value":  {nil, []weights.Array{array("b", 1, 2, 4), array("a", 4)}, false},
		"a name":         {nil, []weights.Array{array("c", 1, 2, 3), array("a", 4)}, false},
		"one is missing": {nil, arrays[:1], false},
		"one too many":   {nil, append(arrays[:2:2], array("c", 1)), false},
		"metadata":       {map[string]string{StepKey: "8"}, arrays, false},
		"no digest":      {map[string]string{DigestKey: ""}, arrays, false},
	} {
		all := maps.Clone(metadata)
		all[DigestKey] = digest
		maps.Copy(all, k.metadata)
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := weights.WriteSafetensors(path, k.arrays, all, nil); err != nil {
			t.Fatal(err)
		}
		f, err := weights.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifyDigest(f); (err == nil) != k.whole || err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
	// Checkpoints of before have none.
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := weights.WriteSafetensors(path, arrays, metadata, nil); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	defer f.Close()
	if err := VerifyDigest(f); err != nil {
		t.Error(err)
	}
}
