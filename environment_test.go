package facodec_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/facodec-go/facodec"
)

// TestUnknownInstructionSet opens a codec in a process with an unknown FACODEC_SIMD.
func TestUnknownInstructionSet(t *testing.T) {
	const inner = "FACODEC_TEST_ENVIRONMENT"
	if os.Getenv(inner) != "" {
		if _, err := facodec.Open("none.pth"); err != nil {
			t.Log(err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestUnknownInstructionSet$", "-test.v")
	cmd.Env = append(os.Environ(), inner+"=1", "FACODEC_SIMD=sse")
	out, err := cmd.CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, `FACODEC_SIMD: "sse"`) || !strings.Contains(text, "want generic, neon, avx2") {
		t.Errorf("%v: %s", err, text)
	}
}
