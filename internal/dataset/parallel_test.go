package dataset

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	var unused reports
	p, err := s.Parallel(others, unused.add)
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
	unused.want(t, filepath.Join(others, "x", "b", "three.wav")+": it lasts 0.400 s and the recording 0.500 s",
		"four.wav: it is silent where", "six.wav: it lasts 0.600 s")
	told.want(t)
}

// TestParallelVanishes: a recording that is gone is told of once, and a folder that is gone
// too, for all that was in it; what is left, and what comes back, is used.
func TestParallelVanishes(t *testing.T) {
	root, others := t.TempDir(), filepath.Join(t.TempDir(), "par")
	for _, name := range []string{"one.wav", "two.wav", "three.wav"} {
		writeWAV(t, filepath.Join(root, name), tone(0.5, 0.5))
		writeWAV(t, filepath.Join(others, "x", name), tone(0.5, 0.2))
		writeWAV(t, filepath.Join(others, "y", name), tone(0.5, 0.2))
	}
	s := scan(t, Options{Root: root, HeldOut: HeldOut{Share: 0, Files: 0}})
	s.Train = append(s.Train, s.Valid...)
	var told reports
	p, err := s.Parallel(others, told.add)
	must(t, err)
	load := func(what string, choose float64, want int) {
		t.Helper()
		found := 0
		for _, c := range s.Train {
			samples, err := p.Load(context.Background(), Item{Clip: c}, choose)
			must(t, err)
			if samples != nil {
				found++
			}
		}
		if found != want {
			t.Errorf("%s: %d recordings, want %d", what, found, want)
		}
	}
	load("all are there", 0, 3)
	must(t, os.Remove(filepath.Join(others, "x", "one.wav")))
	load("a file is gone", 0, 2)
	load("a file is gone", 0, 2)
	load("the other voice", 0.9, 3)
	must(t, os.RemoveAll(filepath.Join(others, "y")))
	load("a voice is gone", 0.9, 0)
	must(t, os.Rename(others, others+".away"))
	load("all are gone", 0, 0)
	must(t, os.Rename(others+".away", others))
	load("they are back", 0, 2)
	told.want(t, filepath.Join(others, "x", "one.wav")+": it is no longer there",
		filepath.Join(others, "y")+": it is no longer there", others+": it is no longer there")
}

func TestParallelErrors(t *testing.T) {
	root := tones(t, 3)
	s := scan(t, Options{Root: root})
	if _, err := s.Parallel(filepath.Join(root, "none"), nil); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("no folder: error %v", err)
	}
	empty := t.TempDir()
	if _, err := s.Parallel(empty, nil); !errors.Is(err, ErrNoParallel) || !strings.Contains(err.Error(), filepath.Join(empty, "VOICE", s.Train[0].Path)) {
		t.Errorf("a folder without voices: error %v", err)
	}
	if _, err := s.Parallel(root, nil); !errors.Is(err, ErrParallelInside) {
		t.Errorf("the dataset itself: error %v", err)
	}
	heldOut := t.TempDir()
	for i, want := range []string{": " + s.Valid[0].Path + ", the only file of the dataset that its folders have, is held out for validation; ", ": all 2 files of the dataset"} {
		two := *s
		for _, c := range []Clip{s.Valid[0], s.Train[0]}[:i+1] {
			writeWAV(t, filepath.Join(heldOut, "x", c.Path), tone(0.5, 0.5))
		}
		if i == 1 {
			two.Valid, two.Train = append(two.Valid[:1:1], s.Train[0]), two.Train[1:]
		}
		if _, err := two.Parallel(heldOut, nil); !errors.Is(err, ErrParallelHeldOut) || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "or hold out fewer") {
			t.Errorf("%d held out: error %v", i+1, err)
		}
	}
	if _, err := s.Parallel(heldOut, nil); err != nil {
		t.Errorf("one of two is held out: error %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o644))
	for _, path := range []string{file, filepath.Join(root, "none")} {
		if _, err := s.Parallel(path, nil); err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), "; want a folder of folders") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// TestParallelUnreadable: a voice of which cannot be known what it has is an error, which names it,
// and no voice that has nothing. Links that lead in a circle are such, to root as well, whom no
// permission keeps out.
func TestParallelUnreadable(t *testing.T) {
	root, others := t.TempDir(), t.TempDir()
	for _, name := range []string{"a/one.wav", "a/two.wav", "b/three.wav"} {
		writeWAV(t, filepath.Join(root, name), tone(0.5, 0.5))
		writeWAV(t, filepath.Join(others, "x", name), tone(0.5, 0.2))
	}
	s := scan(t, Options{Root: root})
	s.Train = append(s.Train, s.Valid...)
	// No voice has to have every recording: neither what is not there, nor what is no folder.
	must(t, os.MkdirAll(filepath.Join(others, "y"), 0o755))
	must(t, os.WriteFile(filepath.Join(others, "y", "a"), nil, 0o644))
	must(t, os.Symlink("nowhere", filepath.Join(others, "z")))
	if p, err := s.Parallel(others, nil); err != nil || p.Clips != len(s.Train) {
		t.Fatalf("%v, error %v", p, err)
	}
	for _, path := range []string{filepath.Join("y", "b"), filepath.Join("w", "a", "one.wav"), "v"} {
		loop := filepath.Join(others, path)
		must(t, os.MkdirAll(filepath.Dir(loop), 0o755))
		must(t, os.Symlink(filepath.Base(loop), loop))
		voice, _, _ := strings.Cut(path, string(filepath.Separator))
		_, err := s.Parallel(others, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "read "+loop) || !strings.HasSuffix(err.Error(), "take "+voice+" out of "+others) {
			t.Errorf("%s: error %v", path, err)
		}
		must(t, os.Remove(loop))
	}
}

// TestParallelInside: parallel recordings that the set would be trained on are refused, by
// whatever way they come into it; a dataset that is one of the voices is none of them.
func TestParallelInside(t *testing.T) {
	top := t.TempDir()
	root, others := filepath.Join(top, "d"), filepath.Join(top, "elsewhere")
	clips := func(dir string) {
		for _, name := range []string{"a/one.wav", "a/two.wav"} {
			writeWAV(t, filepath.Join(dir, name), tone(0.5, 0.5))
		}
	}
	fresh := func() {
		must(t, os.RemoveAll(root))
		must(t, os.RemoveAll(others))
		clips(root)
	}
	for name, layout := range map[string]func() (root, parallel string, refused bool){
		"inside": func() (string, string, bool) {
			clips(filepath.Join(root, "par", "x"))
			return root, filepath.Join(root, "par"), true
		},
		"hidden inside": func() (string, string, bool) {
			clips(filepath.Join(root, ".par", "x"))
			return root, filepath.Join(root, ".par"), false
		},
		"outside": func() (string, string, bool) { clips(filepath.Join(others, "x")); return root, others, false },
		"a link to inside": func() (string, string, bool) {
			clips(filepath.Join(root, "par", "x"))
			must(t, os.Symlink(filepath.Join(root, "par"), others))
			return root, others, true
		},
		"a link from inside": func() (string, string, bool) {
			clips(filepath.Join(others, "x"))
			must(t, os.Symlink(others, filepath.Join(root, "par")))
			return root, others, true
		},
		"a link to one recording": func() (string, string, bool) {
			clips(filepath.Join(others, "x"))
			must(t, os.Symlink(filepath.Join(others, "x", "a", "one.wav"), filepath.Join(root, "a", "three.wav")))
			return root, others, true
		},
		"voices that are parallel to each other": func() (string, string, bool) {
			for i := range 2 {
				voice := filepath.Join(others, "voices", strconv.Itoa(i))
				clips(voice)
				for place, of := range map[string]int{"dataset": i, "parallel/1": 1 - i} {
					must(t, os.MkdirAll(filepath.Join(others, place), 0o755))
					must(t, os.Symlink(voice, filepath.Join(others, place, strconv.Itoa(of))))
				}
			}
			return filepath.Join(others, "dataset"), filepath.Join(others, "parallel"), false
		},
		"the dataset is a voice": func() (string, string, bool) {
			clips(filepath.Join(others, "x"))
			clips(filepath.Join(others, "y"))
			return filepath.Join(others, "x"), others, false
		},
	} {
		fresh()
		root, parallel, refused := layout()
		s := scan(t, Options{Root: root})
		_, err := s.Parallel(parallel, nil)
		if errors.Is(err, ErrParallelInside) != refused || !refused && err != nil {
			t.Errorf("%s: error %v", name, err)
		}
		if refused && (!strings.Contains(err.Error(), root) || !strings.Contains(err.Error(), parallel)) {
			t.Errorf("%s: error %v names not both", name, err)
		}
	}
}
