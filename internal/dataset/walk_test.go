package dataset

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func touch(t *testing.T, files ...string) {
	t.Helper()
	for _, f := range files {
		must(t, os.MkdirAll(filepath.Dir(f), 0o755))
		must(t, os.WriteFile(f, nil, 0o600))
	}
}

func walked(t *testing.T, root string, tell func(path, reason string)) []string {
	t.Helper()
	files, err := walk(context.Background(), root, tell, map[string]int{})
	must(t, err)
	var paths []string
	for _, f := range files {
		if _, err := os.Stat(f.file); err != nil {
			t.Error(err)
		}
		paths = append(paths, f.path)
	}
	return paths
}

func TestWalkFindsSpeechInOrder(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"b.wav", "a/z/deep.FLAC", "a.Mp3", "a/x.opus", "a b/é.ogg", "c/1.webm", "c/2.m4a",
		".hidden.wav", ".git/x.wav", "c/.x.flac", "c/notes.txt", "c/wav", "c/x.wav.txt", "c/3.doc",
	} {
		touch(t, filepath.Join(root, name))
	}
	must(t, os.Mkdir(filepath.Join(root, "folder.wav"), 0o755))
	var r reports
	got := walked(t, root, r.add)
	want := []string{"a b/é.ogg", "a.Mp3", "a/x.opus", "a/z/deep.FLAC", "b.wav", "c/1.webm", "c/2.m4a"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	r.want(t)
}

func TestWalkTakesEachFileOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need privileges there")
	}
	base := t.TempDir()
	root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")
	touch(t, filepath.Join(root, "m/own.wav"), filepath.Join(root, ".annex/blob"),
		filepath.Join(outside, "far.wav"), filepath.Join(outside, "sub/far.ogg"), filepath.Join(base, "single.wav"))
	for name, target := range map[string]string{
		"a-up":           root,                               // a loop
		"a-top":          base,                               // a loop, too
		"m/self":         filepath.Join(root, "m"),           // a loop below
		"a-again":        filepath.Join(root, "m"),           // what is there anyway
		"a-own.wav":      filepath.Join(root, "m/own.wav"),   // the same
		"n-out":          outside,                            //
		"z-out":          outside,                            // the same again
		"y-far.wav":      filepath.Join(outside, "far.wav"),  // the same again
		"single.wav":     filepath.Join(base, "single.wav"),  //
		"annexed.flac":   filepath.Join(root, ".annex/blob"), // as git-annex has it
		"nowhere.wav":    filepath.Join(base, "missing"),     //
		"nowhere":        filepath.Join(base, "missing"),     // no speech by its name
		"m/not-at-all.x": filepath.Join(base, "single.wav"),  //
	} {
		must(t, os.Symlink(target, filepath.Join(root, name)))
	}
	must(t, os.Symlink(filepath.Join(root, "m"), filepath.Join(outside, "back")))
	var r reports
	got := walked(t, root, r.add)
	want := []string{"annexed.flac", "m/own.wav", "n-out/far.wav", "n-out/sub/far.ogg", "single.wav"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	r.want(t, "nowhere.wav: link leads nowhere")

	// The folder itself may be a link.
	must(t, os.Symlink(root, filepath.Join(base, "link")))
	if got := walked(t, filepath.Join(base, "link"), func(string, string) {}); !slices.Equal(got, want) {
		t.Errorf("through a link %q, want %q", got, want)
	}
}

// TestPassedOver: what is no speech is counted by extension.
func TestPassedOver(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.wav", "b.txt", "c.TXT", "README", ".hidden", "d.mp4"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	passed := map[string]int{}
	files, err := walk(t.Context(), root, func(path, reason string) { t.Error(path, reason) }, passed)
	if err != nil || len(files) != 2 || len(passed) != 2 || passed[".txt"] != 2 || passed[""] != 1 {
		t.Errorf("found %v, passed over %v, %v", files, passed, err)
	}
}
