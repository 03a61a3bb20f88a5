package hub

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const testCommit = "0123456789abcdef0123456789abcdef01234567"

// A fakeHub serves Plachta/FAcodec as the hub does: large files by a redirect to
// a storage on another host, small ones itself. misbehave, if not nil, may answer
// in its place.
type fakeHub struct {
	*httptest.Server
	storage   *httptest.Server
	large     map[string][]byte
	small     map[string][]byte
	misbehave func(w http.ResponseWriter, r *http.Request, where string) (done bool)

	mu       sync.Mutex
	requests []string // "HEAD hub", "GET storage bytes=5-"
	tokens   []string // "hub Bearer x"
}

func newHub(t *testing.T) *fakeHub {
	h := &fakeHub{large: map[string][]byte{"pytorch_model.bin": bigFile(300_000)}, small: map[string][]byte{"config.yml": []byte("a: 1\n")}}
	h.Server = httptest.NewServer(h.serve("hub"))
	h.storage = httptest.NewServer(h.serve("storage"))
	t.Cleanup(h.Close)
	t.Cleanup(h.storage.Close)
	return h
}

func bigFile(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}

// client has an empty cache, and does not wait.
func (h *fakeHub) client(t *testing.T) *Client {
	return &Client{Endpoint: h.URL, Cache: filepath.Join(t.TempDir(), "hub"),
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

func (h *fakeHub) serve(where string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.requests = append(h.requests, strings.TrimSpace(r.Method+" "+where+" "+r.Header.Get("Range")))
		h.tokens = append(h.tokens, where+" "+r.Header.Get("Authorization"))
		h.mu.Unlock()
		if h.misbehave != nil && h.misbehave(w, r, where) {
			return
		}
		if where == "storage" {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(h.large[strings.TrimPrefix(r.URL.Path, "/")]))
			return
		}
		w.Header().Set("X-Repo-Commit", testCommit)
		repo, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/")
		revision, file, _ := strings.Cut(path, "/")
		switch {
		case repo != "Plachta/FAcodec":
			w.Header().Set("X-Error-Code", "RepoNotFound")
			w.WriteHeader(http.StatusNotFound)
		case revision != "main" && revision != testCommit:
			w.Header().Set("X-Error-Code", "RevisionNotFound")
			w.WriteHeader(http.StatusNotFound)
		case h.large[file] != nil:
			w.Header().Set("X-Linked-Etag", `"`+sha256Of(h.large[file])+`"`)
			w.Header().Set("X-Linked-Size", strconv.Itoa(len(h.large[file])))
			w.Header().Set("ETag", `"of-the-redirect"`)
			http.Redirect(w, r, h.storage.URL+"/"+file+"?signature=secret", http.StatusFound)
		case h.small[file] != nil:
			w.Header().Set("ETag", `"`+gitOf(h.small[file])+`"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(h.small[file]))
		default:
			w.Header().Set("X-Error-Code", "EntryNotFound")
			w.WriteHeader(http.StatusNotFound)
		}
	}
}

// seen returns the requests so far, and forgets them.
func (h *fakeHub) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := h.requests
	h.requests = nil
	return seen
}

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func gitOf(b []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(b)), b...))
	return hex.EncodeToString(sum[:])
}

var (
	model  = Ref{"Plachta/FAcodec", "main", "pytorch_model.bin"}
	config = Ref{"Plachta/FAcodec", "main", "config.yml"}
)

// get downloads a file that must come as the hub has it.
func (h *fakeHub) get(t *testing.T, c *Client, r Ref) File {
	t.Helper()
	f, err := c.Download(t.Context(), r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := h.large[r.File]
	if want == nil {
		want = h.small[r.File]
	}
	got, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) || f.Size != int64(len(want)) {
		t.Fatalf("%s: %d bytes, other than the %d of the hub", r, len(got), len(want))
	}
	checkNothingPartial(t, c)
	return f
}

// refuse downloads a file that must fail, with an error on one line in which each
// of want stands.
func refuse(t *testing.T, c *Client, r Ref, want ...string) error {
	t.Helper()
	_, err := c.Download(t.Context(), r, Options{})
	if err == nil {
		t.Fatalf("%s: downloaded", r)
	}
	for _, w := range append(want, r.File) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
	if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
		t.Errorf("more than one line, or too much told: %v", err)
	}
	return err
}

// tree lists a folder's files, links with where they lead.
func tree(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		name = filepath.ToSlash(name)
		if to, err := os.Readlink(path); err == nil {
			name += " -> " + filepath.ToSlash(to)
		}
		found = append(found, name)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return found
}

func checkNothingPartial(t *testing.T, c *Client) {
	t.Helper()
	for _, name := range tree(t, c.Cache) {
		if strings.HasSuffix(name, ".incomplete") || strings.Contains(name, ".link-") || strings.Contains(name, ".tmp-") {
			t.Errorf("left behind: %s", name)
		}
	}
}

// drop answers with the part of a body that was asked for, cut after n bytes.
func drop(w http.ResponseWriter, r *http.Request, body []byte, n int) {
	from := 0
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = io.Copy(w, bytes.NewReader(body[from:min(len(body), from+n)]))
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}
