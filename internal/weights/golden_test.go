package weights

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The golden checkpoints are files that torch.save wrote, in both container
// formats, with the values that a reader must return.

// goldenDir is a variable of the environment, so that other files of the same
// form can be tested without a change.
func goldenDir() string {
	if dir := os.Getenv("FACODEC_GOLDEN"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "testdata", "golden")
}

// expectedTensor is the expected content of a tensor.
type expectedTensor struct {
	DType  string    `json:"dtype"`
	Shape  []int     `json:"shape"`
	Values []float64 `json:"values"`
}

// readExpected returns the expected tensors by "<network>/<key>", and the other
// values that stand beside the networks.
func readExpected(t *testing.T, dir string) (map[string]expectedTensor, map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint_expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var tensors map[string]expectedTensor
	if err := json.Unmarshal(all["net"], &tensors); err != nil {
		t.Fatal(err)
	}
	delete(all, "net")
	values := map[string]any{}
	for key, text := range all {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		values[key] = v
	}
	if len(tensors) == 0 {
		t.Fatal("no tensors are expected")
	}
	return tensors, values
}

func TestGoldenCheckpoints(t *testing.T) {
	dir := goldenDir()
	expected, expectedValues := readExpected(t, dir)
	var paths []string
	for _, ending := range []string{"pth", "bin", "t7"} {
		found, err := filepath.Glob(filepath.Join(dir, "checkpoint_*."+ending))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		t.Fatalf("no checkpoints in %s", dir)
	}
	read := map[string]bool{} // what any file was compared with
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			root, ok := f.Root().(*Dict)
			if !ok {
				t.Fatalf("the root is a %T", f.Root())
			}
			networks, values := root, map[string]any{}
			if net, ok := root.Lookup("net"); ok {
				networks = net.(*Dict)
				values = expectedValues
			}
			for key, want := range values {
				got := f.Values()[key]
				if n, ok := got.(int64); ok {
					got = float64(n) // as JSON has it
				}
				if got != want {
					t.Errorf("%s: %v, want %v", key, got, want)
				}
				read["."+key] = true
			}
			checkGoldenTree(t, networks, expected, read)
			checkGoldenNames(t, f, expected)
		})
	}
	for key := range expected {
		if !read[key] {
			t.Errorf("expected value %s: no file was compared with it", key)
		}
	}
	for key := range expectedValues {
		if !read["."+key] {
			t.Errorf("expected value %s: no file was compared with it", key)
		}
	}
}

// checkGoldenTree compares the networks as the file has them.
func checkGoldenTree(t *testing.T, networks *Dict, expected map[string]expectedTensor, read map[string]bool) {
	t.Helper()
	found := map[string]bool{}
	for i, network := range networks.Keys {
		prefix, state := network.(string)+"/", networks
		switch v := networks.Values[i].(type) {
		case *Dict:
			state = v
		case *Tensor: // a flat state dict
			prefix, state = "", &Dict{Keys: []any{network}, Values: []any{v}}
		default:
			t.Errorf("%v: a %T, want a dict", network, v)
			continue
		}
		for j, key := range state.Keys {
			name := prefix + key.(string)
			want, ok := expected[name]
			if !ok {
				t.Errorf("%s: no values are expected", name)
				continue
			}
			checkGoldenTensor(t, name, state.Values[j].(*Tensor), want)
			found[name], read[name] = true, true
		}
	}
	for name := range expected {
		if !found[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

// checkGoldenNames compares what is found under the canonical names.
func checkGoldenNames(t *testing.T, f *File, expected map[string]expectedTensor) {
	t.Helper()
	canonical := map[string]expectedTensor{}
	renamed := strings.NewReplacer(
		"/module.", ".", "/", ".",
		".parametrizations.weight.original0", ".weight_g",
		".parametrizations.weight.original1", ".weight_v")
	for name, want := range expected {
		canonical[renamed.Replace(strings.TrimPrefix(name, "module."))] = want
	}
	if got, want := f.Names(), slices.Sorted(maps.Keys(canonical)); !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
	for name, want := range canonical {
		if x, ok := f.Lookup(name); !ok {
			t.Errorf("%s is missing", name)
		} else if x.Name != name {
			t.Errorf("%s is called %s", name, x.Name)
		} else {
			checkGoldenTensor(t, name, x, want)
		}
	}
}

func checkGoldenTensor(t *testing.T, name string, got *Tensor, want expectedTensor) {
	t.Helper()
	if d := "torch." + dtypes[got.DType].torch; d != want.DType {
		t.Errorf("%s: %s, want %s", name, d, want.DType)
	}
	if !slices.Equal(got.Shape, want.Shape) {
		t.Errorf("%s: shape %v, want %v", name, got.Shape, want.Shape)
	}
	wide, err := got.Float64()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(wide, want.Values) {
		t.Errorf("%s: %v, want %v", name, wide, want.Values)
	}
	narrow, err := got.Float32()
	if err != nil {
		t.Fatal(err)
	}
	if len(narrow) != len(want.Values) {
		t.Fatalf("%s: %d values, want %d", name, len(narrow), len(want.Values))
	}
	for i, v := range want.Values {
		if narrow[i] != float32(v) {
			t.Errorf("%s[%d] = %v, want %v", name, i, narrow[i], float32(v))
		}
	}
}
