package hub

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTokenStaysHome: only the endpoint is told the token, not the storage that
// it sends on to.
func TestTokenStaysHome(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	c.Token = "hf_secret"
	h.get(t, c, model)
	if want := []string{"hub Bearer hf_secret", "hub Bearer hf_secret", "storage "}; !slices.Equal(h.tokens, want) {
		t.Errorf("told %q, want %q", h.tokens, want)
	}
	// HEAD is not sent on there at all, and GET comes back with the token.
	h.tokens = nil
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		if where == "storage" && r.URL.Path == "/back" {
			http.Redirect(w, r, h.URL+"/file", http.StatusFound)
			return true
		}
		if r.URL.Path == "/file" {
			_, _ = w.Write(h.large[model.File])
			return true
		}
		if where == "hub" && r.Method == http.MethodGet {
			http.Redirect(w, r, h.storage.URL+"/back", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	h2 := &Client{Endpoint: c.Endpoint, Cache: t.TempDir(), Token: c.Token}
	h.get(t, h2, model)
	if want := []string{"hub Bearer hf_secret", "hub Bearer hf_secret", "storage ", "hub Bearer hf_secret"}; !slices.Equal(h.tokens, want) {
		t.Errorf("told %q, want %q", h.tokens, want)
	}
}

// TestRenamedRepository: the hub sends on within itself, and HEAD follows.
func TestRenamedRepository(t *testing.T) {
	h := newHub(t)
	h.misbehave = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/Old/name/"); ok {
			w.Header().Set("Location", "/Plachta/FAcodec/"+rest)
			w.WriteHeader(http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	h.get(t, h.client(t), Ref{"Old/name", "main", model.File})
	h.misbehave = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
		return true
	}
	refuse(t, h.client(t), model, "redirects")
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		status      int
		code, token string
		want        []string
	}{
		{401, "", "", []string{"401", "HF_TOKEN", "check the name"}},
		{401, "", "hf_secret", []string{"the token is refused", "401"}},
		{401, "GatedRepo", "", []string{"licence", "HF_TOKEN", "/Plachta/FAcodec"}},
		{403, "GatedRepo", "hf_secret", []string{"licence", "403", "account"}},
		{403, "", "", []string{"403"}},
		{404, "RepoNotFound", "", []string{"no such repository", "check the name"}},
		{404, "RevisionNotFound", "", []string{`no revision "main"`}},
		{404, "EntryNotFound", "", []string{"no such file", "/tree/main"}},
		{418, "", "", []string{"418"}},
	} {
		h := newHub(t)
		c := h.client(t)
		c.Token = test.token
		h.misbehave = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.Header().Set("X-Error-Code", test.code)
			w.WriteHeader(test.status)
			return true
		}
		err := refuse(t, c, model, test.want...)
		if (test.code == "EntryNotFound") != errors.Is(err, ErrNoFile) {
			t.Errorf("%v", err)
		}
		if n := len(h.seen()); n != 1 {
			t.Errorf("%d %s: asked %d times", test.status, test.code, n)
		}
	}
}

// TestBusy: 429 and 5xx pass, and the server says how long to wait.
func TestBusy(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	var waits []time.Duration
	c.Pause = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}
	times := 0
	h.misbehave = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		switch times++; times {
		case 1:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2, 5: // 5 is of the storage
			w.WriteHeader(http.StatusInternalServerError)
		default:
			return false
		}
		return true
	}
	var notices []string
	if _, err := c.Download(t.Context(), model, Options{Notice: func(text string) { notices = append(notices, text) }}); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{7 * time.Second, 2 * time.Second, time.Second}; !slices.Equal(waits, want) {
		t.Errorf("waited %v, want %v", waits, want)
	}
	if len(notices) != 3 || !strings.Contains(notices[0], "429 Too Many Requests; trying again in 7s") {
		t.Errorf("told %q", notices)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "-1": 0, "12": 12 * time.Second,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:03:05 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestBroken: an end is made of it, at once where it would take too long. What is
// in the cache is used.
func TestBroken(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	h.misbehave = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	refuse(t, c, model, "503", "later")
	if n := len(h.seen()); n != attempts {
		t.Errorf("tried %d times", n)
	}
	broken := h.misbehave
	h.misbehave = nil
	h.get(t, c, model)
	h.seen()
	h.misbehave = broken
	notice := ""
	if _, err := c.Download(t.Context(), model, Options{Notice: func(text string) { notice = text }}); err != nil {
		t.Error(err)
	}
	if !strings.Contains(notice, "using what was downloaded before") {
		t.Errorf("notice %q", notice)
	}
	h.seen()
	h.misbehave = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	refuse(t, c, config, "429")
	if n := len(h.seen()); n != 1 {
		t.Errorf("tried %d times", n)
	}
	h.Close()
	refuse(t, c, config, "cannot reach 127.0.0.1")
}

// TestStalled: a connection that stays open and brings nothing is given up.
func TestStalled(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	c.Stall = 500 * time.Millisecond
	times := 0
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		if where != "storage" {
			return false
		}
		if times++; times == 1 {
			w.Header().Set("Content-Length", "300000")
			_, _ = w.Write(h.large[model.File][:1000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}
		// Slow, but it does bring something: slower than Stall in all.
		for i := 1000; i < 300_000; i += 59_800 {
			if i == 1000 {
				w.Header().Set("Content-Range", "bytes 1000-299999/300000")
				w.WriteHeader(http.StatusPartialContent)
			}
			_, _ = w.Write(h.large[model.File][i:min(i+59_800, 300_000)])
			w.(http.Flusher).Flush()
			time.Sleep(120 * time.Millisecond)
		}
		return true
	}
	h.get(t, c, model)
	if times != 2 {
		t.Errorf("asked %d times", times)
	}
}

// TestNoHub: answers without what a hub says, and with what one would never.
func TestNoHub(t *testing.T) {
	for _, test := range []struct{ commit, etag, want string }{
		{"", "abc", "HF_ENDPOINT"},
		{"main", "abc", "HF_ENDPOINT"},
		{"../../../../" + testCommit[12:], "abc", "HF_ENDPOINT"},
		{testCommit, "", "ETag"},
		{testCommit, "../../x", "ETag"},
		{testCommit, "..", "ETag"},
		{testCommit, "a/b", "ETag"},
		{testCommit, "x.incomplete", "ETag"},
		{testCommit, strings.Repeat("x", 300), "ETag"},
	} {
		h := newHub(t)
		h.misbehave = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.Header().Set("X-Repo-Commit", test.commit)
			if test.etag != "" {
				w.Header().Set("ETag", `"`+test.etag+`"`)
			}
			return true
		}
		c := h.client(t)
		if err := refuse(t, c, model, test.want); !errors.Is(err, ErrServer) {
			t.Errorf("%v", err)
		}
		if got := tree(t, c.Cache); got != nil {
			t.Errorf("made %q", got)
		}
	}
}

// TestUnknownHash: a mirror whose ETag is no hash; it is said, and a half is not
// gone on from.
func TestUnknownHash(t *testing.T) {
	h := newHub(t)
	times := 0
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		if r.Method == http.MethodHead {
			w.Header().Set("X-Repo-Commit", testCommit)
			w.Header().Set("ETag", `"v7"`)
			w.Header().Set("Content-Length", "300000")
			return true
		}
		if times++; where == "hub" && times == 1 {
			w.Header().Set("Retry-After", "100000") // ends the first download
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	c := h.client(t)
	refuse(t, c, model, "503")
	blob := c.blob(model.Repo, "v7")
	if err := os.WriteFile(blob+".incomplete", make([]byte, 5000), 0o644); err != nil {
		t.Fatal(err)
	}
	if f := h.get(t, c, model); f.Verified || !f.Came {
		t.Errorf("%+v", f)
	}
}

func TestFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	h := newHub(t)
	c := h.client(t)
	blob := c.blob(model.Repo, sha256Of(h.large[model.File]))
	if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", blob+".incomplete"); err != nil {
		t.Fatal(err)
	}
	refuse(t, c, model, "the disk is full: 0.3 MB more are needed", "HF_HUB_CACHE")
}

// TestCopied is how a file is linked where there are no links.
func TestCopied(t *testing.T) {
	dir := t.TempDir()
	blob, pointer := filepath.Join(dir, "blob"), filepath.Join(dir, "pointer")
	if err := os.WriteFile(blob, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(blob, pointer); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(pointer); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}
