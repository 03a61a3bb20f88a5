package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// TestUnknownInstructionSet: a misspelled FACODEC_SIMD ends every command with an
// error that says which names there are.
func TestUnknownInstructionSet(t *testing.T) {
	for _, c := range []struct {
		value string
		code  int
	}{{"avx-2", exitFailed}, {"generic", 0}} {
		cmd := exec.Command(os.Args[0], "version")
		cmd.Env = append(os.Environ(), "FACODEC_TEST_COMMAND=1", "FACODEC_SIMD="+c.value)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.value, code, c.code, stderr.String())
		}
		if c.code != 0 {
			checkLine(t, stderr.String(), `facodec: environment variable FACODEC_SIMD: "avx-2"`)
			checkLine(t, stderr.String(), "want generic, neon, avx2")
		}
	}
}
