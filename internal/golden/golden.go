// Package golden helps tests that compare with numbers which the public
// PyTorch sources computed (testdata/golden/README.md). Only tests import it.
//
// A golden test has Golden in its name, runs every file of its kind in the folder, and
// ends each with Done, so that an added file is tested without a change and no array is
// left uncompared.
package golden

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/npz"
)

// Dir returns the folder of golden files: FACODEC_GOLDEN, or testdata/golden of
// this module.
func Dir(t testing.TB) string {
	t.Helper()
	return folder(t, "FACODEC_GOLDEN", "golden")
}

// moduleRoot walks up from the tested package's folder, which is where tests run.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// Seed returns the seed of the weights behind the golden numbers:
// FACODEC_GOLDEN_SEED, or 0.
func Seed(t testing.TB) uint64 {
	t.Helper()
	s := os.Getenv("FACODEC_GOLDEN_SEED")
	if s == "" {
		return 0
	}
	seed, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("FACODEC_GOLDEN_SEED=%q is not a whole number", s)
	}
	return seed
}

// Files returns the golden files that match a pattern such as "module_*.npz",
// sorted; none is a failure.
func Files(t testing.TB, pattern string) []string {
	t.Helper()
	return filesIn(t, Dir(t), pattern)
}

// filesIn is Files for a folder.
func filesIn(t testing.TB, dir, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(escape(dir), pattern))
	if err != nil {
		t.Fatalf("pattern %q: %v", pattern, err)
	}
	if len(files) == 0 {
		t.Fatalf("no golden file %s in %s", pattern, dir)
	}
	return files
}

// escape keeps a folder's own name from being read as a pattern.
func escape(dir string) string {
	if filepath.Separator == '\\' {
		return dir // Glob has no escapes there
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// A Case is one golden .npz file. Reading an array marks it as looked at.
type Case struct {
	Name string // the file's name without .npz

	t      testing.TB
	arrays map[string]*npz.Array
	names  []string
	read   map[string]bool
}

// Load reads a golden file, whole.
func Load(t testing.TB, path string) *Case {
	t.Helper()
	f, err := npz.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &Case{
		Name:   strings.TrimSuffix(filepath.Base(path), ".npz"),
		t:      t,
		arrays: map[string]*npz.Array{},
		names:  f.Names(),
		read:   map[string]bool{},
	}
	for _, name := range c.names {
		a, err := f.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		c.arrays[name] = a
	}
	return c
}

// Names returns the arrays' names in the order of the file.
func (c *Case) Names() []string { return slices.Clone(c.names) }

// Has says whether the case has an array; it does not mark it.
func (c *Case) Has(name string) bool { return c.arrays[name] != nil }

// Shape returns an array's shape; it does not mark it.
func (c *Case) Shape(name string) []int {
	c.t.Helper()
	return slices.Clone(c.get(name).Shape)
}

func (c *Case) get(name string) *npz.Array {
	c.t.Helper()
	a := c.arrays[name]
	if a == nil {
		c.t.Fatalf("%s: no array %q among %d: %s", c.Name, name, len(c.names), strings.Join(c.names, " "))
	}
	return a
}

// F32 returns an array of floats and its shape.
func (c *Case) F32(name string) ([]float32, []int) {
	c.t.Helper()
	a := c.get(name)
	c.read[name] = true
	switch {
	case a.DType == npz.Float64:
		out := make([]float32, len(a.F64))
		for i, v := range a.F64 {
			out[i] = float32(v)
		}
		return out, slices.Clone(a.Shape)
	case !a.DType.IsFloat():
		c.t.Fatalf("%s: array %q is %s, not a float", c.Name, name, a.DType)
	}
	return slices.Clone(a.F32), slices.Clone(a.Shape)
}

// Ints returns an array of integers or booleans and its shape.
func (c *Case) Ints(name string) ([]int64, []int) {
	c.t.Helper()
	a := c.get(name)
	c.read[name] = true
	if a.DType.IsFloat() {
		c.t.Fatalf("%s: array %q is %s, not an integer", c.Name, name, a.DType)
	}
	return slices.Clone(a.Int), slices.Clone(a.Shape)
}

// Scalar returns the number of an array that has one element.
func (c *Case) Scalar(name string) float64 {
	c.t.Helper()
	a := c.get(name)
	c.read[name] = true
	if a.Len() != 1 {
		c.t.Fatalf("%s: array %q has shape %v, not one element", c.Name, name, a.Shape)
	}
	switch {
	case a.F32 != nil:
		return float64(a.F32[0])
	case a.F64 != nil:
		return a.F64[0]
	}
	return float64(a.Int[0])
}

// Done fails the test for every array that was not read, but for those that
// ignore (may be nil) says belong to another test.
func (c *Case) Done(ignore func(name string) bool) {
	c.t.Helper()
	for _, name := range c.names {
		if !c.read[name] && (ignore == nil || !ignore(name)) {
			c.t.Errorf("%s: array %q was not compared with anything", c.Name, name)
		}
	}
}
