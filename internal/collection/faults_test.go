package collection

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// archive returns a tar of members that all hold data.
func archive(t *testing.T, data string, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFaults: what is wrong is named with file and key, and the rest is there, the first
// time and from the index.
func TestFaults(t *testing.T) {
	shard := read(t, "testdata/shard-000000.tar")
	second := bytes.Index(shard, []byte("en/en_1.flac"))
	damaged := bytes.Clone(shard)
	damaged[second+1]++
	table := read(t, "testdata/audio.parquet")
	cuts := read(t, "testdata/cuts.jsonl.gz")
	plain, err := gzip.NewReader(bytes.NewReader(cuts))
	if err != nil {
		t.Fatal(err)
	}
	var manifest bytes.Buffer
	if _, err := manifest.ReadFrom(plain); err != nil {
		t.Fatal(err)
	}
	wav, err := filepath.Abs("testdata/wav")
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.ReplaceAll(bytes.SplitAfter(manifest.Bytes(), []byte("\n"))[0], []byte("wav/"), []byte(wav+"/"))
	edit := func(old, new string) string { return strings.Replace(string(cut), old, new, 1) }
	for _, test := range []struct {
		name  string
		data  []byte
		items string
		fault []string // parts of the faults
	}{
		{"a.tar", shard[:second+700], "en/en_0=en", []string{"a.tar: en/en_1.flac: is cut short"}},
		{"a.tar", shard[:second], "en/en_0=en", []string{"a.tar: is cut short, or was never closed"}},
		{"a.tar", shard[:second-1024], "en/en_0=en", []string{"a.tar: is cut short, or was never closed"}},
		{"a.tar", shard[:second+100], "en/en_0=en", []string{"a.tar: is cut short"}},
		{"a.tar", damaged, "en/en_0=en", []string{"a.tar: is damaged at byte "}},
		{"a.tar", nil, "", []string{"a.tar: is cut short"}},
		{"a.tar", table, "", []string{"a.tar: is not a tar archive"}},
		{"a.tar", archive(t, "x", "a.json", "a.TXT", "b.json", "c.seg.pth", "README", "d.tar.gz"), "",
			[]string{"a.tar: holds no recordings: 6 passed over (2 .json, 1 without extension, 1 .gz, 1 .pth, 1 .txt), looked for .wav"}},
		{"a.tar", archive(t, "x"), "", []string{"a.tar: holds no recordings: it is empty"}},
		{"a.jsonl", nil, "", []string{"a.jsonl: holds no recordings: it is empty"}},
		{"wav.scp", []byte("\n"), "", []string{"wav.scp: holds no recordings: it is empty"}},
		{"a.tar", archive(t, "x", "../../up.wav", "/abs/b.wav", "c.left.flac", "c.right.mp3", "d/.hidden", "d/e", "__meta.wav", "e.txt"),
			"%2E%2E/%2E%2E/up= abs/b= c.left= c.right=", nil},
		{"a.tar", archive(t, "x", "a.wav", "b.wav", "./a.mp3", "A.wav"), "a= b= A=", []string{"a.tar: a: has the same key"}},
		{"a.tar", archive(t, "{", "a.wav", "a.json", "b.wav"), "b=", []string{"a.tar: a: its JSON is broken"}},
		{"a.tar", archive(t, `{"speaker": [1]}`, "a.wav", "a.json", "b.wav"), "b=", []string{"a.tar: a: speaker in its JSON"}},
		{"a.tar", archive(t, `{"speaker": 12}`, "a.wav", "a.json", "b.wav"), "a=12 b=", nil},
		{"a.tar", archive(t, "x", "latin\xe91.wav", strings.Repeat("k", 201)+".wav"), "latin%E91=", []string{"a.tar: the key has a part of 201 bytes"}},
		{"a.tar.gz", cuts, "", []string{"a.tar.gz: is a compressed archive"}},
		{"a.parquet", table[:len(table)/2], "", []string{"a.parquet: is no Parquet table, or is cut short"}},
		{"a.parquet", shard, "", []string{"a.parquet: is no Parquet table"}},
		{"a.jsonl.gz", cuts[:len(cuts)/2], "", []string{"a.jsonl.gz: is cut short or damaged behind line "}},
		{"a.jsonl", []byte("{\n[]\n{\"id\": \"x\"}\n" + string(cut)), "en/en_0-0=en",
			[]string{"a.jsonl: line 1: is no line of a Lhotse manifest", "a.jsonl: line 2: is no", "a.jsonl: line 3, x: its recording has 0 files"}},
		{"a.jsonl", []byte(edit("MonoCut", "MixedCut")), "", []string{"line 1, en/en_0-0: is a MixedCut"}},
		{"a.jsonl", []byte(edit(`"type": "file"`, `"type": "command"`)), "", []string{"its sound comes from a command"}},
		{"a.jsonl", []byte(edit(`"sampling_rate"`, `"transforms": [{"name": "Speed"}], "sampling_rate"`)), "", []string{"has transforms"}},
		{"a.jsonl", []byte(edit("en_0.flac", "gone.flac")), "", []string{"line 1, en/en_0-0: no such file"}},
		{"a.jsonl", []byte(edit(`"start": 0.0`, `"start": -1.0`)), "", []string{"line 1, en/en_0-0: a segment from -1 s"}},
		{"a.jsonl", []byte(`{"id": "s", "recording_id": "r", "start": 0, "duration": 1, "speaker": "x"}`), "", []string{"line 1, s: is a supervision"}},
		{"a.jsonl", read(t, "testdata/mixed.jsonl"), "", []string{"is a MixedCut"}},
		{"wav.scp", []byte("a " + wav + "/en_0.flac\nb sox x.mp3 -t wav - |\nc\nd x.ark:17\ne -\nf gone.wav\n" + strings.Repeat("x", maxLine+1) + "\ng g|h.wav\n"), "a=", []string{
			"wav.scp: line 2: b: is a command", "line 3: c: want a recording", "line 4: d: is a place in an archive", "line 5: e: is standard input", "line 6: f: no such file",
			"line 7: the line is too long", "line 8: g: no such file",
		}},
	} {
		path := write(t, test.name, test.data)
		o := Options{IndexDir: t.TempDir(), Speakers: true, SpeakerField: "speaker"}
		for round := range 2 {
			items, faults := collect(t, New(o), path)
			if got := describe(items); got != test.items || len(faults) != len(test.fault) {
				t.Errorf("%s, round %d: items %s, want %s; faults %q, want %q", test.name, round, got, test.items, faults, test.fault)
				continue
			}
			for i, part := range test.fault {
				if !strings.Contains(faults[i], part) {
					t.Errorf("%s, round %d: %q, want %q", test.name, round, faults[i], part)
				}
			}
		}
	}
	s := New(Options{})
	defer s.Close()
	if _, faults := collect(t, s, "nothing.tar"); len(faults) != 1 || faults[0] != "nothing.tar: no such file or directory" {
		t.Error(faults)
	}
	// A row without sound, and one with what is no sound.
	items, _ := collect(t, s, "testdata/pages.parquet", write(t, "a.tar", archive(t, "no sound", "x.wav")))
	for i, want := range map[int]string{5: "testdata/pages.parquet: pages-00000005: the row has no bytes of sound", 6: "a.tar: x: "} {
		if r, err := items[i].Open(context.Background(), audio.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v, want %s", r, err, want)
		}
	}
}

// TestChanged: a shard that is another one than was searched is searched again, or is
// not read where it is too late for that.
func TestChanged(t *testing.T) {
	path := write(t, "a.tar", archive(t, "x", "a.wav"))
	o := Options{IndexDir: t.TempDir()}
	before, _ := collect(t, New(o), path)
	if err := os.WriteFile(path, archive(t, "xyz", "b.wav", "c.wav"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := before[0].Open(context.Background(), audio.Options{}); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Error(err)
	}
	if items, _ := collect(t, New(o), path); describe(items) != "b= c=" {
		t.Error(describe(items))
	}
	// A damaged index is as none.
	indexes, _ := filepath.Glob(filepath.Join(o.IndexDir, "*"))
	data := read(t, indexes[0])
	for _, bad := range [][]byte{nil, data[:len(data)-3], bytes.Replace(data, []byte(`"b"`), []byte(`"x"`), 1), append(bytes.Clone(data), data...)} {
		if err := os.WriteFile(indexes[0], bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if items, faults := collect(t, New(o), path); describe(items) != "b= c=" || faults != nil {
			t.Error(describe(items), faults)
		}
		if got := read(t, indexes[0]); !bytes.Equal(got, data) {
			t.Errorf("the index was not written again: %s", got)
		}
	}
	// Nothing is left of a search that was broken off.
	o.IndexDir = t.TempDir()
	for range New(o).Items(context.Background(), path) {
		break
	}
	if found, _ := os.ReadDir(o.IndexDir); len(found) > 0 {
		t.Error(found)
	}
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b1.tar", "a2.tar", "{x}.tar"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for name, want := range map[string]string{
		"s-{08..11}.tar": "s-08.tar s-09.tar s-10.tar s-11.tar", "{2..0}": "2 1 0", "{a,b{1..2}}x{3,4}": "ax3 ax4 b1x3 b1x4 b2x3 b2x4",
		"*.tar": "a2.tar b1.tar {x}.tar", "{x}.tar": "{x}.tar", "{y}": "{y}", "[ab]?.tar": "a2.tar b1.tar", "{b1,a*}.tar": "b1.tar a2.tar", "@*": "@*", "a": "a", "{,b}a": "a ba",
	} {
		if got, err := Expand(name); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"{a": "has no }", "{0..99999999}": "more than", "z*": "no file matches", "{0..2000}{0..2000}": "more than", "[": "pattern"} {
		if got, err := Expand(name); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestCleanKey(t *testing.T) {
	for key, want := range map[string]string{
		"a/b.c": "a/b.c", "/etc/passwd": "etc/passwd", "../../x": "%2E%2E/%2E%2E/x", "a//./b/": "a/b", `c:\x`: "c%3A%5Cx", "a. /…": "a%2E%20/…", "\xff\n": "%FF%0A", "...": "%2E%2E%2E",
		"": "", "/": "", "./.": "",
	} {
		if got, err := CleanKey(key); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
}

func FuzzCleanKey(f *testing.F) {
	f.Add("../a\\b/\xff. ")
	f.Fuzz(func(t *testing.T, key string) {
		clean, err := CleanKey(key)
		if err != nil {
			return
		}
		if again, err := CleanKey(clean); again != clean || err != nil || !fs.ValidPath(clean) || !filepath.IsLocal(clean) {
			t.Errorf("%q: %q, %q, %v", key, clean, again, err)
		}
	})
}

func FuzzTar(f *testing.F) {
	data, err := os.ReadFile("testdata/mp3.tar")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:3000])
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		scanTar(bytes.NewReader(data), int64(len(data)), field{name: "speaker"}, func(rec record) bool {
			if rec.Fault == "" && (rec.Offset < 512 || rec.Size < 0 || rec.Offset+rec.Size > int64(len(data))) {
				t.Errorf("%+v in %d bytes", rec, len(data))
			}
			n++
			return true
		})
		if n > len(data)/512+2 {
			t.Errorf("%d records in %d bytes", n, len(data))
		}
	})
}

func FuzzParquet(f *testing.F) {
	for _, name := range []string{"audio", "pages"} {
		data, err := os.ReadFile("testdata/" + name + ".parquet")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		name, err := soundColumn(r, r.Size())
		if err != nil {
			return
		}
		rows := int64(0)
		err = scanRows(r, r.Size(), name, "x.parquet", field{}, func(rec record) bool {
			rows++
			return rows < 1000
		})
		if err != nil || rows == 0 {
			return
		}
		tab, err := newTable(r, &shard{column: name, size: r.Size()})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range []int64{rows - 1, 0} {
			tab.read(row)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add(`{"id": "a", "type": "MonoCut", "start": 1, "duration": 2, "channel": [0], "recording": {"id": "r", "sources": [{"type": "file", "channels": [0, 1], "source": "x.wav"}]}}`)
	f.Add("utt rec 0.5 -1 1")
	f.Add(`{"key": "a", "offset": 512, "size": 9}`)
	f.Fuzz(func(t *testing.T, line string) {
		if it, err := parseLhotse([]byte(line), field{name: "speaker"}); err == nil && (it.Key == "" || it.file == "" || it.segment.check() != nil) {
			t.Errorf("%q: %+v", line, it)
		}
		if key, recording, seg, err := parseSegment(line); err == nil && (key == "" || recording == "" || seg.check() != nil) {
			t.Errorf("%q: %+v", line, seg)
		}
		if key, path, err := parseSCP(line); err == nil && (key == "" || path == "") {
			t.Errorf("%q: %q, %q", line, key, path)
		}
		if rec, err := parseRecord([]byte(line), &shard{kind: Tar, size: 1000}); err == nil && (rec.Offset < 0 || rec.Offset+rec.Size > 1000) {
			t.Errorf("%q: %+v", line, rec)
		}
		joined := ""
		for l, err := range lines(strings.NewReader(line), 1<<20) {
			if err != nil || slices.Contains(l, '\n') {
				t.Errorf("%q: %q, %v", line, l, err)
			}
			joined += string(l)
		}
		if strip := strings.NewReplacer("\r", "", "\n", ""); strip.Replace(joined) != strip.Replace(line) {
			t.Errorf("%q became %q", line, joined)
		}
	})
}
