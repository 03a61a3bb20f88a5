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
	"sync"
	"testing"
	"time"
)

// TestLayout: what huggingface_hub makes of the same two downloads.
func TestLayout(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	f := h.get(t, c, model)
	if !f.Came || !f.Verified || f.Commit != testCommit {
		t.Errorf("%+v", f)
	}
	h.get(t, c, config)
	if _, err := c.Download(t.Context(), config.In("sub/other.yml"), Options{}); !errors.Is(err, ErrNoFile) {
		t.Errorf("a file that is not there: %v", err)
	}
	big, small := sha256Of(h.large["pytorch_model.bin"]), gitOf(h.small["config.yml"])
	const repo, snapshot = "models--Plachta--FAcodec/", "models--Plachta--FAcodec/snapshots/" + testCommit + "/"
	want := []string{
		".locks/" + repo + big + ".lock", ".locks/" + repo + small + ".lock",
		"CACHEDIR.TAG",
		repo + ".no_exist/" + testCommit + "/sub/other.yml",
		repo + "blobs/" + big, repo + "blobs/" + small,
		repo + "refs/main",
		snapshot + "config.yml -> ../../blobs/" + small,
		snapshot + "pytorch_model.bin -> ../../blobs/" + big,
	}
	got := tree(t, c.Cache)
	slices.Sort(got)
	slices.Sort(want)
	if runtime.GOOS != "windows" && !slices.Equal(got, want) {
		t.Errorf("the cache holds\n%s\nand should\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if text, err := os.ReadFile(filepath.Join(c.Cache, repo, "refs", "main")); err != nil || string(text) != testCommit {
		t.Errorf("refs/main is %q, %v", text, err)
	}
	if !c.Missing(config.In("sub/other.yml")) || c.Missing(config) {
		t.Error("what is missing is not remembered")
	}
}

func TestCachedIsNotDownloadedAgain(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	h.get(t, c, model)
	h.seen()
	if f := h.get(t, c, model); f.Came {
		t.Error("came again")
	}
	if got := h.seen(); !slices.Equal(got, []string{"HEAD hub"}) {
		t.Errorf("asked %q", got)
	}
	// By its commit, or offline, nothing is asked at all.
	byCommit := model
	byCommit.Revision = testCommit
	h.get(t, c, byCommit)
	c.Offline = true
	h.get(t, c, model)
	if err := refuse(t, c, config, "HF_HUB_OFFLINE"); !errors.Is(err, ErrOffline) {
		t.Errorf("%v", err)
	}
	if got := h.seen(); got != nil {
		t.Errorf("asked %q", got)
	}
}

// TestDamagedCache: a blob that was cut is fetched again, a link that is gone is
// made again.
func TestDamagedCache(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	f := h.get(t, c, model)
	if err := os.Remove(f.Path); err != nil {
		t.Fatal(err)
	}
	if f = h.get(t, c, model); f.Came {
		t.Error("downloaded again for a link")
	}
	if err := os.Truncate(f.Path, 1000); err != nil { // through the link
		t.Fatal(err)
	}
	if f = h.get(t, c, model); !f.Came {
		t.Error("a cut blob was taken for whole")
	}
}

// TestNewCommit: the branch moved on; what did not change is not fetched again.
func TestNewCommit(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	h.get(t, c, config)
	const next = "89abcdef0123456789abcdef0123456789abcdef"
	h.misbehave = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		w.Header().Set("X-Repo-Commit", next)
		w.Header().Set("ETag", `"`+gitOf(h.small["config.yml"])+`"`)
		return r.Method == http.MethodHead
	}
	f, err := c.Download(t.Context(), config, Options{})
	if err != nil || f.Commit != next || f.Came {
		t.Fatalf("%+v, %v", f, err)
	}
	if cached, ok := c.Cached(config); !ok || cached.Commit != next {
		t.Errorf("the branch is still at %s", cached.Commit)
	}
}

// TestConcurrentDownloads of one file, as by several processes: one fetches it.
func TestConcurrentDownloads(t *testing.T) {
	h := newHub(t)
	first := h.client(t)
	h.misbehave = func(w http.ResponseWriter, r *http.Request, where string) bool {
		if where == "storage" {
			time.Sleep(100 * time.Millisecond) // so that the others come meanwhile
		}
		return false
	}
	var wait sync.WaitGroup
	for range 4 {
		c := &Client{Endpoint: first.Endpoint, Cache: first.Cache}
		wait.Go(func() {
			if f, err := c.Download(context.Background(), model, Options{}); err != nil || f.Size != 300_000 {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
	wait.Wait()
	fetched := slices.DeleteFunc(h.seen(), func(s string) bool { return s != "GET storage" })
	if len(fetched) != 1 {
		t.Errorf("fetched %d times", len(fetched))
	}
	checkNothingPartial(t, first)
}

func TestWaitingForAnotherCanBeStopped(t *testing.T) {
	h := newHub(t)
	c := h.client(t)
	unlock, err := c.lock(t.Context(), model.Repo, sha256Of(h.large[model.File]), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.Download(ctx, model, Options{Notice: func(text string) {
		if !strings.Contains(text, "another process") {
			t.Errorf("notice %q", text)
		}
		cancel()
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string]Ref{
		"Plachta/FAcodec":                        {"Plachta/FAcodec", "main", ""},
		"hf://Plachta/FAcodec":                   {"Plachta/FAcodec", "main", ""},
		"hf://Plachta/FAcodec@v1":                {"Plachta/FAcodec", "v1", ""},
		"hf://Plachta/FAcodec/a/b.bin":           {"Plachta/FAcodec", "main", "a/b.bin"},
		"hf://Plachta/FAcodec@refs%2Fpr%2F1/a":   {"Plachta/FAcodec", "refs/pr/1", "a"},
		"hf://Plachta/FAcodec/a.bin@refs/pr/1":   {"Plachta/FAcodec", "refs/pr/1", "a.bin"},
		"hf://Plachta/FAcodec@main/a@home.bin":   {"Plachta/FAcodec", "main", "a@home.bin"},
		"Plachta/FAcodec@" + testCommit + "/a b": {"Plachta/FAcodec", testCommit, "a b"},

		"hf://models/Plachta/FAcodec":                    {"Plachta/FAcodec", "main", ""},
		"hf://models/Plachta/FAcodec@refs/pr/1/a/b.bin":  {"Plachta/FAcodec", "refs/pr/1", "a/b.bin"},
		"hf://Plachta/FAcodec@refs/pr/12":                {"Plachta/FAcodec", "refs/pr/12", ""},
		"hf://Plachta/FAcodec@refs/convert/st.v-1/a.bin": {"Plachta/FAcodec", "refs/convert/st.v-1", "a.bin"},
		"hf://Plachta/FAcodec@refs/heads/x":              {"Plachta/FAcodec", "refs", "heads/x"},
		"models/FAcodec/a.bin":                           {"models/FAcodec", "main", "a.bin"},
		"datasets/FAcodec":                               {"datasets/FAcodec", "main", ""},
		"models/FAcodec":                                 {"models/FAcodec", "main", ""},
		"https://huggingface.co/Plachta/FAcodec":         {"Plachta/FAcodec", "main", ""},
		"https://huggingface.co/Plachta/FAcodec/":        {"Plachta/FAcodec", "main", ""},
		"HTTPS://HuggingFace.co/Plachta/FAcodec/tree/v1": {"Plachta/FAcodec", "v1", ""},
		"https://hf.co/Plachta/FAcodec/blob/main/a.bin":  {"Plachta/FAcodec", "main", "a.bin"},
		"https://huggingface.co/Plachta/FAcodec/resolve/" + testCommit + "/a/b%20c.bin?download=true#x": {"Plachta/FAcodec", testCommit, "a/b c.bin"},
		"https://huggingface.co/Plachta/FAcodec/blob/refs%2Fpr%2F1/a.bin":                               {"Plachta/FAcodec", "refs/pr/1", "a.bin"},
		"https://huggingface.co/Plachta/FAcodec/blob/refs/pr/1/a.bin":                                   {"Plachta/FAcodec", "refs/pr/1", "a.bin"},
		"https://huggingface.co/Plachta/FAcodec/raw/feature%2Fx/config.yml":                             {"Plachta/FAcodec", "feature/x", "config.yml"},
		"https://hub.example/hf/Plachta/FAcodec/resolve/main/a.bin":                                     {"Plachta/FAcodec", "main", "a.bin"},
	} {
		got, err := Parse(s, "https://hub.example/hf")
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
			continue
		}
		if again, err := Parse(got.String(), "https://hub.example/hf"); err != nil || again != got {
			t.Errorf("%s printed as %s is %+v, %v", s, got, again, err)
		}
	}
	for _, s := range []string{
		"", "FAcodec", "hf://", "hf:///x", "Plachta/", "Plachta/FAcodec/", "../FAcodec", "Plachta/..", "Plachta/FA--codec",
		"Plachta/FAcodec.git", "Plachta/FAcodec@", "Plachta/FAcodec@..", "Plachta/FAcodec@a%2F..%2Fb", "Plachta/FAcodec/../x",
		"Plachta/FAcodec/a/../../x", "Plachta/FAcodec//etc/passwd", "Plachta/FAcodec/a\\..\\b", "Plachta/FAcodec/c:x",
		"hf://datasets/Plachta/FAcodec", "hf://datasets/Plachta/FAcodec/a", "hf://Plachta/FAcodec@refs/pr/1/", "hf://Plachta/FAcodec@refs/pr/1/../x",
		"https://huggingface.co/", "https://huggingface.co/Plachta", "https://huggingface.co/datasets/a/b/blob/main/x",
		"https://huggingface.co/Plachta/FAcodec/blob", "https://huggingface.co/Plachta/FAcodec/discussions/1",
		"https://huggingface.co/Plachta/FAcodec/tree/main/folder", "https://huggingface.co/Plachta/FAcodec/resolve/main/..%2Fx",
		"https://huggingface.co.evil.example/Plachta/FAcodec", "https://example.org/Plachta/FAcodec", "https://%/x",
		"Plachta/FAcodec/a\x00b", "Plachta/FAcodec/.", "Plachta/FAcodec/a//b", "Plachta/FAcodec/x@../../y", "-/a", "a/b?c",
	} {
		if r, err := Parse(s, "https://hub.example/hf"); err == nil {
			t.Errorf("%q is taken for %+v", s, r)
		}
	}
	// One that was not parsed is checked all the same.
	c := &Client{Cache: t.TempDir(), Endpoint: "http://127.0.0.1:0"}
	for _, r := range []Ref{{"Plachta/FAcodec", "main", "../x"}, {"Plachta/FAcodec", "../x", "a"}, {"../..", "main", "a"}} {
		if _, err := c.Download(t.Context(), r, Options{}); err == nil || unreachable(err) {
			t.Errorf("%+v was asked for: %v", r, err)
		}
		if _, ok := c.Cached(r); ok || c.Missing(r) {
			t.Errorf("%+v was looked for", r)
		}
	}
}

func TestEnvironment(t *testing.T) {
	home := t.TempDir()
	set := func(pairs ...string) {
		t.Helper()
		for _, name := range []string{"HF_ENDPOINT", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_TOKEN",
			"HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_IMPLICIT_TOKEN"} {
			t.Setenv(name, "")
		}
		t.Setenv("HOME", home)
		t.Setenv("USERPROFILE", home)
		for i := 0; i < len(pairs); i += 2 {
			t.Setenv(pairs[i], pairs[i+1])
		}
	}
	if err := os.WriteFile(filepath.Join(home, "token"), []byte("stored\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const hub = "https://huggingface.co"
	join := filepath.Join
	for _, test := range []struct {
		env  []string
		want Client
	}{
		{nil, Client{Endpoint: hub, Cache: join(home, ".cache", "huggingface", "hub")}},
		{[]string{"XDG_CACHE_HOME", "/x"}, Client{Endpoint: hub, Cache: join("/x", "huggingface", "hub")}},
		{[]string{"XDG_CACHE_HOME", "/x", "HF_HOME", "~"}, Client{Endpoint: hub, Cache: join(home, "hub"), Token: "stored"}},
		{[]string{"HF_HOME", home, "HF_HUB_CACHE", "/c", "HF_TOKEN", " mine\n"}, Client{Endpoint: hub, Cache: "/c", Token: "mine"}},
		{[]string{"HF_HOME", home, "HF_HUB_CACHE", "/c", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}, Client{Endpoint: hub, Cache: "/c"}},
		{[]string{"HF_ENDPOINT", "http://localhost:1/", "HF_HUB_CACHE", "/c", "HF_HUB_OFFLINE", "true"},
			Client{Endpoint: "http://localhost:1", Cache: "/c", Offline: true}},
		{[]string{"HF_TOKEN_PATH", join(home, "token"), "HF_HUB_CACHE", "/c", "HF_HUB_OFFLINE", "0"}, Client{Endpoint: hub, Cache: "/c", Token: "stored"}},
	} {
		set(test.env...)
		got, err := FromEnv()
		if err != nil {
			t.Fatal(err)
		}
		if got.Endpoint != test.want.Endpoint || got.Cache != test.want.Cache || got.Token != test.want.Token || got.Offline != test.want.Offline {
			t.Errorf("%q: %+v, want %+v", test.env, *got, test.want)
		}
	}
	set("HF_ENDPOINT", "huggingface.co")
	if _, err := FromEnv(); err == nil || !strings.Contains(err.Error(), "HF_ENDPOINT") {
		t.Errorf("an endpoint without a scheme: %v", err)
	}
}
