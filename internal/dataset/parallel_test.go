package dataset

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestParallel loads the same stretch of a recording in other voices: at the item's
// gain, whatever its own level, and only where there is one that can be used.
func TestParallel(t *testing.T) {
	root, others := t.TempDir(), t.TempDir()
	for _, name := range []string{"a/one.wav", "a/two.wav", "b/three.wav", "b/four.wav"} {
		writeWAV(t, filepath.Join(root, name), tone(0.5, 0.5))
	}
	ramp := func(seconds float64) []float32 {
		x := tone(seconds, 0.1)
		for i := range x {
			x[i] *= float32(i) / float32(len(x))
		}
		return x
	}
	one, other := ramp(0.5), tone(0.5, 0.2)
	writeWAV(t, filepath.Join(others, "x", "a", "one.wav"), one)
	writeWAV(t, filepath.Join(others, "y", "a", "one.wav"), other)
	writeWAV(t, filepath.Join(others, "x", "b", "three.wav"), ramp(0.4))
	writeWAV(t, filepath.Join(others, "y", "b", "four.wav"), tone(0.5, 0))
	writeWAV(t, filepath.Join(others, "five.wav"), one) // in no folder of others
	writeWAV(t, filepath.Join(root, "c", "six.wav"), tone(0.5, 0.5))
	writeWAV(t, filepath.Join(others, "x", "c", "six.wav"), tone(0.6, 0.5))
	writeWAV(t, filepath.Join(root, "c", "seven.wav"), tone(0.5, 0.5))
	writeWAV(t, filepath.Join(others, "x", "c", "seven.wav"), tone(0.499, 0.5))
	must(t, os.Symlink(root, filepath.Join(others, "z"))) // the recordings themselves

	var told reports
	s := scan(t, Options{Root: root, HeldOut: HeldOut{Share: 0.2, Files: 1}, Report: told.add})
	s.Train = append(s.Train, s.Valid...)
	p, err := s.Parallel(others)
	must(t, err)
	if p.Clips != 5 {
		t.Errorf("%d clips have parallel recordings, want 5", p.Clips)
	}
	load := func(path string, choose float64) []float32 {
		i := slices.IndexFunc(s.Train, func(c Clip) bool { return c.Path == path })
		samples, err := p.Load(context.Background(), Item{Clip: s.Train[i], Gain: -6}, choose)
		must(t, err)
		return samples
	}
	half := math.Pow(10, -6./20)
	for choose, want := range map[float64][]float32{0: one, 0.49: one, 0.5: other, 0.999: other} {
		got := load("a/one.wav", choose)
		peak := slices.Max(want)
		if len(got) != len(want) {
			t.Fatalf("%d samples, want %d", len(got), len(want))
		}
		for i, x := range want {
			if math.Abs(float64(got[i])-half*float64(x/max(peak, -slices.Min(want)))) > 1e-6 {
				t.Fatalf("choice %g: sample %d is %g, of %g", choose, i, got[i], x)
			}
		}
	}
	if got := load("c/seven.wav", 0); len(got) != 12000 || got[len(got)-1] != 0 || slices.Max(got) < 0.4 {
		t.Errorf("a millisecond shorter: %d samples", len(got))
	}
	for _, path := range []string{"a/two.wav", "b/three.wav", "b/four.wav", "c/six.wav"} {
		if got := load(path, 0); got != nil {
			t.Errorf("%s: %d samples, want none", path, len(got))
		}
	}
	told.want(t, "b/three.wav: its parallel recording "+filepath.Join(others, "x", "b", "three.wav")+" is not used: it lasts 0.400 s and the recording 0.500 s",
		"four.wav is not used: it is silent where", "six.wav is not used: it lasts 0.600 s")
}

func TestParallelErrors(t *testing.T) {
	root := tones(t, 3)
	s := scan(t, Options{Root: root})
	if _, err := s.Parallel(filepath.Join(root, "none")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("no folder: error %v", err)
	}
	if _, err := s.Parallel(root); !errors.Is(err, ErrNoParallel) || !strings.Contains(err.Error(), filepath.Join(root, "VOICE", s.Train[0].Path)) {
		t.Errorf("a folder without voices: error %v", err)
	}
}
