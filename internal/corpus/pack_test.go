package corpus

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packInto is a run that packs two recordings at a time and, unless it is killed, the rest.
func packInto(t *testing.T, dir string, s Shard, force, killed bool) (made int, err error) {
	t.Helper()
	m, err := LoadPacks(dir, s, "codes", ".tar", force)
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]Entry{}
	if !force {
		if done, err = m.Find(paths, ".tar"); err != nil {
			t.Fatal(err)
		}
	}
	var todo []string
	for _, p := range paths {
		if _, ok := done[p]; !ok && s.Holds(p) {
			todo = append(todo, p)
		}
	}
	if err := m.Start(todo, ".tar"); err != nil {
		return 0, err
	}
	waiting := len(slices.Collect(m.Spooled()))
	pack := func() {
		_, err := m.Pack(func(out io.Writer, rows iter.Seq2[Entry, []byte]) error {
			for e, line := range rows {
				if _, err := fmt.Fprintf(out, "%s=%s", e.Path, line); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		waiting = 0
	}
	for _, p := range todo {
		if err := m.AddLine(lineOf(p), entryOf(p, "", lineOf(p))); err != nil {
			t.Fatal(err)
		}
		if waiting++; waiting == 2 {
			pack()
		}
	}
	if !killed {
		pack()
	}
	return len(todo), m.Close()
}

// checkPacks: each recording is in one packed output, once, and the manifest vouches for
// all; nothing waits.
func checkPacked(t *testing.T, dir string) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(dir, "codes*.tar"))
	all := ""
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all += string(data)
	}
	for _, p := range paths {
		if strings.Count(all, p+"="+string(lineOf(p))) != 1 {
			t.Errorf("%s is not there once: %q", p, all)
		}
	}
	m, err := LoadPacks(dir, Whole, "codes", ".tar", false)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := m.Find(paths, ".tar"); err != nil || len(done) != len(paths) {
		t.Errorf("vouched for: %v, %v", done, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestPacks: whenever a run is killed, the next makes all that lacks and nothing else, and
// every output is whole.
func TestPacks(t *testing.T) {
	whole := t.TempDir()
	if n, err := packInto(t, whole, Whole, false, false); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	checkPacked(t, whole)
	if n, err := packInto(t, whole, Whole, false, false); n != 0 || err != nil {
		t.Errorf("%d made again, %v", n, err)
	}
	checkPacked(t, whole)
	// Killed with one line in the spool: it is kept, unless it is cut.
	for cut, made := range map[int]int{0: 0, 1: 1, 5: 1} {
		dir := t.TempDir()
		packInto(t, dir, Whole, false, true)
		spool := filepath.Join(dir, ".codes.tar.spool")
		data, err := os.ReadFile(spool)
		if err != nil || !bytes.Equal(data, lineOf("c.wav")) {
			t.Fatalf("%q, %v", data, err)
		}
		if err := os.WriteFile(spool, data[:len(data)-cut], 0o666); err != nil {
			t.Fatal(err)
		}
		if n, err := packInto(t, dir, Whole, false, false); n != made || err != nil {
			t.Errorf("cut by %d: %d made, want %d, %v", cut, n, made, err)
		}
		checkPacked(t, dir)
	}
	// Killed between an output and the manifest that names it, and before the spool goes.
	killed, after := t.TempDir(), t.TempDir()
	packInto(t, killed, Whole, false, true)
	if err := os.CopyFS(after, os.DirFS(killed)); err != nil {
		t.Fatal(err)
	}
	packInto(t, after, Whole, false, false)
	for _, take := range []string{"codes-000001.tar", "manifest.jsonl"} {
		data, err := os.ReadFile(filepath.Join(after, take))
		if err == nil {
			err = os.WriteFile(filepath.Join(killed, take), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(killed)); err != nil {
			t.Fatal(err)
		}
		if n, err := packInto(t, dir, Whole, false, false); n != 0 || err != nil {
			t.Errorf("with %s: %d made, %v", take, n, err)
		}
		if _, err := os.Stat(filepath.Join(dir, ".codes.tar.spool")); err == nil {
			os.Remove(filepath.Join(dir, ".codes.tar.spool")) // empty
		}
		checkPacked(t, dir)
	}
	// An output that is gone is made again, and no other.
	if err := os.Remove(filepath.Join(whole, "codes-000000.tar")); err != nil {
		t.Fatal(err)
	}
	if n, err := packInto(t, whole, Whole, false, false); n != 2 || err != nil {
		t.Errorf("%d made again, %v", n, err)
	}
	checkPacked(t, whole)
	// All over again leaves nothing of before; a part is refused.
	if n, err := packInto(t, whole, Whole, true, false); n != 3 || err != nil {
		t.Errorf("%d made again, %v", n, err)
	}
	checkPacked(t, whole)
	m, err := LoadPacks(whole, Whole, "codes", ".tar", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(paths[:1], ".tar"); err == nil || !strings.Contains(err.Error(), "codes-000000.tar: a.wav shares its output") {
		t.Error(err)
	}
	// Two machines.
	dir := t.TempDir()
	made := 0
	for i := range 2 {
		n, err := packInto(t, dir, Shard{i, 2}, false, false)
		if err != nil {
			t.Fatal(err)
		}
		made += n
	}
	if made != 3 {
		t.Errorf("%d made", made)
	}
	checkPacked(t, dir)
}
