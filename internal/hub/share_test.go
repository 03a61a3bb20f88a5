package hub

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDownloadsWithoutLocks: where locks do nothing, downloads side by side each
// have their own file, and none spoils another's.
func TestDownloadsWithoutLocks(t *testing.T) {
	h := newHub(t)
	first := h.client(t)
	together := make(chan struct{})
	arrived := 0
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		if where != "storage" {
			return false
		}
		body := h.large[model.File]
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body[:100_000])
		w.(http.Flusher).Flush()
		h.mu.Lock()
		if arrived++; arrived == 3 {
			close(together)
		}
		h.mu.Unlock()
		<-together // all three are in the middle
		_, _ = w.Write(body[100_000:])
		return true
	}
	var wait sync.WaitGroup
	for range 3 {
		c := &Client{Endpoint: first.Endpoint, Cache: first.Cache, noLocks: true}
		wait.Go(func() {
			if f, err := c.Download(context.Background(), model, Options{}); err != nil || f.Size != 300_000 || !f.Verified {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
	wait.Wait()
	h.misbehave = nil
	h.get(t, first, model)
	checkNothingPartial(t, first)
}

// TestLeftBehind: what other downloads left is gone on from, what they are writing
// is not touched.
func TestLeftBehind(t *testing.T) {
	h := newHub(t)
	body := h.large[model.File]
	host, _, _ := cutLast(processName(), "-")
	for _, c := range []struct {
		name string
		age  time.Duration
		take bool
	}{
		{".incomplete", 0, true},
		{".other_host-7-1.incomplete", 0, false},
		{".other_host-7-1.incomplete", 2 * abandoned, true},
		{"." + host + fmt.Sprintf("-%d-77.incomplete", os.Getpid()), 0, false},
		{"." + host + "-999999999-1.incomplete", 0, runtime.GOOS != "windows"}, // no such process
		{".odd.incomplete", 0, false},
	} {
		client := h.client(t)
		blob := client.blob(model.Repo, sha256Of(body))
		if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
			t.Fatal(err)
		}
		path := blob + c.name
		if err := os.WriteFile(path, body[:123_456], 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-c.age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		h.seen()
		if f, err := client.Download(t.Context(), model, Options{}); err != nil || !f.Came {
			t.Fatal(err)
		}
		if took := slices.Contains(h.seen(), "GET storage bytes=123456-"); took != c.take {
			t.Errorf("%s, %v old: gone on from: %v", c.name, c.age, took)
		}
		if _, err := os.Stat(path); (err == nil) == c.take {
			t.Errorf("%s, %v old: %v", c.name, c.age, err)
		}
	}
}

// TestNoLinks: with HF_HUB_DISABLE_SYMLINKS a file lies in the snapshot itself.
func TestNoLinks(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	t.Setenv("HF_HUB_DISABLE_SYMLINKS", "1")
	t.Setenv("HF_ENDPOINT", h.URL)
	t.Setenv("HF_HUB_CACHE", c.Cache)
	c, err := FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	f := h.get(t, c, model)
	if info, err := os.Lstat(f.Path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
	for _, name := range tree(t, c.Cache) {
		if strings.Contains(name, " -> ") || strings.Contains(name, "/blobs/") {
			t.Errorf("the cache holds %s", name)
		}
	}
	h.seen()
	if f = h.get(t, c, model); f.Came || !slices.Equal(h.seen(), []string{"HEAD hub"}) {
		t.Error("downloaded again")
	}
	// A blob that is there from before, under another commit say, stays.
	c.NoLinks = false
	h.get(t, c, config)
	f, _ = c.Cached(config)
	c.NoLinks = true
	if err := os.Remove(f.Path); err != nil {
		t.Fatal(err)
	}
	if f = h.get(t, c, config); f.Came {
		t.Error("downloaded again")
	}
	if info, err := os.Lstat(f.Path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
}

// TestWeakETag: one that looks like a hash is none.
func TestWeakETag(t *testing.T) {
	h := newHub(t)
	weak := strings.Repeat("0123456789", 4)
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		w.Header().Set("X-Repo-Commit", testCommit)
		w.Header().Set("ETag", `W/"`+weak+`"`)
		if r.Method == http.MethodGet {
			_, _ = w.Write(h.small[config.File])
		}
		return true
	}
	c := h.client(t)
	if f := h.get(t, c, config); f.Verified || !f.Came {
		t.Errorf("%+v", f)
	}
}

// TestUnknownLength: a server that does not say how long a file is cannot fill the
// disk.
func TestUnknownLength(t *testing.T) {
	h := newHub(t)
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		w.Header().Set("X-Repo-Commit", testCommit)
		w.Header().Set("ETag", `"no-hash"`)
		w.(http.Flusher).Flush() // chunked: no length
		if r.Method == http.MethodGet {
			for range 20 {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					break
				}
			}
		}
		return true
	}
	c := h.client(t)
	c.Unknown = 1 << 20
	refuse(t, c, config, "more than 1048576 bytes", "does not say")
	checkNothingPartial(t, c)
	c.Unknown = 2 << 20
	if f, err := c.Download(t.Context(), config, Options{}); err != nil || f.Size != 20<<16 {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestOddRedirect is refused at once.
func TestOddRedirect(t *testing.T) {
	for address, want := range map[string]string{
		"ftp://example.org/x": "ftp", "file:///etc/passwd": "file", "data:text/plain,x": "data",
	} {
		h := newHub(t)
		h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
			if r.Method != http.MethodGet {
				return false
			}
			w.Header().Set("Location", address)
			w.WriteHeader(http.StatusFound)
			return true
		}
		refuse(t, h.client(t), model, want, "neither https nor http")
		if got := h.seen(); len(got) != 2 {
			t.Errorf("%s: asked %q", address, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"Plachta/FAcodec", "hf://models/a/b@refs/pr/1/x", "https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/x?y", "hf://a/b/c@d", "http://hub.example/hf/a/b"} {
		f.Add(s)
	}
	c := &Client{Cache: f.TempDir()}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s, "https://hub.example/hf")
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than one line: %v", s, err)
			}
			return
		}
		if again, err := Parse(r.String(), ""); err != nil || again != r {
			t.Errorf("%q: %+v printed as %s is %+v, %v", s, r, r, again, err)
		}
		if r.File != "" {
			if rel, err := filepath.Rel(c.Cache, c.snapshot(r, testCommit)); err != nil || !filepath.IsLocal(rel) {
				t.Errorf("%q leads to %s", s, rel)
			}
		}
		_, _ = io.WriteString(io.Discard, r.url("https://hub.example"))
	})
}
