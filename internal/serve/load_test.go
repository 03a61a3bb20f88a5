package serve

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
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

// pour speaks for so long as a microphone would, in pieces of 20 ms, and returns the
// statistics, how many samples came back, and the delays of the messages with them: from when
// a sample was sent to when the one that belongs to it came.
func pour(t *testing.T, s *client.Stream, source []float32, length time.Duration) (total *client.Statistics, got int, delays []time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), length+30*time.Second)
	defer cancel()
	const size, every = 480, 20 * time.Millisecond
	start := time.Now()
	go func() {
		at := 0
		for i := 0; time.Since(start) < length; i++ {
			if at+size > len(source) {
				at = 0
			}
			if s.Write(ctx, source[at:at+size]) != nil {
				return
			}
			at += size
			time.Sleep(time.Until(start.Add(time.Duration(i+1) * every)))
		}
		s.End(ctx)
	}()
	for {
		samples, err := s.Read(ctx)
		if err == io.EOF {
			return s.Statistics(), got, delays
		}
		if err != nil {
			t.Errorf("after %d samples: %v", got, err)
			return nil, got, delays
		}
		if got > 0 { // the first frames come together, later than all others
			delays = append(delays, time.Since(start.Add(time.Duration(got/size)*every)))
		}
		got += len(samples)
	}
}

// streamsVariable is how long TestLoadStreams speaks: 20s say, or 10m.
const streamsVariable = "FACODEC_STREAMS"

// TestLoadStreams: as many streams of the built-in model as two cores are to sustain, at
// the pace of a microphone, while requests compute: no frame is late, not even for a client
// whose jitter buffer holds 60 ms.
func TestLoadStreams(t *testing.T) {
	if os.Getenv(streamsVariable) == "" {
		t.Skip(streamsVariable + " is not set: what comes in time depends on what else the machine does")
	}
	length, err := time.ParseDuration(os.Getenv(streamsVariable))
	if err != nil {
		t.Fatalf("%s: %v", streamsVariable, err)
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
	t.Logf("%d streams are sustained on %d threads, %d are opened for %v", sustained, threads, streams, length)
	x := newSite(t, Config{Codec: c, Streams: streams})
	v := x.enroll(speech(t, "it"))
	source := samplesOf(t, speech(t, "en"), 24000)
	const jitter = 60 * time.Millisecond // what the page's buffer holds
	var all sync.WaitGroup
	for range streams {
		s := x.dial(client.Options{Voice: v.ID, MaxWait: jitter})
		all.Go(func() {
			total, got, delays := pour(t, s, source, length)
			if total == nil {
				return
			}
			late := 0
			for _, d := range delays {
				if d > s.Delay()+jitter+20*time.Millisecond { // a piece of the microphone
					late++
				}
			}
			slices.Sort(delays)
			n := len(delays)
			t.Logf("frames: median %.2f ms, p99 %.2f ms, longest %.2f ms of the last 1024; real-time factor %.3f; delay beyond the codec's: median %.1f ms, p99 %.1f ms, longest %.1f ms; %d of %d messages late",
				total.FrameMS.Median, total.FrameMS.P99, total.FrameMS.Max, total.RealTimeFactor, ms(delays[n/2]-s.Delay()), ms(delays[n*99/100]-s.Delay()), ms(delays[n-1]-s.Delay()), late, n)
			if total.Dropouts != 0 || got != int(total.Seconds*24000+0.5) || late > 0 {
				t.Errorf("%d messages late, %d dropouts, %d samples of %.0f", late, total.Dropouts, got, total.Seconds*24000)
			}
		})
	}
	all.Go(func() {
		for start := time.Now(); time.Since(start) < length; time.Sleep(time.Second) {
			x.post("/v1/reconstruct", speech(t, "fr"))
		}
	})
	all.Wait()
}

// clientVariable makes the test's program a client of the server that it names: one that
// speaks on a live stream, and sends a recording without end, until it is killed.
const clientVariable = "FACODEC_TEST_CLIENT"

func TestMain(m *testing.M) {
	if url := os.Getenv(clientVariable); url != "" {
		runClient(url)
	}
	os.Exit(m.Run())
}

func runClient(url string) {
	ctx := context.Background()
	s, err := client.Dial(ctx, url, client.Options{Mode: "bypass"})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		for {
			if _, err := s.Read(ctx); err != nil {
				return
			}
		}
	}()
	body, w := io.Pipe()
	go http.Post(url+"/v1/reconstruct", "audio/wav", body)
	var header bytes.Buffer
	writeWAV(&header, 1<<20)
	w.Write(header.Bytes()[:2000])
	for said := false; ; said = true {
		s.Write(ctx, make([]float32, 2400))
		if !said {
			fmt.Println("ready")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestKilledClients: clients whose processes are killed in the middle of a stream and a
// request disturb no other, and leave neither goroutines nor memory.
func TestKilledClients(t *testing.T) {
	small()
	var before, after runtime.MemStats
	goroutines := runtime.NumGoroutine()
	x := newSite(t, Config{Streams: 4, Queue: 8})
	v := x.enroll(speech(t, "it"))
	source := samplesOf(t, speech(t, "en"), 24000)
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := x.dial(client.Options{Voice: v.ID, MaxWait: 2 * time.Second})
	var undisturbed sync.WaitGroup
	undisturbed.Go(func() {
		total, got, _ := pour(t, s, source, 3*time.Second)
		if total == nil || total.Dropouts != 0 || got != int(total.Seconds*24000+0.5) {
			t.Errorf("a stream is disturbed: %d samples, %+v", got, total)
		}
	})
	for range 2 {
		var clients []*exec.Cmd
		for range 3 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), clientVariable+"="+x.url)
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Errorf("a client: %s", line)
			}
			clients = append(clients, cmd)
		}
		eventually(t, "they are served", func() bool { return x.places.taken() == 3 && x.streams.taken() >= 3 })
		for _, cmd := range clients {
			cmd.Process.Kill()
			cmd.Wait()
		}
		eventually(t, "what they had is given back", func() bool { return x.places.taken() == 0 && x.streams.taken() <= 1 })
	}
	undisturbed.Wait()
	if err := x.stop(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d kB are left of them", grown>>10)
	}
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
			if total, got, _ := pour(t, s, source, 25*time.Second); total == nil || total.Dropouts != 0 || got == 0 {
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
