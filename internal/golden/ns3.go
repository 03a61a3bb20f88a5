package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// NS3Dir returns the folder of golden files of the NaturalSpeech 3 family:
// FACODEC_GOLDEN_NS3, or testdata/golden_ns3 of this module.
func NS3Dir(t testing.TB) string {
	t.Helper()
	return folder(t, "FACODEC_GOLDEN_NS3", "golden_ns3")
}

// NS3Files is Files for that folder.
func NS3Files(t testing.TB, pattern string) []string {
	t.Helper()
	return filesIn(t, NS3Dir(t), pattern)
}

// folder returns the folder that an environment variable names, or one of testdata.
func folder(t testing.TB, variable, base string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join(moduleRoot(t), "testdata", base)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Fatalf("golden folder %s is not there (%s=%q)", dir, variable, os.Getenv(variable))
	}
	return dir
}
