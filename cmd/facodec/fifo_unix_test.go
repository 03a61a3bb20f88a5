//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFIFO: an interrupt ends the wait for a named pipe's writer, and for what it has to
// say.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	out := filepath.Join(dir, "out.wav")
	for _, command := range []string{"encode", "decode"} {
		for _, writer := range []bool{false, true} {
			if writer { // that says nothing
				w, err := os.OpenFile(pipe, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan result, 1)
			go func() { ended <- runContext(t, ctx, small(command, pipe, "-o", out)...) }()
			time.Sleep(300 * time.Millisecond)
			cancel()
			select {
			case r := <-ended:
				if r.code != exitInterrupted {
					t.Errorf("%s: %d, %s", command, r.code, r.stderr)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s waits on", command)
			}
		}
	}
	absent(t, out)
}

// TestFullDisk: the file that could not be written is named.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	link := filepath.Join(t.TempDir(), "x.png")
	if err := os.Symlink("/dev/full", link); err != nil {
		t.Fatal(err)
	}
	if r := run(t, "plot", clip("en.flac"), "-o", link, "--width", "400", "--height", "400", "--force"); r.code != exitFailed || !strings.Contains(r.stderr, "write "+link+": no space left") {
		t.Errorf("%d: %s", r.code, r.stderr)
	}
}
