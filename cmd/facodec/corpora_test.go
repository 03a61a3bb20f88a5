package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// corpora is where the tools that corpora are kept with have written the same speech in
// several ways.
const corpora = "../../internal/collection/testdata"

// extractLines runs extract and returns the lines of codes.jsonl by their paths, without
// these and the speakers, and the report.
func extractLines(t *testing.T, code int, out string, args ...string) (map[string]string, report) {
	t.Helper()
	args = append([]string{"extract", "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--format", "jsonl"}, args...)
	r := reported(t, code, args...)
	lines := map[string]string{}
	names, _ := filepath.Glob(filepath.Join(out, "codes*.jsonl"))
	for _, name := range names {
		for line := range bytes.Lines(read(t, name)) {
			var l struct{ Path string }
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(line), `,"samples":`)
			lines[l.Path] = rest
		}
	}
	return lines, r
}

// TestExtractCorpora: the codes are those of the loose files, whatever the speech is
// kept in, named by the corpus' keys; a second run does nothing.
func TestExtractCorpora(t *testing.T) {
	want, _ := extractLines(t, 0, filepath.Join(t.TempDir(), "loose"), "--source", corpora+"/wav")
	if len(want) != 6 {
		t.Fatalf("%d loose files", len(want))
	}
	for name, keys := range map[string]string{
		"shard-{000000..000001}.tar": "en/en_0 en/en_1 es/es_0 es/es_1 fr/fr_0 fr/fr_1",
		"audio.parquet":              "en_0 en_1 es_0 es_1 fr_0 fr_1",
		"recordings.jsonl.gz":        "en_0 en_1 es_0 es_1 fr_0 fr_1",
	} {
		out := filepath.Join(t.TempDir(), "out")
		for round, made := range []int{6, 0} {
			got, r := extractLines(t, 0, out, "--source", corpora+"/"+name)
			if len(r.Files) != made {
				t.Errorf("%s, round %d: made %d", name, round, len(r.Files))
			}
			var all []string
			for key, line := range got {
				all = append(all, key)
				file := strings.TrimSuffix(filepath.Base(key), ".flac") + ".flac"
				if line != want[file] {
					t.Errorf("%s: %s has other codes than %s", name, key, file)
				}
			}
			slices.Sort(all)
			if strings.Join(all, " ") != keys {
				t.Errorf("%s: %q", name, all)
			}
		}
	}
	// Segments are items; machines divide shards between them, none is left out.
	got, _ := extractLines(t, 0, filepath.Join(t.TempDir(), "out"), "--source", corpora+"/kaldi/wav.scp")
	if len(got) != 3 || got["en_0-a"] == "" {
		t.Errorf("segments: %v", len(got))
	}
	out := filepath.Join(t.TempDir(), "out")
	for _, shard := range []string{"0/2", "1/2"} {
		got, _ = extractLines(t, 0, out, "--source", corpora+"/shard-*.tar", "--shard", shard)
	}
	if len(got) != 6 {
		t.Errorf("two shards have %d items", len(got))
	}
}

// TestExtractSpeakers: the manifest has the labels of the corpus, of the field that is
// asked for or of one called speaker.
func TestExtractSpeakers(t *testing.T) {
	for _, test := range []struct{ source, field, want string }{
		{"shard-000000.tar", "", "en en es"},
		{"shard-000000.tar", "id", "en_0 en_1 es_0"},
		{"audio.parquet", "", "en en es es fr fr"},
		{"pages.parquet", "", "    "},
		{"pages.parquet", "who", "7 7 8 8 9"},
		{"cuts.jsonl.gz", "", "en en en en es es es es fr fr fr fr"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		code := map[bool]int{true: 2}[test.source == "pages.parquet"] // a row without sound
		args := []string{"--source", corpora + "/" + test.source}
		if test.field != "" {
			args = append(args, "--speaker-field", test.field)
		}
		extractLines(t, code, out, args...)
		var speakers []string
		for line := range bytes.Lines(read(t, filepath.Join(out, "manifest.jsonl"))) {
			var e struct{ Speaker string }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			speakers = append(speakers, e.Speaker)
		}
		if got := strings.Join(speakers, " "); got != test.want {
			t.Errorf("%s, --speaker-field %q: %q, want %q", test.source, test.field, got, test.want)
		}
	}
	r := run(t, "extract", "--source", corpora+"/audio.parquet", "--speaker-field", "gone", "--output-dir", filepath.Join(t.TempDir(), "out"), "--checkpoint-path", fixture("small.safetensors"))
	if r.code != 2 || !strings.Contains(r.stderr, `has no column "gone" with the speaker; its columns are audio, speaker`) {
		t.Errorf("exit %d, %s", r.code, r.stderr)
	}
}

// TestExtractBad: what is bad in a corpus is named and counted, and the rest is done,
// unless there is too much of it.
func TestExtractBad(t *testing.T) {
	dir := t.TempDir()
	shard := read(t, corpora+"/shard-000001.tar")
	write(t, filepath.Join(dir, "cut.tar"), shard[:len(shard)/2])
	list := corpora + "/wav/en_0.flac\n" + corpora + "/wav/en_1.flac\nnothing.wav\n" + filepath.Join(dir, "cut.tar") + "\n"
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	list = strings.ReplaceAll(list, corpora, filepath.Join(wd, corpora))
	write(t, filepath.Join(dir, "list.txt"), []byte(list))
	source := "--source=@" + filepath.Join(dir, "list.txt")
	got, r := extractLines(t, 2, filepath.Join(t.TempDir(), "out"), source, "--max-bad", "50")
	if len(got) == 0 || len(r.Failed) != 2 || !strings.Contains(r.Failed[0].Error, "line 3, nothing.wav: no such file") || !strings.Contains(r.Failed[1].Error, "cut.tar: ") {
		t.Errorf("%d items, %+v", len(got), r.Failed)
	}
	stopped := run(t, "extract", source, "--output-dir", filepath.Join(t.TempDir(), "out"), "--checkpoint-path", fixture("small.safetensors"))
	if stopped.code != 2 || !strings.Contains(stopped.stderr, "stopped: 2 of the ") || !strings.Contains(stopped.stderr, "--max-bad") {
		t.Errorf("exit %d, %s", stopped.code, stopped.stderr)
	}
}

// TestExtractNothing: shards and lists without recordings fail like folders without them,
// and say what they hold.
func TestExtractNothing(t *testing.T) {
	dir := t.TempDir()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, name := range []string{"a.json", "a.txt", "b.txt"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for source, want := range map[string]string{
		write("text.tar", text.Bytes()):               "text.tar: holds no recordings: 3 passed over (2 .txt, 1 .json), looked for",
		"@" + write("list.txt", nil):                  "holds no recordings: it is empty",
		filepath.Dir(write("folder/readme.txt", nil)): "no audio files in this folder; 1 passed over (1 .txt), looked for",
	} {
		r := run(t, "extract", "--source", source, "--output-dir", filepath.Join(dir, "out"), "--checkpoint-path", fixture("small.safetensors"))
		if r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d, %q, want %q", source, r.code, r.stderr, want)
		}
	}
	// Beside another shard the rest is done.
	lines, r := extractLines(t, 2, filepath.Join(dir, "out"), "--source", filepath.Join(dir, "text.tar"), "--source", corpora+"/shard-000000.tar")
	if len(lines) == 0 || len(r.Failed) != 1 {
		t.Errorf("%d lines, failed %v", len(lines), r.Failed)
	}
}
