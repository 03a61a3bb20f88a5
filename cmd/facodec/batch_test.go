package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// short makes a quarter second of sound.
func short(t *testing.T, path string) string { return wav(t, path, 24000, 1, tone(6000, 24000)) }

// TestFolder: the tree is kept, other and hidden files are left alone, and so are
// outputs below the folder.
func TestFolder(t *testing.T) {
	root := t.TempDir()
	in := filepath.Join(root, "in")
	for _, name := range []string{"b.WAV", "a/c.wav", "a/deep/d.wav", ".hidden.wav", ".git/e.wav", "out/old.wav"} {
		short(t, filepath.Join(in, filepath.FromSlash(name)))
	}
	write(t, filepath.Join(in, "a", "d.FLAC"), read(t, clip("en.flac")))
	write(t, filepath.Join(in, "a", "notes.txt"), []byte("no audio"))
	if err := os.Mkdir(filepath.Join(in, "folder.wav"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(in, "out")
	r := reported(t, 0, "extract", "--source", in, "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"))
	checkFiles(t, out, "a/c.npz", "a/d.npz", "a/deep/d.npz", "b.npz", "manifest.jsonl", "old.wav")
	var order []string
	for _, f := range r.Files {
		rel, _ := filepath.Rel(in, f.Source)
		order = append(order, filepath.ToSlash(rel))
	}
	if got := strings.Join(order, " "); got != "a/c.wav a/d.FLAC a/deep/d.wav b.WAV" {
		t.Errorf("order %s", got)
	}
	absent(t, filepath.Join(out, "folder.wav"))
}

// TestReport: the totals are those of the files.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	a, b := short(t, filepath.Join(dir, "a.wav")), wav(t, filepath.Join(dir, "b.wav"), 48000, 2, tone(48000, 48000))
	r := reported(t, exitSomeFailed, "reconstruct", "--source", a, filepath.Join(dir, "missing.wav"), b, "--output-dir", filepath.Join(dir, "out"),
		"--checkpoint-path", fixture("small.safetensors"))
	if r.Command != "reconstruct" || r.Totals.Files != 2 || r.Totals.Failed != 1 || r.Totals.Samples != 18000 || r.Totals.Seconds != 0.75 {
		t.Errorf("report %+v", r)
	}
	for _, f := range r.Files {
		if f.Elapsed <= 0 || f.RealTime <= 0 || f.Seconds != float64(f.Samples)/24000 {
			t.Errorf("file %+v", f)
		}
	}
	if r.Failed[0].Source != filepath.Join(dir, "missing.wav") || !strings.Contains(r.Failed[0].Error, "missing.wav: no such file") {
		t.Errorf("failed %+v", r.Failed)
	}
}

// TestCollisions: two sources with one output are an error before any work, and
// so is an output that is a source; the same file twice is one source.
func TestCollisions(t *testing.T) {
	dir := t.TempDir()
	x, y := short(t, filepath.Join(dir, "1", "a.wav")), filepath.Join(dir, "2", "a.wav")
	write(t, y, read(t, clip("en.flac")))
	out := filepath.Join(dir, "out")
	end := []string{"--output-dir", out, "--checkpoint-path", fixture("small.safetensors")}
	for _, args := range [][]string{
		{"reconstruct", "--source", x, y},
		{"extract", "--source", filepath.Join(dir, "1"), filepath.Join(dir, "2")},
		{"convert", "--reference", x, "--source", y, x},
	} {
		fail(t, x, append(args, end...)...)
		fail(t, y, append(args, end...)...)
		absent(t, out)
	}
	again := short(t, filepath.Join(dir, "1", "reconstructed_a.wav"))
	fail(t, again+" is a source", "reconstruct", "--source", x, again, "--output-dir", filepath.Join(dir, "1"), "--checkpoint-path", fixture("small.safetensors"))
	if !bytes.Equal(read(t, again), read(t, x)) {
		t.Error("a source was written to")
	}

	if err := os.Remove(again); err != nil {
		t.Fatal(err)
	}
	r := reported(t, 0, append([]string{"reconstruct", "--source", x, filepath.Join(dir, "2", "..", "1", "a.wav"), filepath.Join(dir, "1")}, end...)...)
	if len(r.Files) != 1 {
		t.Errorf("one file named three ways is %d", len(r.Files))
	}
}

// TestOutputIsFolder: nothing else is left behind.
func TestOutputIsFolder(t *testing.T) {
	out := t.TempDir()
	if err := os.Mkdir(filepath.Join(out, "reconstructed_en.wav"), 0o755); err != nil {
		t.Fatal(err)
	}
	fail(t, "is a directory", "reconstruct", clip("en.flac"), "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"))
	checkFiles(t, out)
}

// TestEndings: ffmpeg's formats in a folder are taken too, whatever the case.
func TestEndings(t *testing.T) {
	dir := t.TempDir()
	for _, ending := range []string{".wav", ".mp3", ".opus", ".ogg", ".webm", ".flac", ".m4a", ".aac", ".wma", ".AIFF"} {
		write(t, filepath.Join(dir, "x"+ending), nil)
	}
	var failed []string
	found := findSources([]string{dir}, "", func(path string, err error) { failed = append(failed, path) })
	if len(found) != 10 || failed != nil {
		t.Errorf("found %v, failed %v", found, failed)
	}
}

func TestMeter(t *testing.T) {
	dir := t.TempDir()
	jobs := []job{{source: short(t, filepath.Join(dir, "a.wav"))}, {source: clip("en.flac")}, {source: filepath.Join(dir, "x.mp3")}, {source: filepath.Join(dir, "gone.wav")}}
	write(t, jobs[2].source, append([]byte("ID3"), make([]byte, 159997)...))
	_, info := samplesOf(t, clip("en.flac"))
	for i, want := range []float64{0.25, float64(info.Frames) / float64(info.SampleRate), 10, 0} {
		if got := secondsOf(jobs[i].source); got != want {
			t.Errorf("%s lasts %v s, want %v", jobs[i].source, got, want)
		}
	}
	var screen bytes.Buffer
	show := &display{out: &screen, width: 80}
	m := newMeter(show, jobs)
	total := m.total
	m.begin(0)
	m.end(0, 0.25)
	m.begin(1)(0.5) // beside the next
	m.begin(2)(12)  // it lasts longer than was guessed
	if show.bar.done != 12.75 || show.bar.total != total+2 {
		t.Errorf("%v of %v", show.bar.done, show.bar.total)
	}
	m.end(2, 12)
	m.end(1, 0) // it failed: it is no work any more
	if m.before != 12.25 || m.total != 12.25 {
		t.Errorf("%v of %v at the end", m.before, m.total)
	}
	m.close()
	if show.bar != nil {
		t.Error("the bar stays")
	}
}

// TestBar: a line that never wraps, with amount, time left and file.
func TestBar(t *testing.T) {
	b := &bar{start: time.Now().Add(-time.Minute), total: 300, done: 100, width: 80, what: "a-recording-with-quite-a-long-name.wav",
		amount: func(done, total float64) string { return clock(done) + " of " + clock(total) }}
	if got := b.String(); got != "1:40 of 5:00, 2:00 left  …uite-a-long-name.wav" {
		t.Errorf("bar says %q", got)
	}
	b.width, b.what = 200, "a\x1b[31m.wav"
	if got := b.String(); got != "1:40 of 5:00, 2:00 left  a [31m.wav" {
		t.Errorf("bar says %q", got)
	}
	b.width = 40
	if got := b.String(); got != "1:40 of 5:00, 2:00 left" {
		t.Errorf("bar says %q", got)
	}
	if got := clock(3723.4); got != "1:02:03" {
		t.Errorf("clock says %s", got)
	}
}
