package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// stall begins a request and sends a part of its body, and no more.
func (x *site) stall(path string, body []byte) net.Conn {
	x.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", path, strings.TrimPrefix(x.url, "http://"), len(body)+1000)
	c.Write(body)
	return c
}

// TestPlaces: the request after as many as are taken is refused at once, the others are
// answered, and who stalls computes nothing meanwhile.
func TestPlaces(t *testing.T) {
	x := newSite(t, Config{Jobs: 1, Queue: 2, Idle: time.Minute})
	en := speech(t, "en")
	stalled := []net.Conn{x.stall("/v1/reconstruct", en[:1000]), x.stall("/v1/encode", en[:5000])}
	eventually(t, "two stalled requests have places", func() bool { return x.places.taken() == 2 })
	x.post("/v1/reconstruct", en) // has the third place, and the turn
	eventually(t, "it has left its place", func() bool { return x.places.taken() == 2 })
	third := x.stall("/v1/extract", nil)
	eventually(t, "three places are taken", func() bool { return x.places.taken() == 3 })
	start := time.Now()
	r, b := x.do("POST", "/v1/reconstruct", bytes.NewReader(en))
	x.problem(r, b, http.StatusServiceUnavailable, "")
	if took := time.Since(start); took > time.Second {
		t.Errorf("refused after %v", took)
	}
	if r, _ := x.do("GET", "/healthz", nil); r.StatusCode != 200 {
		t.Errorf("healthz of a busy server: %s", r.Status)
	}
	for _, c := range append(stalled, third) {
		c.Close() // a client that vanishes
	}
	eventually(t, "places are given back", func() bool { return x.places.taken() == 0 })
	x.post("/v1/reconstruct", en)
	_, b = x.do("GET", "/metrics", nil)
	if !bytes.Contains(b, []byte(`facodec_refused_total{limit="request"} 1`)) {
		t.Error("the metrics do not count who was refused")
	}
}

// TestSlowClients: a client that sends nothing, or takes nothing, is cut off.
func TestSlowClients(t *testing.T) {
	x := newSite(t, Config{Idle: 200 * time.Millisecond, Timeout: time.Second})
	en := speech(t, "en")
	c := x.stall("/v1/reconstruct", en[:3000])
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: "POST"})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusRequestTimeout || !bytes.Contains(b, []byte(`"body"`)) {
		t.Errorf("nothing sent: %s %s", r.Status, b)
	}
	// One byte now and then is no progress either.
	c = x.stall("/v1/reconstruct", en[:3000])
	go func() {
		for {
			if _, err := c.Write([]byte{0}); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	start := time.Now()
	r, err = http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || r.StatusCode != http.StatusServiceUnavailable && r.StatusCode != http.StatusUnprocessableEntity || time.Since(start) > 5*time.Second {
		t.Errorf("bytes that trickle: %v, %v after %v", r, err, time.Since(start))
	}
	eventually(t, "places are given back", func() bool { return x.places.taken() == 0 })

	// An answer that nobody reads: more than the buffers of both sides hold.
	var long bytes.Buffer
	writeWAV(&long, 24000*60)
	nobody, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	nobody.(*net.TCPConn).SetReadBuffer(4096)
	host := strings.TrimPrefix(x.url, "http://")
	v := x.enroll(speech(t, "it"))
	go func() {
		fmt.Fprintf(nobody, "POST /v1/convert?rate=192000&sample_format=f32&voice=%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", v.ID, host, long.Len())
		nobody.Write(long.Bytes())
	}()
	eventually(t, "it has a place", func() bool { return x.places.taken() == 1 })
	eventually(t, "it is cut off", func() bool { return x.places.taken() == 0 })
}

// TestBudget: what is kept whole comes from one budget.
func TestBudget(t *testing.T) {
	x := newSite(t, Config{Memory: 100_000})
	r, b := x.do("POST", "/v1/reconstruct?normalize=true", bytes.NewReader(speech(t, "en")))
	x.problem(r, b, http.StatusServiceUnavailable, "body")
	if x.memory.left != 100_000 {
		t.Errorf("%d bytes are left of 100000", x.memory.left)
	}
	x.post("/v1/reconstruct", speech(t, "en")) // keeps none
}

// TestTurns: no more compute at once than may, and live streams slow the others.
func TestTurns(t *testing.T) {
	load := 0.0
	turns := newTurns(2, func() float64 { return load })
	var mu sync.Mutex
	now, most := 0, 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			turns.do(t.Context(), func() error {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
				mu.Lock()
				now--
				mu.Unlock()
				return nil
			})
		})
	}
	all.Wait()
	if most != 2 {
		t.Errorf("%d computed at once", most)
	}
	load = 0.9
	start := time.Now()
	turns.do(t.Context(), func() error { time.Sleep(10 * time.Millisecond); return nil })
	if took := time.Since(start); took < 90*time.Millisecond {
		t.Errorf("with 0.9 of the processor taken, 10 ms of work and its pause took %v", took)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTimeout)
	load = 0
	if err := turns.do(ctx, func() error { time.Sleep(2 * time.Millisecond); return nil }); err != nil && !errors.Is(err, errTimeout) {
		t.Error(err)
	}
}

// TestGracefulEnd: what is under way ends as it would, what is new is refused, and what does not end
// is cut off.
func TestGracefulEnd(t *testing.T) {
	x := newSite(t, Config{Grace: 10 * time.Second})
	en := speech(t, "en")
	c := x.stall("/v1/reconstruct", en)
	eventually(t, "it has a place", func() bool { return x.places.taken() == 1 })
	ended := make(chan error, 1)
	go func() { ended <- x.stop() }()
	eventually(t, "it is ending", func() bool { return x.ending.Load() })
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(x.url, "http://"), time.Second); err == nil {
		time.Sleep(50 * time.Millisecond)
		if _, err := http.Get(x.url + "/healthz"); err == nil {
			t.Error("it still listens")
		}
	}
	c.Write(make([]byte, 1000)) // bytes behind FLAC are a notice
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("what was under way: %v %v", r, err)
	}
	if b, err := io.ReadAll(r.Body); err != nil || len(b) < 90_000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}

	x = newSite(t, Config{Grace: 100 * time.Millisecond, Idle: time.Minute})
	x.stall("/v1/reconstruct", en[:1000])
	eventually(t, "it has a place", func() bool { return x.places.taken() == 1 })
	if err := x.stop(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("what does not end: %v", err)
	}
}

// TestNoGoroutinesLeft: requests of every kind leave none behind.
func TestNoGoroutinesLeft(t *testing.T) {
	small()
	before := runtime.NumGoroutine()
	x := newSite(t, Config{Idle: 100 * time.Millisecond})
	en := speech(t, "en")
	for range 3 {
		x.post("/v1/reconstruct", en)
		x.stall("/v1/reconstruct", en[:2000]).Close()
		x.do("POST", "/v1/reconstruct", bytes.NewReader(en[:2000]))
	}
	eventually(t, "places are given back", func() bool { return x.places.taken() == 0 })
	http.DefaultClient.CloseIdleConnections()
	if err := x.stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// TestLogs: one line for each request, without what was sent and what it is called.
func TestLogs(t *testing.T) {
	var lines lockedBuffer
	x := newSite(t, Config{Token: "hush", Log: slog.New(slog.NewJSONHandler(&lines, nil))})
	x.do("POST", "/v1/voices?name=Alice", bytes.NewReader(speech(t, "it")), "Authorization", "Bearer hush")
	x.do("POST", "/v1/reconstruct?format=mp3", bytes.NewReader(speech(t, "it")), "Authorization", "Bearer hush")
	x.do("GET", "/nothing/of/that/name", nil, "Authorization", "Bearer wrong")
	eventually(t, "lines", func() bool { return strings.Count(lines.String(), "\n") == 3 })
	text := lines.String()
	for _, word := range []string{"Alice", "hush", "wrong", "format", "of/that"} {
		if strings.Contains(text, word) {
			t.Errorf("the log has %q: %s", word, text)
		}
	}
	var line struct {
		Msg, Route, Status string
		Seconds            float64
		Bytes              int
	}
	if err := json.Unmarshal([]byte(strings.Split(text, "\n")[0]), &line); err != nil || line.Route != "POST /v1/voices" || line.Status != "201" || line.Seconds <= 0 || line.Bytes == 0 {
		t.Errorf("%v of %s", err, text)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestPanic: one request's failure is its own.
func TestPanic(t *testing.T) {
	x := newSite(t, Config{Log: slog.New(slog.DiscardHandler)})
	h := x.observe(http.NewServeMux(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { panic("a bug") }))
	w := newAnswer()
	h.ServeHTTP(w, &http.Request{Method: "GET", URL: must(http.NewRequest("GET", "/x", nil)).URL, Header: http.Header{}})
	if w.status != 500 || !strings.Contains(w.b.String(), "the server failed") || strings.Contains(w.b.String(), "a bug") {
		t.Errorf("%d %s", w.status, w.b.String())
	}
}

type answerOf struct {
	h      http.Header
	status int
	b      bytes.Buffer
}

func newAnswer() *answerOf                      { return &answerOf{h: http.Header{}} }
func (a *answerOf) Header() http.Header         { return a.h }
func (a *answerOf) WriteHeader(status int)      { a.status = status }
func (a *answerOf) Write(p []byte) (int, error) { return a.b.Write(p) }
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestNothingOnDisk: requests leave no file, also while they run.
func TestNothingOnDisk(t *testing.T) {
	dir := t.TempDir()
	small()
	t.Setenv("TMPDIR", dir)
	t.Chdir(dir)
	x := newSite(t, Config{})
	var wav bytes.Buffer
	writeWAV(&wav, 24000)
	body, kind := form("source", wav.String())
	stop := make(chan struct{})
	seen := make(chan []os.DirEntry, 1)
	go func() {
		var all []os.DirEntry
		for {
			select {
			case <-stop:
				seen <- all
				return
			default:
				entries, _ := os.ReadDir(dir)
				all = append(all, entries...)
				time.Sleep(time.Millisecond)
			}
		}
	}()
	for _, path := range []string{"/v1/reconstruct?format=flac", "/v1/extract?format=npz&what=codes,quantized", "/v1/plot", "/v1/encode"} {
		x.post(path, body, "Content-Type", kind)
	}
	close(stop)
	if entries := <-seen; len(entries) > 0 {
		t.Errorf("files: %v", entries)
	}
}
