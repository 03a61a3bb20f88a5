//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSignals: the program itself, told to end while it writes.
func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		dir := t.TempDir()
		source := wav(t, filepath.Join(dir, "long.wav"), 8000, 1, tone(8000*600, 8000))
		out := filepath.Join(dir, "out")
		cmd := exec.Command(os.Args[0], "reconstruct", source, "--output-dir", out, "--checkpoint-path", fixture("small.pth"))
		cmd.Env = append(os.Environ(), "FACODEC_TEST_COMMAND=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		for len(files(t, out)) == 0 { // until there is something half-written
			select {
			case err := <-exited:
				t.Fatalf("ended before the signal: %v: %s", err, stderr.String())
			case <-time.After(5 * time.Millisecond):
			}
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-exited
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
			t.Errorf("%v: exit code %d", signal, code)
		}
		checkLine(t, stderr.String(), "interrupted")
		absent(t, out)
	}
}
