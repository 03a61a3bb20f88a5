package facodec_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestScriptsHelp: --help of the scripts in Python needs none of the packages that they work with.
func TestScriptsHelp(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	scripts := []string{filepath.Join("scripts", "judge")}
	for _, dir := range []string{"parallel-speech", "interop"} {
		found, err := filepath.Glob(filepath.Join("scripts", dir, "*.py"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		scripts = append(scripts, found...)
	}
	for _, script := range scripts {
		if filepath.Base(script) == "needs.py" { // which others import
			continue
		}
		// -S: without what is installed, -B: without writing what is compiled.
		out, err := exec.Command(python, "-S", "-B", script, "--help").CombinedOutput()
		if err != nil || len(out) < 100 {
			t.Errorf("%s --help: %v: %s", script, err, out)
		}
	}
}
