package hub

import (
	"strings"
	"testing"
)

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{
		"hf://Plachta/FAcodec": true, "hf://a/b@v1/folder/c.safetensors": true,
		"Plachta/FAcodec": false, "facodec": false, "model.safetensors": false, "": false,
	} {
		if IsName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// TestNoSuchName: a name that cannot be one is refused before anything is asked, and
// offline nothing is.
func TestNoSuchName(t *testing.T) {
	t.Setenv("HF_HUB_OFFLINE", "1")
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	for name, want := range map[string]string{
		"codec":           "facodec, redecoder or ns3",
		"a/b/../../c":     "a/b",
		"Plachta/FAcodec": "offline",
		"facodec":         "Plachta/FAcodec",
	} {
		m, err := Download(t.Context(), name, Options{})
		if err == nil || m != nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
			t.Errorf("%s: %v, %v; want %q", name, m, err, want)
		}
	}
}
