package weights

import (
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// someArrays covers the shapes that matter, with values that must survive.
func someArrays() []Array {
	special := []float32{0, float32(math.Copysign(0, -1)), 1, float32(math.Inf(1)), math.SmallestNonzeroFloat32, math.MaxFloat32}
	var arrays []Array
	for i, shape := range [][]int{{6}, {2, 3}, {}, {0, 3}, {3, 0}, {1, 6, 1}} {
		n, _ := elements(shape, 4)
		arrays = append(arrays, Array{Name: "net" + string(rune('a'+i%2)) + ".k." + string(rune('0'+i)), Shape: shape,
			Values: func() ([]float32, error) { return special[:n], nil }})
	}
	return append(arrays, Array{Name: "neta.steps", DType: I64, Shape: []int{2},
		Values: func() ([]float32, error) { return []float32{7, -12345}, nil }})
}

func TestWriteAndRead(t *testing.T) {
	for _, c := range []struct {
		name, format string
		write        func(path string, arrays []Array, progress func(done, total int64)) error
	}{
		{"safetensors", "safetensors", func(path string, arrays []Array, progress func(int64, int64)) error {
			return WriteSafetensors(path, arrays, map[string]string{"config": `{"a": "<å>"}`}, progress)
		}},
		{"torch", "PyTorch zip", func(path string, arrays []Array, progress func(int64, int64)) error {
			return WriteTorch(path, arrays, Layout{Values: map[string]any{
				"iters": 12, "big": int64(1) << 40, "lr": 0.5, "yes": true, "no": false, "none": nil, "note": "å"}}, progress)
		}},
		{"torch, flat", "PyTorch zip", func(path string, arrays []Array, progress func(int64, int64)) error {
			return WriteTorch(path, arrays, Layout{Flat: true}, progress)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			var done, total int64
			if err := c.write(path, someArrays(), func(d, all int64) { done, total = d, all }); err != nil {
				t.Fatal(err)
			}
			if done != total || total != 4*(6+6+1+6)+16 {
				t.Errorf("progress ended at %d of %d", done, total)
			}
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if f.Format() != c.format {
				t.Errorf("a file of %s", f.Format())
			}
			checkArrays(t, f, someArrays())
			exercise(t, f)
			switch c.name {
			case "safetensors":
				if !maps.Equal(f.Metadata(), map[string]string{"config": `{"a": "<å>"}`}) {
					t.Errorf("metadata %v", f.Metadata())
				}
			case "torch":
				want := map[string]any{"iters": int64(12), "epoch": int64(0), "big": int64(1) << 40,
					"lr": 0.5, "yes": true, "no": false, "none": nil, "note": "å"}
				if !maps.Equal(f.Values(), want) {
					t.Errorf("values %v, want %v", f.Values(), want)
				}
			}
			// A file made of the file is the same file.
			again := filepath.Join(t.TempDir(), "again")
			if err := c.write(again, ArraysOf(f), nil); err != nil {
				t.Fatal(err)
			}
			g, err := Open(again)
			if err != nil {
				t.Fatal(err)
			}
			checkArrays(t, g, someArrays())
			for _, open := range []*File{f, g} {
				if err := open.Close(); err != nil {
					t.Error(err)
				}
			}
			if x, _ := f.Lookup("neta.k.0"); x != nil {
				if _, err := x.Float32(); !errors.Is(err, os.ErrClosed) {
					t.Errorf("reading from a closed file: %v", err)
				}
				x.Release()
			}
			if err := f.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("closing twice: %v", err)
			}
		})
	}
}

func checkArrays(t *testing.T, s Source, arrays []Array) {
	t.Helper()
	var names []string
	for _, a := range arrays {
		names = append(names, a.Name)
		x, ok := s.Lookup(a.Name)
		if !ok {
			t.Errorf("%s is missing", a.Name)
			continue
		}
		want, _ := a.Values()
		got, err := x.Float32()
		if err != nil || !slices.Equal(got, want) || !slices.Equal(x.Shape, a.Shape) || x.DType != a.DType {
			t.Errorf("%s: %s %v %v, %v", a.Name, x.DType, x.Shape, got, err)
		}
	}
	slices.Sort(names)
	if !slices.Equal(s.Names(), names) {
		t.Errorf("names %q, want %q", s.Names(), names)
	}
}

// TestViews holds the promise that full-size weights are never copied.
func TestViews(t *testing.T) {
	for _, ending := range []string{"safetensors", "pth"} {
		path := filepath.Join(t.TempDir(), "x."+ending)
		source := NewRandom(0, []Spec{{"a.x", []int{3, 5}}, {"a.y", []int{70, 1000}}, {"b.z", []int{7}}})
		var err error
		if ending == "pth" {
			err = WriteTorch(path, ArraysOf(source), Layout{}, nil)
		} else {
			err = WriteSafetensors(path, ArraysOf(source), nil, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		start := uintptr(unsafe.Pointer(unsafe.SliceData(f.content.data)))
		for _, name := range f.Names() {
			x, _ := f.Lookup(name)
			values, err := x.Float32()
			if err != nil {
				t.Fatal(err)
			}
			at := uintptr(unsafe.Pointer(&values[0]))
			if at < start || at >= start+uintptr(f.Size()) {
				t.Errorf("%s: %s is a copy", ending, name)
			}
			if ending == "pth" && at%64 != 0 {
				t.Errorf("%s: %s is not aligned", ending, name)
			}
			x.Release() // the view reads the pages back
			want, _ := source.Lookup(name)
			if expected, _ := want.Float32(); !slices.Equal(values, expected) {
				t.Errorf("%s: %s changed", ending, name)
			}
		}
	}
}

func TestWriteFaults(t *testing.T) {
	array := func(name string, shape []int, values ...float32) Array {
		return Array{Name: name, Shape: shape, Values: func() ([]float32, error) { return values, nil }}
	}
	broken := array("n.x", []int{1})
	broken.Values = func() ([]float32, error) { return nil, errors.New("stopped") }
	half := array("n.x", []int{1}, 1)
	half.DType = I32
	for _, c := range []struct {
		arrays []Array
		want   string
	}{
		{[]Array{array("n.x", []int{1}, 1), array("n.x", []int{1}, 1)}, "n.x occurs twice"},
		{[]Array{array("n.x", []int{2}, 1)}, "n.x: 1 value for shape [2]"},
		{[]Array{array("n.x", []int{-2})}, "negative"},
		{[]Array{array("", nil, 1)}, "cannot be the name"},
		{[]Array{array("__metadata__", nil, 1)}, "cannot be the name"},
		{[]Array{array("n.y", []int{1}, 1), broken}, "n.x: stopped"},
		{[]Array{half}, "writing I32 is not supported"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		wantError(t, WriteSafetensors(path, c.arrays, nil, nil), path, c.want)
		wantError(t, WriteTorch(path, c.arrays, Layout{}, nil), path, c.want)
		if old, _ := os.ReadFile(path); string(old) != "old" {
			t.Errorf("%s: the old file is gone", c.want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s: left behind %v", c.want, entries)
		}
	}
	path := filepath.Join(t.TempDir(), "out")
	wantError(t, WriteTorch(path, []Array{array("x", nil, 1)}, Layout{}, nil), "x: the name has no network in front")
	wantError(t, WriteTorch(path, nil, Layout{Values: map[string]any{"x": []int{1}}}, nil), "x: writing a []int is not supported")
	wantError(t, WriteTorch(path, nil, Layout{Values: map[string]any{"net": 1}}, nil), `"net"`)
	missing := filepath.Join(t.TempDir(), "missing", "out")
	if err := WriteTorch(missing, nil, Layout{}, nil); err == nil || strings.Contains(err.Error(), ".tmp-") {
		t.Error(err)
	}
}

// TestFill: elements of any type are written in pieces, and as many as the shape
// says.
func TestFill(t *testing.T) {
	filled := func(dtype DType, shape []int, pieces ...string) Array {
		return Array{Name: "x", Shape: shape, DType: dtype, Fill: func(w io.Writer) error {
			for _, piece := range pieces {
				if _, err := io.WriteString(w, piece); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	wide := filled(I32, []int{2}, "\x01\x00\x00\x00\xff", "\xff\xff\xff")
	wide.Name = "y"
	if err := WriteSafetensors(path, []Array{filled(F16, []int{1, 3}, "\x00\x3c", "\x00\xc0\x00\x00"), wide}, nil, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, want := range map[string][]float32{"x": {1, -2, 0}, "y": {1, -1}} {
		x, _ := f.Lookup(name)
		if got, err := x.Float32(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	for _, pieces := range [][]string{{"\x00"}, {"\x00\x00\x00"}, nil} {
		err := WriteSafetensors(path, []Array{filled(F16, []int{1}, pieces...)}, nil, nil)
		if err == nil || !strings.Contains(err.Error(), " for F16 [1], which takes 2") {
			t.Errorf("%q: %v", pieces, err)
		}
	}
	broken := errors.New("broken")
	a := Array{Name: "x", DType: U8, Fill: func(io.Writer) error { return broken }}
	if err := WriteSafetensors(path, []Array{a}, nil, nil); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// TestWriteNarrow: values are rounded to the nearest of 16 bits, ties to even, and one
// that would become infinite is an error.
func TestWriteNarrow(t *testing.T) {
	for _, c := range []struct {
		dtype    DType
		in, want float32
	}{
		{F16, 1 + 0x1p-11, 1}, {F16, 1 + 3*0x1p-11, 1 + 0x1p-9}, {F16, 0x1p-25, 0}, {F16, 65504, 65504}, {F16, -0.1, -0.099975586},
		{BF16, 1 + 0x1p-8, 1}, {BF16, 1 + 3*0x1p-8, 1 + 0x1p-6}, {BF16, -1e-40, -0x1p-133}, {BF16, 65504, 65536},
		{F16, 65520, 0}, {F16, -1e9, 0}, {BF16, math.MaxFloat32, 0}, // 0: an error
	} {
		array := []Array{{Name: "a.b", Shape: []int{2}, DType: c.dtype, Values: func() ([]float32, error) { return []float32{c.in, 0}, nil }}}
		st, pt := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
		for path, err := range map[string]error{st: WriteSafetensors(st, array, nil, nil), pt: WriteTorch(pt, array, Layout{}, nil)} {
			if c.want == 0 && c.in > 1e-6 || c.in < -1e8 {
				if err == nil || !strings.Contains(err.Error(), "a.b: ") || !strings.Contains(err.Error(), "is beyond "+c.dtype.String()) {
					t.Errorf("%v to %s: %v", c.in, c.dtype, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			tensor, _ := f.Lookup("a.b")
			if got, err := tensor.Float32(); err != nil || tensor.DType != c.dtype || got[0] != c.want || got[1] != 0 {
				t.Errorf("%v to %s: %v of %s, %v; want %v", c.in, c.dtype, got, tensor.DType, err, c.want)
			}
			f.Close()
		}
	}
}
