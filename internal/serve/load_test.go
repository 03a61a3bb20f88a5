package serve

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/client"
	"github.com/facodec-go/facodec/defaultmodel"
)

func needHeavy(t *testing.T) {
	t.Helper()
	if os.Getenv("FACODEC_HEAVY") == "" {
		t.Skip("takes a minute; FACODEC_HEAVY=1 runs it")
	}
}

// pour speaks for so long as a microphone would, and returns the statistics and how many
// samples came back.
func pour(t *testing.T, s *client.Stream, source []float32, length time.Duration) (*client.Statistics, int) {
	ctx, cancel := context.WithTimeout(t.Context(), length+30*time.Second)
	defer cancel()
	go func() {
		const size = 480 // 20 ms
		start, at := time.Now(), 0
		for i := 0; time.Since(start) < length; i++ {
			if at+size > len(source) {
				at = 0
			}
			if s.Write(ctx, source[at:at+size]) != nil {
				return
			}
			at += size
			time.Sleep(time.Until(start.Add(time.Duration(i+1) * 20 * time.Millisecond)))
		}
		s.End(ctx)
	}()
	got := 0
	for {
		samples, err := s.Read(ctx)
		got += len(samples)
		if err == io.EOF {
			return s.Statistics(), got
		}
		if err != nil {
			t.Errorf("after %d samples: %v", got, err)
			return nil, got
		}
	}
}

// TestLoadStreams: as many streams of the built-in model as two cores are to sustain, at
// the pace of a microphone, while a request computes: no frame is late.
func TestLoadStreams(t *testing.T) {
	if os.Getenv("FACODEC_STREAMS") == "" {
		t.Skip("FACODEC_STREAMS is not set: what comes in time depends on what else the machine does")
	}
	c, err := defaultmodel.Open(facodec.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	threads := runtime.GOMAXPROCS(0)
	sustained, err := Sustained(t.Context(), c, 1, threads)
	if err != nil {
		t.Fatal(err)
	}
	streams := 4 * threads
	t.Logf("%d streams are sustained on %d threads, %d are opened", sustained, threads, streams)
	x := newSite(t, Config{Codec: c, Streams: streams})
	v := x.enroll(speech(t, "it"))
	source := samplesOf(t, speech(t, "en"), 24000)
	var all sync.WaitGroup
	for range streams {
		s := x.dial(client.Options{Voice: v.ID})
		all.Go(func() {
			total, got := pour(t, s, source, 20*time.Second)
			if total == nil || total.Dropouts != 0 || got != int(total.Seconds*24000+0.5) {
				t.Errorf("%d samples came back, %+v", got, total)
				return
			}
			t.Logf("frames: median %.2f ms, p99 %.2f ms, longest %.2f ms; real-time factor %.3f", total.FrameMS.Median, total.FrameMS.P99, total.FrameMS.Max, total.RealTimeFactor)
		})
	}
	all.Go(func() { x.post("/v1/reconstruct", speech(t, "fr")) })
	all.Wait()
}

// TestLoad: thousands of short requests, clients that are killed, and more streams than are
// taken, beside streams that nobody disturbs; and nothing is left of it.
func TestLoad(t *testing.T) {
	needHeavy(t)
	c := small()
	var before, after runtime.MemStats
	goroutines := runtime.NumGoroutine()
	x := newSite(t, Config{Codec: c, Streams: 2, Jobs: 1, Queue: 8, Idle: 2 * time.Second})
	v := x.enroll(speech(t, "it"))
	source := samplesOf(t, speech(t, "en"), 24000)
	var wav bytes.Buffer
	writeWAV(&wav, 3000)
	runtime.GC()
	runtime.ReadMemStats(&before)
	var undisturbed, load sync.WaitGroup
	for range 2 {
		s := x.dial(client.Options{Voice: v.ID})
		undisturbed.Go(func() {
			if total, got := pour(t, s, source, 25*time.Second); total == nil || total.Dropouts != 0 || got == 0 {
				t.Errorf("a stream is disturbed: %+v", total)
			}
		})
	}
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: 32}}
	var done [600]atomic.Int64
	for worker := range 16 {
		load.Go(func() {
			for i := range 625 {
				var r *http.Response
				var err error
				switch (i + worker) % 4 {
				case 0:
					r, err = web.Post(x.url+"/v1/reconstruct", "audio/wav", bytes.NewReader(wav.Bytes()))
				case 1:
					r, err = web.Get(x.url + "/v1/info")
				case 2:
					r, err = web.Post(x.url+"/v1/convert?voice=none", "audio/wav", bytes.NewReader(wav.Bytes()))
				case 3:
					r, err = web.Get(x.url + "/v1/live") // no upgrade, or one too many
				}
				if err != nil {
					t.Errorf("request %d: %v", i, err)
					return
				}
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
				done[r.StatusCode].Add(1)
			}
		})
	}
	for range 50 { // clients that are killed while they send
		conn := x.stall("/v1/reconstruct", wav.Bytes()[:2000])
		conn.(*net.TCPConn).SetLinger(0)
		time.Sleep(20 * time.Millisecond)
		conn.Close()
	}
	load.Wait()
	undisturbed.Wait()
	var statuses []int
	total := int64(0)
	for status := range done {
		if n := done[status].Load(); n > 0 {
			statuses = append(statuses, status)
			total += n
			t.Logf("%d answers with %d", n, status)
		}
	}
	if total != 10_000 || !slices.Equal(statuses, []int{200, 422, 426, 503}) && !slices.Equal(statuses, []int{200, 422, 503}) {
		t.Errorf("%d answers, with %v", total, statuses)
	}
	eventually(t, "all has ended", func() bool { return x.places.taken() == 0 && x.streams.taken() == 0 })
	web.CloseIdleConnections()
	if err := x.stop(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d MB are left of it", grown>>20)
	}
}
