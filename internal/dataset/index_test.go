package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestIndexNoticesWhatChanges(t *testing.T) {
	root := tones(t, 12)
	var r reports
	o := Options{Root: root, CacheDir: t.TempDir(), Report: r.add}
	index := filepath.Join(o.CacheDir, IndexName)
	decoded := func(what string, want int) *Set {
		t.Helper()
		s := scan(t, o)
		if s.Stats.Decoded != want {
			t.Errorf("%s: %d files decoded, want %d", what, s.Stats.Decoded, want)
		}
		fresh := scan(t, Options{Root: root, Duration: o.Duration})
		if !reflect.DeepEqual(all(s), all(fresh)) {
			t.Errorf("%s: the index makes %v, no index %v", what, all(s), all(fresh))
		}
		return s
	}
	decoded("no index", 12)
	before, err := os.Stat(index)
	must(t, err)
	decoded("nothing changed", 0)
	if after, err := os.Stat(index); err != nil || !os.SameFile(before, after) {
		t.Error("an index that says the same was written again")
	}

	first := filepath.Join(root, "a/000.wav")
	later := time.Now().Add(time.Hour)
	must(t, os.Chtimes(first, later, later))
	decoded("another time", 1)
	info, err := os.Stat(first)
	must(t, err)
	writeWAV(t, first, tone(0.3, 0.5))
	must(t, os.Chtimes(first, later, info.ModTime()))
	decoded("another size at the same time", 1)
	writeWAV(t, filepath.Join(root, "new/x.wav"), tone(0.2, 0.5))
	decoded("a new file", 1)
	must(t, os.Remove(first))
	if s := decoded("a file less", 0); s.Stats.Files != 12 {
		t.Errorf("stats %+v", s.Stats)
	}
	if data, _ := os.ReadFile(index); bytes.Contains(data, []byte("a/000.wav")) {
		t.Error("the index remembers a file that is gone")
	}
	o.Duration = [2]float64{0.05, 20}
	decoded("another range", 12)
	must(t, os.Rename(root, root+"2"))
	root += "2"
	o.Root = root
	decoded("the folder was moved", 0)
	r.want(t)
}

func TestDamagedIndexIsNotTrusted(t *testing.T) {
	root := tones(t, 3)
	o := Options{Root: root, CacheDir: t.TempDir()}
	want := scan(t, o)
	index := filepath.Join(o.CacheDir, IndexName)
	sound, err := os.ReadFile(index)
	must(t, err)
	try := func(what string, data []byte) {
		t.Helper()
		must(t, os.WriteFile(index, data, 0o600))
		var r reports
		o.Report = r.add
		s := scan(t, o)
		r.want(t, "this index is not used")
		if s.Stats.Decoded != 3 || !reflect.DeepEqual(all(s), all(want)) {
			t.Errorf("%s: %d files decoded, %v", what, s.Stats.Decoded, all(s))
		}
		if rebuilt, err := os.ReadFile(index); err != nil || !bytes.Equal(rebuilt, sound) {
			t.Errorf("%s: the index was not made anew", what)
		}
	}
	for i := 0; i < len(sound); i += 97 {
		try(fmt.Sprintf("cut at %d", i), sound[:i])
		flipped := bytes.Clone(sound)
		flipped[i] ^= 1
		try(fmt.Sprintf("bit at %d", i), flipped)
	}
	lines := bytes.SplitAfter(sound, []byte("\n"))
	try("a line less", bytes.Join(append(lines[:1:1], lines[2:]...), nil))
	try("a line at the end", append(bytes.Clone(sound), "{}\n"...))
	try("zeros", make([]byte, 4096))

	must(t, os.Remove(index))
	must(t, os.Mkdir(index, 0o755))
	var r reports
	o.Report = r.add
	scan(t, o)
	r.want(t, "is not a file", "the index cannot be kept")
}

func TestIndexThatCannotBeWrittenStopsNothing(t *testing.T) {
	o := Options{Root: tones(t, 3), CacheDir: filepath.Join(t.TempDir(), "file")}
	must(t, os.WriteFile(o.CacheDir, nil, 0o600))
	var r reports
	o.Report = r.add
	if s := scan(t, o); s.Stats.Used != 3 {
		t.Errorf("stats %+v", s.Stats)
	}
	if len(r) == 0 || !strings.Contains(r[len(r)-1], "the index cannot be kept") {
		t.Errorf("reports %q", r)
	}
}

func TestPathsThatJSONCannotHold(t *testing.T) {
	root := t.TempDir()
	bad := filepath.Join(root, "a\xff.wav")
	if os.WriteFile(bad, nil, 0o600) != nil {
		t.Skip("this system has no such names")
	}
	writeWAV(t, bad, tone(0.2, 0.5))
	writeWAV(t, filepath.Join(root, "line\n\"<b>.wav"), tone(0.2, 0.5))
	o := Options{Root: root, CacheDir: t.TempDir()}
	scan(t, o)
	s := scan(t, o)
	if s.Stats.Decoded != 1 || s.Stats.Used != 2 {
		t.Errorf("stats %+v", s.Stats)
	}
	for _, c := range all(s) {
		if _, err := s.Load(context.Background(), c); err != nil {
			t.Error(err)
		}
	}
}

// sealed puts a right trailer behind lines, so that their content is looked at.
func sealed(body []byte) []byte {
	sum := sha256.Sum256(body)
	n := max(0, bytes.Count(body, []byte("\n"))-1)
	t, _ := json.Marshal(trailer{n, hex.EncodeToString(sum[:])})
	return append(append(bytes.Clone(body), t...), '\n')
}

func FuzzIndex(f *testing.F) {
	h := limits{1200, 48000, DefaultSampleRate}.header()
	entries := []entry{
		{Path: "a/1.wav", Size: 10, ModTime: -5, Samples: 3000, Pieces: []piece{{0, 3000}}, lasting: true},
		{Path: "b.flac", Size: 99, ModTime: 1 << 60, Samples: 96000, Pieces: []piece{{0, 40000}, {40000, 48000}}, SilentPieces: 1, lasting: true},
		{Path: "c.ogg", Size: 0, Skip: Broken, Fault: "no audio", lasting: true},
	}
	whole := format(h, entries)
	body := whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1]
	f.Add(whole)
	f.Add(body)
	for _, change := range [][2]string{
		{`"samples":3000}`, `"samples":3001}`}, {`"start":40000`, `"start":-1`}, {`"size":10`, `"size":-10`},
		{`a/1.wav`, `../1.wav`}, {`broken`, `tired`}, {`c.ogg`, `a.ogg`}, {`"samples":48000`, `"samples":9223372036854775807`},
		{`"size":10`, `"size":10,"more":1`}, {"\n", "\n\n"}, {`{"path":"c`, `[{"path":"c`},
	} {
		f.Add([]byte(strings.Replace(string(body), change[0], change[1], 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, sealed(data)} {
			got, err := parse(data, h)
			if err != nil {
				if got != nil || strings.Contains(err.Error(), "\n") {
					t.Fatalf("error %q and %d entries", err, len(got))
				}
				continue
			}
			for i, e := range got {
				if err := e.check(h); err != nil || i > 0 && got[i-1].Path >= e.Path {
					t.Fatalf("entry %+v: %v", e, err)
				}
			}
			// What is accepted is what is written, but for its spelling.
			again, err := parse(format(h, got), h)
			if err != nil || len(again) != len(got) || len(got) > 0 && !reflect.DeepEqual(again, got) {
				t.Fatalf("%+v is written and read as %+v, %v", got, again, err)
			}
		}
	})
}

func TestIndexFuzzSeedsAreRefused(t *testing.T) {
	h := limits{1200, 48000, DefaultSampleRate}.header()
	e := entry{Path: "a.wav", Size: 10, Samples: 3000, Pieces: []piece{{0, 3000}}, lasting: true}
	if got, err := parse(format(h, []entry{e}), h); err != nil || !reflect.DeepEqual(got, []entry{e}) {
		t.Fatalf("%+v, %v", got, err)
	}
	for what, change := range map[string]func(*entry){
		"the path does not lie in the folder":        func(e *entry) { e.Path = "/etc/x.wav" },
		"a number is out of range":                   func(e *entry) { e.Samples = -1 },
		"the reason is unknown":                      func(e *entry) { e.Skip = "tired" },
		"there are neither pieces nor a reason":      func(e *entry) { e.Pieces = nil },
		"a piece does not lie in its file":           func(e *entry) { e.Pieces = []piece{{1, 3000}} },
		"line 2: a piece does not lie in its file":   func(e *entry) { e.Pieces = []piece{{0, 1500}, {0, 1500}} },
		"line 2: a piece does not lie in its file ":  func(e *entry) { e.Pieces = []piece{{0, 1199}} },
		"line 2: there are neither pieces nor a rea": func(e *entry) { e.Skip = Broken },
	} {
		bad := e
		change(&bad)
		if _, err := parse(format(h, []entry{bad}), h); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(what)) {
			t.Errorf("error %v, want %q", err, what)
		}
	}
	if _, err := parse(format(h, []entry{e, e}), h); err == nil || !strings.Contains(err.Error(), "not in order") {
		t.Errorf("error %v", err)
	}
	other := h
	other.Version++
	if _, err := parse(format(other, []entry{e}), h); err != errOther {
		t.Errorf("another version: %v", err)
	}
}
