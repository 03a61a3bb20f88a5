package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/facodec-go/facodec/hub"
)

const hubCommit = "0123456789abcdef0123456789abcdef01234567"

// fakeHub serves files, "Plachta/FAcodec/config.yml" say, and sets the
// environment up for it, with an empty cache. It counts what it is asked.
func fakeHub(t *testing.T, files map[string][]byte) (asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		path := strings.TrimPrefix(r.URL.Path, "/")
		for _, revision := range []string{"main", "v1", hubCommit} {
			path = strings.Replace(path, "/resolve/"+revision+"/", "/", 1)
		}
		w.Header().Set("X-Repo-Commit", hubCommit)
		data, ok := files[path]
		if !ok {
			w.Header().Set("X-Error-Code", "EntryNotFound")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		sum := sha256.Sum256(data)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{"HF_ENDPOINT": server.URL, "HF_HOME": t.TempDir(), "HF_HUB_CACHE": "",
		"HUGGINGFACE_HUB_CACHE": "", "HF_TOKEN": "", "HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": ""} {
		t.Setenv(name, value)
	}
	return asked
}

// publishedFiles are the originals' two models, small, with a configuration beside
// the codec's checkpoint that carries none.
func publishedFiles(t *testing.T) map[string][]byte {
	return map[string][]byte{
		"Plachta/FAcodec/pytorch_model.bin":           bareCheckpoint(t),
		"Plachta/FAcodec/config.yml":                  []byte(smallConfig),
		"Plachta/FAcodec-redecoder/pytorch_model.bin": read(t, fixture("redecoder.pth")),
		"Plachta/FAcodec-redecoder/config.yml":        []byte(smallRedecoder),
		"someone/else/folder/mine.safetensors":        read(t, fixture("small.safetensors")),
	}
}

func TestDownload(t *testing.T) {
	published := publishedFiles(t)
	asked := fakeHub(t, published)
	snapshots := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--Plachta--FAcodec", "snapshots", hubCommit)
	r := succeed(t, "download")
	if want := filepath.Join(snapshots, "pytorch_model.bin"); r.stdout != want+"\n" {
		t.Errorf("stdout is %q, want %q", r.stdout, want)
	}
	if !strings.Contains(r.stderr, "Plachta/FAcodec: downloaded") {
		t.Errorf("stderr is %q", r.stderr)
	}
	for _, name := range []string{"pytorch_model.bin", "config.yml"} {
		if !bytes.Equal(read(t, filepath.Join(snapshots, name)), published["Plachta/FAcodec/"+name]) {
			t.Errorf("%s is another file", name)
		}
	}
	before := asked.Load()
	if r := succeed(t, "download", "facodec"); !strings.Contains(r.stderr, "there already") || asked.Load() != before+1 {
		t.Errorf("asked %d times; stderr is %q", asked.Load()-before, r.stderr)
	}
	var report hub.Model
	r = succeed(t, "download", "hf://someone/else@v1/folder/mine.safetensors", "--json", "--quiet")
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.stderr != "" {
		t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
	}
	size := int64(len(published["someone/else/folder/mine.safetensors"]))
	if report.Repo != "someone/else" || report.Revision != "v1" || report.Commit != hubCommit || report.Config != "" ||
		!report.Downloaded || report.Bytes != size {
		t.Errorf("%+v", report)
	}
	fail(t, "want one", "download", "facodec", "redecoder")
	fail(t, "or say facodec, redecoder or ns3", "download", "codec")
	fail(t, "holds no pytorch_model.bin", "download", "someone/else")
	fail(t, "no such file in the repository", "download", "someone/else/folder/yours.safetensors")
	fail(t, "no path inside a repository", "download", "someone/else/../../yours.safetensors")
}

// TestHubNamesInEveryCommand: each takes hf:// for a checkpoint, downloads it
// once, and finds its configuration; afterwards the network is not needed.
func TestHubNamesInEveryCommand(t *testing.T) {
	asked := fakeHub(t, publishedFiles(t))
	dir := t.TempDir()
	source := short(t, filepath.Join(dir, "a.wav"))
	voice := filepath.Join("..", "..", "testdata", "speech", "en.flac") // long enough for no warning
	const codec, redecoder = "hf://Plachta/FAcodec", "hf://Plachta/FAcodec-redecoder"
	out := func(name string) []string {
		return []string{"--output-dir", filepath.Join(dir, name), "--checkpoint-path", codec, "--quiet"}
	}
	commands := [][]string{
		append([]string{"reconstruct", "--source", source}, out("r")...),
		append([]string{"convert", "--source", source, "--reference", voice, "--redecoder-checkpoint", redecoder}, out("c")...),
		append([]string{"extract", "--source", source}, out("e")...),
		{"weights", "convert", "--quiet", codec + "/pytorch_model.bin", filepath.Join(dir, "w.safetensors")},
		{"info", codec},
		{"info", redecoder + "@main/config.yml"},
		{"bench", "--seconds", "0.5", "--runs", "1", "--checkpoint-path", codec},
		{"voice", "enroll", "--source", voice, "-o", filepath.Join(dir, "v.voice"), "--checkpoint-path", codec, "--quiet"},
	}
	for _, args := range commands {
		if r := succeed(t, args...); strings.Contains(strings.Join(args, " "), "--quiet") && r.stderr != "" {
			t.Errorf("%s prints %q", args[0], r.stderr)
		}
	}
	// Twice HEAD and GET for each of two models, and no more.
	if n := asked.Load(); n != 8 {
		t.Errorf("asked %d times", n)
	}
	checkFiles(t, filepath.Join(dir, "r"), "reconstructed_a.wav")
	checkFiles(t, filepath.Join(dir, "c"), "converted_a_to_en.wav")
	t.Setenv("HF_HUB_OFFLINE", "1")
	if r := succeed(t, "info", codec); !strings.Contains(r.stdout, "configuration beside the checkpoint") {
		t.Errorf("info prints %s", r.stdout)
	}
	fail(t, "HF_HUB_OFFLINE", append([]string{"reconstruct", source, "--checkpoint-path", "hf://someone/else/x.pth"}, "--output-dir", filepath.Join(dir, "none"))...)
	absent(t, filepath.Join(dir, "none"))
}

// TestCheckpointThatCarriesItsConfiguration needs none beside it: that there is
// none is asked once, and remembered.
func TestCheckpointThatCarriesItsConfiguration(t *testing.T) {
	asked := fakeHub(t, publishedFiles(t))
	for range 2 {
		succeed(t, "info", "hf://someone/else/folder/mine.safetensors")
	}
	if n := asked.Load(); n != 5 { // HEAD and GET, and three names of configurations
		t.Errorf("asked %d times", n)
	}
}
