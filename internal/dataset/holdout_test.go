package dataset

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// atLeastEight is what runs were begun with before Files could be 0; they go on with it.
var atLeastEight = HeldOut{Share: 0.02, Files: 8}

func TestHeldCount(t *testing.T) {
	for _, test := range []struct {
		name string
		held HeldOut
		want map[int]int
	}{
		{"eight", atLeastEight, map[int]int{0: 0, 1: 0, 2: 1, 3: 1, 9: 4, 15: 7, 16: 8, 120: 8, 400: 8, 401: 9, 10000: 200}},
		{"a fifth", HeldOut{Share: 0.02}, map[int]int{0: 0, 1: 0, 2: 1, 3: 1, 9: 1, 10: 2, 15: 3, 39: 7, 40: 8, 400: 8, 401: 9, 10000: 200}},
		{"no share", HeldOut{}, map[int]int{1: 0, 5: 1, 10000: 8}},
		{"a large share", HeldOut{Share: 0.9}, map[int]int{5: 2, 10: 5}},
	} {
		for n, want := range test.want {
			if got := test.held.of(n); got != want {
				t.Errorf("%s: %d of %d files, want %d", test.name, got, n, want)
			}
		}
	}
}

// A new version must not train on what an older one held out. The choice is that of
// a second implementation, in Python.
func TestHeldOutStaysAsItIs(t *testing.T) {
	var paths []string
	for i := range 10 {
		paths = append(paths, fmt.Sprintf("a/%d.wav", i))
	}
	want := []string{"a/2.wav", "a/3.wav", "a/4.wav", "a/8.wav", "a/9.wav"}
	if got := slices.Sorted(maps.Keys(holdOut(paths, atLeastEight.of(len(paths))))); !slices.Equal(got, want) {
		t.Errorf("held out are %q, want %q", got, want)
	}
}

// somePaths draws sorted paths in up to four folders, at up to two levels.
func somePaths(t *rapid.T) []string {
	prefix := rapid.SampledFrom([]string{"", "speech/", "x/y/"}).Draw(t, "prefix")
	folders := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"", "en/", "fr/", "it/a/", "it/b/"}), 1, 4, rapid.ID).Draw(t, "folders")
	n := rapid.IntRange(1, 60).Draw(t, "files")
	paths := map[string]bool{}
	for range n {
		paths[fmt.Sprintf("%s%s%d.wav", prefix, rapid.SampledFrom(folders).Draw(t, "folder"), rapid.IntRange(0, 999).Draw(t, "name"))] = true
	}
	return slices.Sorted(maps.Keys(paths))
}

// folders returns those at the first level at which paths differ, found the slow
// way.
func folders(paths, of []string) map[string]bool {
	skip := 0
	for ; ; skip++ {
		firsts := map[string]bool{}
		for _, p := range paths {
			parts := strings.Split(p, "/")
			if skip >= len(parts)-1 {
				firsts[""] = true
			} else {
				firsts[parts[skip]] = true
			}
		}
		if len(firsts) > 1 || firsts[""] {
			break
		}
	}
	found := map[string]bool{}
	for _, p := range of {
		if parts := strings.Split(p, "/"); skip < len(parts)-1 {
			found[parts[skip]] = true
		} else {
			found[""] = true
		}
	}
	return found
}

func TestHeldOutRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		paths := somePaths(t)
		held := slices.Sorted(maps.Keys(holdOut(paths, atLeastEight.of(len(paths)))))
		if len(held) != atLeastEight.of(len(paths)) {
			t.Fatalf("%d of %d files are held out", len(held), len(paths))
		}
		for _, p := range held {
			if !slices.Contains(paths, p) {
				t.Fatalf("%q is held out and not there", p)
			}
		}
		if there := folders(paths, paths); len(there) >= 2 && len(held) >= 2 && len(folders(paths, held)) < 2 {
			t.Fatalf("of %v, only %v are held out: %v", there, folders(paths, held), held)
		}
		shuffled := rapid.Permutation(paths).Draw(t, "order")
		if again := slices.Sorted(maps.Keys(holdOut(shuffled, atLeastEight.of(len(shuffled))))); !slices.Equal(again, held) {
			t.Fatalf("in another order %v, want %v", again, held)
		}
	})
}

func TestHeldOutStaysWhenFilesAreAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 600).Draw(t, "files")
		var paths []string
		for i := range n {
			paths = append(paths, fmt.Sprintf("%c/%d.wav", 'a'+i%2, i*7919))
		}
		before := holdOut(paths, atLeastEight.of(len(paths)))
		added := fmt.Sprintf("a/new%d.wav", rapid.IntRange(0, 1<<30).Draw(t, "new"))
		after := holdOut(append(paths, added), atLeastEight.of(len(paths)+1))
		gone := 0
		for p := range before {
			if !after[p] {
				gone++
			}
		}
		// One may give way to the new file; the rule of two folders, which acts on
		// few files, may exchange another.
		limit := 1
		if len(before) < 16 {
			limit = 2
		}
		if gone > limit {
			t.Fatalf("one more file, and %d of %d are no longer held out", gone, len(before))
		}
	})
}

func TestHeldOutLeavesSpeechInEachFolder(t *testing.T) {
	var paths []string
	for i := range 200 {
		paths = append(paths, fmt.Sprintf("a/%d.wav", i))
	}
	hash := func(p string) string { h := sha256.Sum256([]byte(p)); return string(h[:]) }
	highest := ""
	for p := range holdOut(paths, atLeastEight.of(len(paths))) {
		highest = max(highest, hash(p))
	}
	// Three files of other folders, none of them chosen by its hash, and the first of
	// them the only one of its folder.
	var lone, pair []string
	for i := 0; len(lone) < 1; i++ {
		if p := fmt.Sprintf("x/%d.wav", i); hash(p) > highest {
			lone = append(lone, p)
		}
	}
	for i := 0; len(pair) < 2; i++ {
		if p := fmt.Sprintf("b/%d.wav", i); hash(p) > hash(lone[0]) {
			pair = append(pair, p)
		}
	}
	held := holdOut(slices.Concat(paths, pair, lone), atLeastEight.of(len(paths)+len(pair)+len(lone)))
	if held[lone[0]] || held[pair[0]] == held[pair[1]] {
		t.Errorf("of %v and %v are held out %v", lone, pair, held)
	}
	if held := holdOut(slices.Concat(paths, lone), atLeastEight.of(len(paths)+len(lone))); !held[lone[0]] {
		t.Errorf("only a is heard in validation: %v", held)
	}
}

func TestPiecesOfAFileStayTogether(t *testing.T) {
	root := t.TempDir()
	for i := range 6 {
		writeWAV(t, filepath.Join(root, fmt.Sprintf("%d.wav", i)), tone(1+float64(i)/10, 0.5))
	}
	s := scan(t, Options{Root: root, Duration: [2]float64{0.1, 0.3}})
	if len(all(s)) < 20 || len(s.Valid) == 0 {
		t.Fatalf("%d clips to train on, %d held out", len(s.Train), len(s.Valid))
	}
	for _, p := range paths(s.Valid) {
		if slices.Contains(paths(s.Train), p) {
			t.Errorf("%s is on both sides", p)
		}
	}
}

func TestOneFileIsForTraining(t *testing.T) {
	root := tones(t, 1)
	s := scan(t, Options{Root: root})
	if len(s.Train) != 1 || len(s.Valid) != 0 || !strings.Contains(s.NoHoldOutReason, "none is held out") {
		t.Errorf("%d clips to train on, %d held out, reason %q", len(s.Train), len(s.Valid), s.NoHoldOutReason)
	}
	if s := scan(t, Options{Root: tones(t, 2)}); len(s.Train) != 1 || len(s.Valid) != 1 || s.NoHoldOutReason != "" {
		t.Errorf("of two: %d clips to train on, %d held out, reason %q", len(s.Train), len(s.Valid), s.NoHoldOutReason)
	}
}
