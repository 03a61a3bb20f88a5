package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var paths = []string{"a.wav", "b/<å>.wav", "c.wav"}

func lineOf(path string) []byte { return fmt.Appendf(nil, "{%q: %d}\n", path, len(path)) }

func entryOf(path, output string, data []byte) Entry {
	sum := sha256.Sum256(data)
	return Entry{Path: path, Output: output, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Frames: 2, Settings: Settings{What: "codes"}}
}

func load(t *testing.T, dir string, s Shard, lines string) *Manifest {
	t.Helper()
	m, err := Load(dir, s, lines, false)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// finish is a run: it adds the lines of paths that no manifest vouches for, and
// returns how many.
func finish(t *testing.T, dir string, s Shard) int {
	t.Helper()
	m := load(t, dir, s, "codes")
	done, err := m.Find(paths, ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var todo []string
	for _, p := range paths {
		if _, ok := done[p]; !ok {
			todo = append(todo, p)
		}
	}
	add(t, m, todo)
	return len(todo)
}

func add(t *testing.T, m *Manifest, todo []string) {
	t.Helper()
	if err := m.Start(todo, ".jsonl"); err != nil {
		t.Fatal(err)
	}
	for _, p := range todo {
		if err := m.AddLine(lineOf(p), entryOf(p, "", lineOf(p))); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkLines: each recording has its line, once, and all is vouched for.
func checkLines(t *testing.T, dir, file string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(slices.Values(strings.SplitAfter(string(data), "\n")))
	want := []string{""}
	for _, p := range paths {
		want = append(want, string(lineOf(p)))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s holds %q", file, data)
	}
	m := load(t, dir, Whole, "codes")
	if done, err := m.Find(paths, ".jsonl"); err != nil || len(done) != len(paths) || len(m.own) != len(paths) {
		t.Fatalf("vouched for: %v, %v", done, err)
	}
}

// TestKilled: whatever a kill or a power cut leaves of the two files, the next run
// makes it whole, and does nothing again that is there.
func TestKilled(t *testing.T) {
	whole := t.TempDir()
	if n := finish(t, whole, Whole); n != 3 {
		t.Fatalf("%d done in an empty folder", n)
	}
	checkLines(t, whole, "codes.jsonl")
	if n := finish(t, whole, Whole); n != 0 {
		t.Errorf("%d done again", n)
	}
	for _, cut := range []string{"codes.jsonl", "manifest.jsonl"} {
		data, err := os.ReadFile(filepath.Join(whole, cut))
		if err != nil {
			t.Fatal(err)
		}
		step := 1 + len(data)/100 // each run is synced to the disk
		for n := 0; n < len(data); n += step {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, cut), data[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			intact := bytes.Count(data[:n], []byte("\n"))
			if done := finish(t, dir, Whole); done != 3-intact {
				t.Fatalf("%s cut to %d bytes: %d done, %d were there", cut, n, done, intact)
			}
			checkLines(t, dir, "codes.jsonl")
		}
	}
	// A line that changed in place.
	data, _ := os.ReadFile(filepath.Join(whole, "codes.jsonl"))
	data[3] ^= 1
	if err := os.WriteFile(filepath.Join(whole, "codes.jsonl"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if n := finish(t, whole, Whole); n != 1 {
		t.Errorf("%d done after one line changed", n)
	}
	checkLines(t, whole, "codes.jsonl")
}

// TestRedo: lines made anew stand there once, and the others stay.
func TestRedo(t *testing.T) {
	dir := t.TempDir()
	finish(t, dir, Whole)
	for _, redo := range [][]string{{"a.wav"}, {"c.wav"}, {"b/<å>.wav", "a.wav"}, paths} {
		m, err := Load(dir, Whole, "codes", true)
		if err != nil {
			t.Fatal(err)
		}
		add(t, m, redo)
		checkLines(t, dir, "codes.jsonl")
	}
}

// TestOtherDivision: what other shards have done is not done again, and not
// replaced; a manifest that is being written is read up to its last whole line.
func TestOtherDivision(t *testing.T) {
	dir := t.TempDir()
	finish(t, dir, Shard{1, 2})
	if _, err := os.Stat(filepath.Join(dir, "codes-00001-of-00002.jsonl")); err != nil {
		t.Fatal(err)
	}
	if n := finish(t, dir, Whole); n != 0 {
		t.Errorf("%d done again", n)
	}
	name := filepath.Join(dir, "manifest-00001-of-00002.jsonl")
	if err := load(t, dir, Whole, "codes").Replaceable(paths[:1], ".jsonl"); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("replaceable: %v", err)
	}
	if err := load(t, dir, Shard{1, 2}, "codes").Replaceable(paths, ".jsonl"); err != nil {
		t.Errorf("its own: %v", err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data[:len(data)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	if n := finish(t, dir, Whole); n != 1 {
		t.Errorf("%d done beside two whole lines", n)
	}
}

// TestFiles: an output is there if its size is what it was; another format is
// another output.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	m := load(t, dir, Whole, "")
	if err := m.Start(paths, ".npz"); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("before anything is done: %v", entries)
	}
	for i, p := range paths {
		output := fmt.Sprint(i, ".npz")
		if err := os.WriteFile(filepath.Join(dir, output), lineOf(p), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := m.Add(entryOf(p, output, lineOf(p))); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	find := func(ext string) int {
		done, err := load(t, dir, Whole, "").Find(paths, ext)
		if err != nil {
			t.Fatal(err)
		}
		return len(done)
	}
	if find(".npz") != 3 || find(".safetensors") != 0 || find(".jsonl") != 0 {
		t.Errorf("%d, %d, %d", find(".npz"), find(".safetensors"), find(".jsonl"))
	}
	if err := os.WriteFile(filepath.Join(dir, "0.npz"), []byte("short"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "1.npz")); err != nil {
		t.Fatal(err)
	}
	if n := find(".npz"); n != 1 {
		t.Errorf("%d of one", n)
	}
}

func TestFaults(t *testing.T) {
	dir := t.TempDir()
	manifest, lines := filepath.Join(dir, "manifest.jsonl"), filepath.Join(dir, "codes.jsonl")
	if err := os.WriteFile(lines, []byte("whose?\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, Whole, "codes", false); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), lines+": ") || !strings.Contains(err.Error(), "manifest.jsonl") {
		t.Errorf("lines without a manifest: %v", err)
	}
	m, err := Load(dir, Whole, "codes", true)
	if err != nil {
		t.Fatal(err)
	}
	add(t, m, paths)
	checkLines(t, dir, "codes.jsonl")
	for _, text := range []string{"no JSON\n", "{}\n", `{"path":"a","output":"b","bytes":-1}` + "\n", "\n"} {
		if err := os.WriteFile(manifest, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, s := range []Shard{Whole, {0, 2}} {
			if _, err := Load(dir, s, "", false); err == nil || !strings.Contains(err.Error(), manifest+": line 1 ") {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}
