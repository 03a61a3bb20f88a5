package audio

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestComment: what a file carries is found again, and its samples are as without.
func TestComment(t *testing.T) {
	const comment = `made {"of":"a","much":"` + "longer" + `"}`
	samples := tone(12001, 440, 24000)
	for _, name := range []string{"a.wav", "a.flac", "a.mp3", "a.opus"} {
		if _, err := exec.LookPath("ffmpeg"); err != nil && name != "a.wav" && name != "a.flac" {
			continue
		}
		var files [2][]float32
		for i, text := range []string{"", comment} {
			path := filepath.Join(t.TempDir(), name)
			w, err := CreateWith(path, WriteOptions{Rate: 24000, Comment: text})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(samples); err != nil {
				t.Fatal(err)
			}
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
			if got, err := FindComment(path, "made {", "}"); got != text || err != nil {
				t.Errorf("%s: found %q, %v; want %q", name, got, err, text)
			}
			r, err := OpenWith(t.Context(), path, Options{Strict: true})
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			if files[i], err = ReadFile(path, 24000); err != nil {
				t.Fatal(err)
			}
		}
		if len(files[0]) != len(samples) || len(files[1]) != len(samples) {
			t.Fatalf("%s: %d and %d samples", name, len(files[0]), len(files[1]))
		}
		for i := range files[0] {
			if files[0][i] != files[1][i] {
				t.Fatalf("%s: the comment changes sample %d", name, i)
			}
		}
	}
	for _, text := range []string{"two\nlines", "ö", strings.Repeat("x", 2000)} {
		if _, err := CreateWith(filepath.Join(t.TempDir(), "x.wav"), WriteOptions{Rate: 24000, Comment: text}); err == nil {
			t.Errorf("%.10q was taken", text)
		}
	}
}
