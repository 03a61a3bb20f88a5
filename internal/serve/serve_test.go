package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codectest"
)

// small is a codec that takes milliseconds, of random weights, opened once.
var small = sync.OnceValue(func() *facodec.Codec {
	t := &keeper{}
	c, err := facodec.Open(codectest.Checkpoint(t, "small.safetensors", codectest.Config), facodec.WithThreads(1))
	if err != nil {
		panic(err)
	}
	t.removeAll()
	return c
})

// keeper lends codectest a folder that does not end with one test.
type keeper struct {
	testing.TB
	dirs []string
}

func (k *keeper) Helper() {}
func (k *keeper) TempDir() string {
	dir, err := os.MkdirTemp("", "serve")
	if err != nil {
		panic(err)
	}
	k.dirs = append(k.dirs, dir)
	return dir
}
func (k *keeper) Context() context.Context { return context.Background() }
func (k *keeper) Fatal(args ...any)        { panic(fmt.Sprint(args...)) }
func (k *keeper) removeAll() {
	for _, dir := range k.dirs {
		os.RemoveAll(dir)
	}
}

// A site is a server that is reached over loopback until the test ends.
type site struct {
	*Server
	t    *testing.T
	url  string
	web  *http.Client
	stop func() error // ends it as a signal does
}

func newSite(t *testing.T, c Config) *site {
	t.Helper()
	if c.Codec == nil {
		c.Codec = small()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if c.Address == "" {
		c.Address = listener.Addr().String()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	x := &site{Server: s, t: t, url: "http://" + listener.Addr().String(), web: http.DefaultClient}
	var secure *tls.Config
	if c.TLS {
		secure = x.encrypt()
	}
	go func() { done <- s.Serve(ctx, listener, secure) }()
	x.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		x.web.CloseIdleConnections()
		x.stop()
	})
	return x
}

// testLog passes on what the server calls an error, which no test wants.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Errorf("the server logs: %s", p)
	return len(p), nil
}

// do sends a request, whose body may be nil, with headers as name and value.
func (x *site) do(method, path string, body io.Reader, headers ...string) (*http.Response, []byte) {
	x.t.Helper()
	r, err := http.NewRequest(method, x.url+path, body)
	if err != nil {
		x.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	response, err := x.web.Do(r)
	if err != nil {
		x.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		x.t.Fatalf("%s %s: %v", method, path, err)
	}
	return response, b
}

// post is do of a body that must be answered with 200.
func (x *site) post(path string, body []byte, headers ...string) []byte {
	x.t.Helper()
	r, b := x.do("POST", path, bytes.NewReader(body), headers...)
	if r.StatusCode != http.StatusOK {
		x.t.Fatalf("POST %s: %s: %.300s", path, r.Status, b)
	}
	return b
}

// problem checks that an answer is a problem of a status and a field.
func (x *site) problem(r *http.Response, b []byte, status int, location string) {
	x.t.Helper()
	var p struct {
		Status int
		Title  string
		Detail string
		Errors []struct{ Location, Message string }
	}
	if err := json.Unmarshal(b, &p); err != nil || r.Header.Get("Content-Type") != "application/problem+json" {
		x.t.Errorf("%s %s: no problem: %s %.300s", r.Request.Method, r.Request.URL, r.Header.Get("Content-Type"), b)
		return
	}
	if r.StatusCode != status || p.Status != status || p.Title == "" || p.Detail == "" {
		x.t.Errorf("%s %s: status %d, want %d: %.300s", r.Request.Method, r.Request.URL, r.StatusCode, status, b)
	}
	if location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != location || p.Errors[0].Message == "") {
		x.t.Errorf("%s %s: names %+v, want %s", r.Request.Method, r.Request.URL, p.Errors, location)
	}
	if status == http.StatusServiceUnavailable && r.Header.Get("Retry-After") == "" {
		x.t.Errorf("%s: 503 without Retry-After", r.Request.URL)
	}
}

// form is a body of multipart/form-data, of names and contents, and its type.
func form(parts ...string) (body []byte, kind string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		p, _ := w.CreateFormFile(parts[i], "name-that-nobody-reads.bin")
		io.WriteString(p, parts[i+1])
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

func speech(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "speech", name+".flac"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// samplesOf decodes a file in memory at a rate.
func samplesOf(t *testing.T, file []byte, rate int) []float32 {
	t.Helper()
	r, err := audio.NewReaderAt(bytes.NewReader(file), "file", rate)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []float32
	buf := make([]float32, 4096)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits for what is to become true soon.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func sameHead(a, b string) bool { return strings.HasPrefix(a, b) }

// writeWAV writes so many samples of a tone.
func writeWAV(w io.Writer, samples int) {
	x := make([]float32, samples)
	for i := range x {
		x[i] = float32(math.Sin(float64(i)/20)) / 3
	}
	out, err := audio.NewWriter(w, "x", 24000, audio.S16, int64(samples))
	if err == nil {
		err = out.Write(x)
	}
	if err == nil {
		err = out.Commit()
	}
	if err != nil {
		panic(err)
	}
}
