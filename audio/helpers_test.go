package audio

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeFile puts content into a file of the test's own and returns its path.
func writeFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll reads in pieces of odd sizes, as callers do.
func readAll(r *Reader) ([]float32, error) {
	var all []float32
	for size := 1; ; size = size*3%1000 + 1 {
		buf := make([]float32, max(size, r.Channels()))
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

func readPath(path string) ([]float32, Info, error) {
	r, err := Open(path)
	if err != nil {
		return nil, Info{}, err
	}
	defer r.Close()
	samples, err := readAll(r)
	return samples, r.Info(), err
}

// readStrict reads a file that must not be odd.
func readStrict(path string) ([]float32, Info, error) {
	r, err := OpenWith(context.Background(), path, Options{Strict: true})
	if err != nil {
		return nil, Info{}, err
	}
	defer r.Close()
	samples, err := readAll(r)
	return samples, r.Info(), err
}

func mustEqual[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// checkMessage holds errors to the form that all of them have: one line that
// names the file and contains what it should.
func checkMessage(t testing.TB, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not contain %q", err, part)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("error of several lines: %q", err)
	}
}

// tone is a sine of amplitude 1.
func tone(n int, freq float64, rate int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(2 * math.Pi * freq * float64(i) / float64(rate)))
	}
	return x
}

// decibels of a power relative to that of a sine of amplitude 1.
func decibels(meanSquare float64) float64 { return 10 * math.Log10(2*meanSquare) }
