package weights

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// The files of testdata/interop are what torch and safetensors write
// (scripts/interop/fixtures.py), with the values that torch itself reads back. A
// variable of the environment names those of other versions.
var interop = cmp.Or(os.Getenv("FACODEC_INTEROP"), filepath.Join("testdata", "interop"))

// openInterop opens a fixture.
func openInterop(t *testing.T, name string) *File {
	t.Helper()
	f, err := Open(filepath.Join(interop, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestInteropKinds(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(interop, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected struct {
		Numbers map[string]struct {
			Shape  []int
			Values []string
		}
		Opaque map[string][]int
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range []string{"kinds.pth", "kinds_legacy.pth", "types.safetensors"} {
		f := openInterop(t, file)
		exercise(t, f)
		for name, want := range expected.Numbers {
			x, ok := f.Lookup("encoder." + name)
			if !ok {
				x, ok = f.Lookup(name) // safetensors has them without a network
			}
			if !ok {
				continue
			}
			compared++
			got, err := x.Float64()
			if err != nil || !slices.Equal(x.Shape, want.Shape) || len(got) != len(want.Values) {
				t.Errorf("%s: %s: shape %v, %d values, %v", file, name, x.Shape, len(got), err)
				continue
			}
			for i, text := range want.Values {
				v, err := strconv.ParseFloat(text, 64)
				if err != nil {
					t.Fatal(err)
				}
				if got[i] != v && !(math.IsNaN(got[i]) && math.IsNaN(v)) || math.Signbit(got[i]) != math.Signbit(v) && v == 0 {
					t.Errorf("%s: %s[%d] is %v, torch says %s", file, name, i, got[i], text)
				}
			}
		}
	}
	if want := len(expected.Numbers); compared < want+8 {
		t.Errorf("%d tensors compared, of %d", compared, want)
	}
	f := openInterop(t, "kinds.pth")
	for name, shape := range expected.Opaque {
		x, ok := f.Lookup("encoder." + name)
		if !ok {
			t.Errorf("%s is not there", name)
			continue
		}
		if !slices.Equal(x.Shape, shape) {
			t.Errorf("%s has shape %v, want %v", name, x.Shape, shape)
		}
		for _, err := range []error{x.Err(), errOf(x.Float32()), errOf(x.Float64())} {
			if !errors.Is(err, ErrOpaque) {
				t.Errorf("%s: %v", name, err)
			}
			wantError(t, err, "encoder."+name+": ")
		}
	}
	for _, name := range []string{"complex64", "float4"} {
		if x, ok := openInterop(t, "types.safetensors").Lookup(name); !ok || !errors.Is(x.Err(), ErrOpaque) {
			t.Errorf("types.safetensors: %s: %v", name, ok)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestInteropValues(t *testing.T) {
	values := openInterop(t, "kinds.pth").Values()
	for key, want := range map[string]any{
		"layout": "torch.sparse_coo", "strided": "torch.strided", "dtype": "torch.bfloat16", "scheme": "torch.per_tensor_affine",
		"device": "cuda:1", "bytearray": Bytes("\x00\xff"), "bytes": Bytes("\x00\xff"), "complex": 1 + 2i,
		"surrogate": "caf\ufffd.wav", "none": nil, "iters": int64(7),
	} {
		if got, ok := values[key]; !ok || got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	dtypes, _ := values["dtypes"].(*List)
	if dtypes == nil || !slices.Equal(dtypes.Items, []any{"torch.uint16", "torch.complex64", "torch.float8_e5m2", "torch.quint8"}) {
		t.Errorf("dtypes are %v", values["dtypes"])
	}
	counted, ok := openInterop(t, "defaultdict.pth").Values()["defaultdict"].(*Dict)
	if !ok || counted.Len() != 1 {
		t.Error(counted)
	}
}

// TestInteropContainers opens one codec in all the ways that trainers keep it.
func TestInteropContainers(t *testing.T) {
	codec := []string{"decoder.block.0.weight", "encoder.block.0.weight", "quantizer.q.0.weight"}
	for _, c := range []struct {
		path  string
		names []string
	}{
		{"wrapped.safetensors", codec[:2]},
		{"lightning.ckpt", codec},
		{"deepspeed.pt", codec},
		{"model_of_networks.pt", []string{"decoder.a", "encoder.a"}},
		{"accelerate", codec},
		{"sharded", codec},
		{"sharded/model.safetensors.index.json", codec},
		{"sharded_bin", codec},
	} {
		f := openInterop(t, c.path)
		if got := f.Names(); !slices.Equal(got, c.names) {
			t.Errorf("%s: names %q, want %q", c.path, got, c.names)
			continue
		}
		if f.Flat() {
			t.Errorf("%s: is said to have no networks", c.path)
		}
		if f.Size() == 0 || f.Format() == "" {
			t.Errorf("%s: %d bytes of format %q", c.path, f.Size(), f.Format())
		}
		exercise(t, f)
		if len(c.names) == 3 { // their values are 1, 0 and 2
			for i, want := range []float32{1, 0, 2} {
				if got, err := f.tensors[c.names[i]].Float32(); err != nil || got[0] != want {
					t.Errorf("%s: %s is %v, %v", c.path, c.names[i], got, err)
				}
			}
		}
	}
	values := openInterop(t, "lightning.ckpt").Values()
	if values["epoch"] != int64(3) || values["optimizer_states"] == nil || len(values) != 4 {
		t.Error(values)
	}
}
