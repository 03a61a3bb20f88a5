package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDrops: the connection breaks again and again; what has come is not asked
// for twice.
func TestDrops(t *testing.T) {
	h := newHub(t)
	body := h.large[model.File]
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		if where == "storage" {
			drop(w, r, body, 40_000)
		}
		return false
	}
	h.get(t, h.client(t), model) // more drops than attempts: each brings something
	var ranges []string
	for _, s := range h.seen() {
		if from, ok := strings.CutPrefix(s, "GET storage bytes="); ok {
			ranges = append(ranges, from)
		}
	}
	if want := []string{"40000-", "80000-", "120000-", "160000-", "200000-", "240000-", "280000-"}; !slices.Equal(ranges, want) {
		t.Errorf("asked for %q, want %q", ranges, want)
	}
}

// TestDropsWithoutRanges: a server that always begins at the start.
func TestDropsWithoutRanges(t *testing.T) {
	h := newHub(t)
	body := h.large[model.File]
	times := 0
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		if where != "storage" {
			return false
		}
		r.Header.Del("Range")
		if times++; times < 3 {
			drop(w, r, body, 100_000)
		}
		return false
	}
	h.get(t, h.client(t), model)
}

// TestWrongPart: a range that is not the one asked for, and one that is refused.
func TestWrongPart(t *testing.T) {
	for _, status := range []int{http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable} {
		h := newHub(t)
		body := h.large[model.File]
		times := 0
		h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
			if where != "storage" {
				return false
			}
			switch times++; times {
			case 1:
				drop(w, r, body, 1000)
			case 2:
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(body)-1, len(body)))
				w.WriteHeader(status)
				_, _ = w.Write(body[7:])
				return true
			}
			return false
		}
		h.get(t, h.client(t), model)
	}
}

// TestInterruptedAndResumed by another process.
func TestInterruptedAndResumed(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		if where == "storage" {
			w.Header().Set("Content-Length", "300000")
			_, _ = w.Write(h.large[model.File][:70_000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}
		return false
	}
	_, err := c.Download(ctx, model, Options{Progress: func(_ string, done, total int64) {
		if done == 70_000 && total == 300_000 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if _, ok := c.Cached(model); ok {
		t.Fatal("half a file is in the cache")
	}
	h.misbehave = nil
	h.seen()
	first := int64(-1)
	again := &Client{Endpoint: c.Endpoint, Cache: c.Cache}
	if _, err := again.Download(t.Context(), model, Options{Progress: func(_ string, done, _ int64) {
		if first < 0 {
			first = done
		}
	}}); err != nil {
		t.Fatal(err)
	}
	if got := h.seen(); first != 70_000 || !slices.Contains(got, "GET storage bytes=70000-") {
		t.Errorf("went on at %d: %q", first, got)
	}
	h.get(t, c, model)
}

func TestWrongHash(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	for _, test := range []struct {
		r    Ref
		want string
		body []byte
	}{
		{model, sha256Of(h.large[model.File]), bigFile(300_001)[1:]},
		{config, gitOf(h.small[config.File]), []byte("a: 2\n")},
	} {
		h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
			if r.Method == http.MethodGet && (where == "storage") == (test.r == model) {
				_, _ = w.Write(test.body)
				return true
			}
			return false
		}
		got := sha256Of(test.body)
		if test.r == config {
			got = gitOf(test.body)
		}
		if err := refuse(t, c, test.r, got, test.want, "deleted"); !errors.Is(err, ErrHash) {
			t.Errorf("%v", err)
		}
		checkNothingPartial(t, c)
		if _, ok := c.Cached(test.r); ok {
			t.Error("a wrong file is in the cache")
		}
		h.misbehave = nil
		h.get(t, c, test.r)
	}
}

// TestWrongBeginning: what lay there from before is not of this file.
func TestWrongBeginning(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	blob := c.blob(model.Repo, sha256Of(h.large[model.File]))
	if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blob+".incomplete", make([]byte, 5000), 0o644); err != nil {
		t.Fatal(err)
	}
	refuse(t, c, model, "wrong hash")
	h.get(t, c, model)
	// More than the file has cannot be its beginning: it is not gone on from.
	c = h.client(t)
	blob = c.blob(model.Repo, sha256Of(h.large[model.File]))
	_ = os.MkdirAll(filepath.Dir(blob), 0o755)
	if err := os.WriteFile(blob+".incomplete", make([]byte, 300_001), 0o644); err != nil {
		t.Fatal(err)
	}
	h.get(t, c, model)
}

func TestWrongLength(t *testing.T) {
	h := newHub(t)
	for _, n := range []int{299_990, 300_010} {
		for _, announced := range []bool{true, false} {
			c := h.client(t)
			h.misbehave = func(w http.ResponseWriter, _ *http.Request, where string) bool {
				if where != "storage" {
					return false
				}
				if announced {
					w.Header().Set("Content-Length", strconv.Itoa(n))
				} else {
					w.(http.Flusher).Flush() // sent in chunks
				}
				_, _ = w.Write(bigFile(n))
				return true
			}
			switch {
			case announced:
				refuse(t, c, model, strconv.Itoa(n), "300000")
				checkNothingPartial(t, c)
			case n > 300_000:
				refuse(t, c, model, "more comes")
				checkNothingPartial(t, c)
			default: // looks like a connection that broke off, again and again
				refuse(t, c, model, "broke off")
			}
		}
	}
}
