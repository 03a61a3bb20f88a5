package golden

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/npz"
)

// A recorder is a test that may fail without ours failing.
type recorder struct {
	testing.TB
	messages []string
}

type stopped struct{}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(stopped{})
}
func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

// messages runs f and returns what it failed with, joined.
func messages(f func(t testing.TB)) string {
	r := &recorder{}
	func() {
		defer func() {
			if v := recover(); v != nil && v != (stopped{}) {
				panic(v)
			}
		}()
		f(r)
	}()
	return strings.Join(r.messages, "; ")
}

// The committed files can be read, whole, and are found from any package.
func TestLoadGolden(t *testing.T) {
	for _, path := range Files(t, "*.npz") {
		c := Load(t, path)
		if len(c.Names()) == 0 {
			t.Errorf("%s is empty", c.Name)
		}
		for _, name := range c.Names() {
			n := 1
			for _, d := range c.Shape(name) {
				n *= d
			}
			a := c.arrays[name]
			if a.Len() != n {
				t.Errorf("%s: %s has %d elements and shape %v", c.Name, name, a.Len(), a.Shape)
			}
			for i, v := range a.F32 {
				if math.IsNaN(float64(v)) {
					t.Fatalf("%s: %s[%d] is NaN", c.Name, name, i)
				}
			}
		}
	}
}

// Values that numpy.load shows, one array in each order and of each type.
func TestGoldenValues(t *testing.T) {
	if os.Getenv("FACODEC_GOLDEN") != "" {
		t.Skip("the values are those of the committed files")
	}
	c := Load(t, filepath.Join(Dir(t), "redecoder_40.npz"))
	codes, shape := c.Ints("codes_content")
	if !reflect.DeepEqual(shape, []int{2, 40}) || !reflect.DeepEqual(codes[:4], []int64{0, 53, 106, 159}) {
		t.Errorf("codes %v %v", shape, codes[:4])
	}
	mel, shape := Load(t, filepath.Join(Dir(t), "features.npz")).F32("logmel_24000")
	if want := []float32{1.5477307, 1.1969389, 0.21458596, 0.33650917}; !reflect.DeepEqual(shape, []int{80, 81}) || !reflect.DeepEqual(mel[:4], want) {
		t.Errorf("mel, which lies there column by column: %v %v", shape, mel[:4])
	}
}

func writeCase(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "case.npz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := npz.NewWriter(f)
	for name, data := range map[string]any{"f": []float32{1, 2}, "d": []float64{3, 4}, "i": []int32{5, 6}} {
		if err := w.Write(name, []int{2, 1}, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write("loss", nil, []float64{0.5}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCase(t *testing.T) {
	path := writeCase(t, t.TempDir())
	c := Load(t, path)
	if c.Name != "case" || !c.Has("f") || c.Has("g") {
		t.Errorf("case %q with %v", c.Name, c.Names())
	}
	c.t = &recorder{}
	undone := func(ignore func(string) bool) string {
		return messages(func(t testing.TB) { c.t = t; c.Done(ignore) })
	}
	for _, name := range []string{"f", "d", "i", "loss"} {
		if want := fmt.Sprintf("case: array %q was not compared with anything", name); !strings.Contains(undone(nil), want) {
			t.Errorf("Done says %q", undone(nil))
		}
	}
	if got, shape := c.F32("f"); !reflect.DeepEqual(got, []float32{1, 2}) || !reflect.DeepEqual(shape, []int{2, 1}) {
		t.Errorf("f: %v %v", got, shape)
	}
	if got, _ := c.F32("d"); !reflect.DeepEqual(got, []float32{3, 4}) {
		t.Errorf("d: %v", got)
	}
	if got, _ := c.Ints("i"); !reflect.DeepEqual(got, []int64{5, 6}) {
		t.Errorf("i: %v", got)
	}
	if msg := undone(func(name string) bool { return name == "loss" }); msg != "" {
		t.Errorf("Done says %q", msg)
	}
	if undone(nil) != `case: array "loss" was not compared with anything` {
		t.Errorf("Done says %q", undone(nil))
	}
	if got := c.Scalar("loss"); got != 0.5 {
		t.Errorf("loss: %v", got)
	}
	if undone(nil) != "" {
		t.Errorf("Done says %q", undone(nil))
	}
	for want, f := range map[string]func(){
		`no array "x"`:             func() { c.F32("x") },
		"is int32, not a float":    func() { c.F32("i") },
		"is float32, not an int":   func() { c.Ints("f") },
		"shape [2 1], not one elt": func() { c.Scalar("f") },
	} {
		want = strings.Replace(want, "elt", "element", 1)
		if msg := messages(func(t testing.TB) { c.t = t; f() }); !strings.Contains(msg, want) {
			t.Errorf("message %q, want %q", msg, want)
		}
	}
}

func TestFilesAndEnvironment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]*c")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip("no such names here: ", err)
	}
	t.Setenv("FACODEC_GOLDEN", dir)
	if Dir(t) != dir {
		t.Errorf("Dir = %s", Dir(t))
	}
	if msg := messages(func(t testing.TB) { Files(t, "*.npz") }); !strings.Contains(msg, "no golden file *.npz in") {
		t.Errorf("an empty folder: %q", msg)
	}
	if msg := messages(func(t testing.TB) { Load(t, filepath.Join(dir, "x.npz")) }); msg == "" {
		t.Error("a missing file passes")
	}
	path := writeCase(t, dir)
	if got := Files(t, "c*.npz"); !reflect.DeepEqual(got, []string{path}) {
		t.Errorf("Files = %v", got)
	}
	t.Setenv("FACODEC_GOLDEN", filepath.Join(dir, "none"))
	if msg := messages(func(t testing.TB) { Dir(t) }); !strings.Contains(msg, "is not there") {
		t.Errorf("a missing folder: %q", msg)
	}
	t.Setenv("FACODEC_GOLDEN_SEED", "")
	if Seed(t) != 0 {
		t.Errorf("Seed = %d", Seed(t))
	}
	t.Setenv("FACODEC_GOLDEN_SEED", "18446744073709551615")
	if Seed(t) != math.MaxUint64 {
		t.Errorf("Seed = %d", Seed(t))
	}
	t.Setenv("FACODEC_GOLDEN_SEED", "-1")
	if msg := messages(func(t testing.TB) { Seed(t) }); !strings.Contains(msg, "not a whole number") {
		t.Errorf("a bad seed: %q", msg)
	}
}

func TestClose(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	want := []float32{3, -4, 0, 5}
	for _, tc := range []struct {
		name      string
		got, want []float32
		tol       float64
		message   string // "" passes
	}{
		{"equal", want, want, 0, ""},
		{"zeros", []float32{0, 0}, []float32{0, 0}, 0, ""},
		{"empty", nil, nil, 0, ""},
		{"near", []float32{3, -4, 0.001, 5}, want, 2e-4, ""},
		{"far", []float32{3, -4, 0.001, 5}, want, 1e-4, "relative RMS error 0.000141, want at most 0.0001; rms 3.54; 1 of 4 are off, first [2]: got 0.001, want 0; worst [2]: got 0.001, want 0 (error 0.001)"},
		{"two", []float32{3.1, -4, 1, 5}, want, 1e-4, "2 of 4 are off, first [0]: got 3.1, want 3; worst [2]: got 1, want 0 (error 1)"},
		{"NaN", []float32{3, -4, 0, nan}, want, 1, "first [3]: got NaN, want 5"},
		{"Inf", []float32{3, inf, 0, 5}, want, 1, "first [1]: got +Inf, want -4"},
		{"Inf for Inf", []float32{inf}, []float32{inf}, 1, "got +Inf, want +Inf"},
		{"not zero", []float32{1e-9}, []float32{0}, 1, "relative RMS error +Inf"},
		{"length", []float32{3, -4}, want, 1, "2 values, want 4"},
	} {
		msg := messages(func(t testing.TB) {
			if Close(t, "x", tc.got, tc.want, tc.tol) != (tc.message == "") {
				t.Errorf("Close returns the wrong thing")
			}
		})
		if tc.message == "" && msg != "" || !strings.Contains(msg, tc.message) || strings.Contains(msg, "wrong thing") {
			t.Errorf("%s: message %q, want %q", tc.name, msg, tc.message)
		}
	}
}

func TestEqual(t *testing.T) {
	if msg := messages(func(t testing.TB) { Equal(t, "codes", []int64{1, 2, 3}, []int64{1, 2, 3}) }); msg != "" {
		t.Error(msg)
	}
	if msg := messages(func(t testing.TB) { Equal(t, "codes", []int64{1, 5, 6}, []int64{1, 2, 3}) }); msg != "codes: 2 of 3 differ, first [1]: got 5, want 2" {
		t.Error(msg)
	}
	if msg := messages(func(t testing.TB) { Equal(t, "codes", []int64{1}, []int64{}) }); msg != "codes: 1 values, want 0" {
		t.Error(msg)
	}
	if msg := messages(func(t testing.TB) {
		SameShape(t, "z", []int{1, 2}, []int{1, 2})
		SameShape(t, "z", []int{1, 2}, []int{2, 1})
	}); msg != "z: shape [1 2], want [2 1]" {
		t.Error(msg)
	}
}
