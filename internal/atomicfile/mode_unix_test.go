//go:build unix

package atomicfile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMode: a new file has what the umask says, one that is replaced keeps its mode.
func TestMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022))
	path := filepath.Join(t.TempDir(), "x")
	check := func(want fs.FileMode) {
		t.Helper()
		f, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("mode %v, want %v (%v)", info.Mode(), want, err)
		}
		os.Remove(path)
	}
	for umask, want := range map[int]fs.FileMode{0o022: 0o644, 0o077: 0o600, 0o002: 0o664} {
		syscall.Umask(umask)
		check(want)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	check(0o640)
}

// TestStreams: devices and pipes are written to, not replaced, and nothing is left.
func TestStreams(t *testing.T) {
	aside := t.TempDir()
	t.Setenv("TMPDIR", aside)
	put(t, os.DevNull, "text")
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&fs.ModeDevice == 0 {
		t.Fatalf("%v, %v", info, err)
	}
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, link} {
		got := make(chan string)
		go func() {
			b, err := os.ReadFile(pipe)
			got <- fmt.Sprint(string(b), err)
		}()
		text := strings.Repeat("much more than a pipe holds ", 1<<13)
		put(t, path, text)
		if got := <-got; got != text+"<nil>" {
			t.Errorf("%s: %d bytes came out", path, len(got))
		}
		if !IsStream(path) {
			t.Errorf("%s is taken for a file", path)
		}
	}
	readerWait = 0
	f, err := Create(pipe)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err == nil || !strings.Contains(err.Error(), pipe) {
		t.Errorf("without a reader: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/dev/fd/%d", w.Fd())
	if _, err := os.Stat(path); err == nil {
		put(t, path, "text")
		w.Close()
		if b, err := io.ReadAll(r); string(b) != "text" || err != nil {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	if got := names(t, aside); len(got) != 0 {
		t.Errorf("left aside: %q", got)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("left beside the pipe: %q", got)
	}
}
