package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/client"
	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/protocol"
)

// dial opens a stream until the test ends.
func (x *site) dial(o client.Options) *client.Stream {
	x.t.Helper()
	o.HTTP = x.web
	s, err := client.Dial(x.t.Context(), x.url, o)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { s.Close() })
	return s
}

// speak sends samples in pieces and returns what comes back.
func speak(t *testing.T, s *client.Stream, samples []float32, size int, between func(at int)) []float32 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		for at := 0; at < len(samples); at += size {
			if between != nil {
				between(at)
			}
			if err := s.Write(ctx, samples[at:min(at+size, len(samples))]); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.End(ctx)
	}()
	var all []float32
	for {
		piece, err := s.Read(ctx)
		all = append(all, piece...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d samples: %v", len(all), err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	return all
}

// TestLiveIsConvert: what comes back are the samples of Convert, however they are cut into
// messages, and as many as were sent.
func TestLiveIsConvert(t *testing.T) {
	c := small()
	x := newSite(t, Config{Streams: 1})
	source, clip := samplesOf(t, speech(t, "en"), 24000), samplesOf(t, speech(t, "it"), 24000)
	source = source[:30011]
	v := x.enroll(speech(t, "it"))
	timbre, err := c.Timbre(clip)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Convert(source, timbre)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{300, 7777, len(source), 1} {
		if size == 1 {
			source, want = source[:2000], nil // a message for each sample
			if want, err = c.Convert(source, timbre); err != nil {
				t.Fatal(err)
			}
		}
		s := x.dial(client.Options{Voice: v.ID, MaxWait: 5 * time.Second})
		if s.Rate() != 24000 || s.Delay() < 25*time.Millisecond || s.Delay() > 200*time.Millisecond {
			t.Errorf("rate %d, delay %v", s.Rate(), s.Delay())
		}
		got := speak(t, s, source, size, nil)
		if !slices.Equal(got, want) {
			t.Errorf("in messages of %d: %d samples, and not the %d of Convert; %+v", size, len(got), len(want), s.Statistics())
		}
		eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	}
	_, b := x.do("GET", "/metrics", nil)
	if !bytes.Contains(b, []byte("facodec_stream_skipped_seconds_total 0")) || !bytes.Contains(b, []byte("facodec_stream_seconds_total 3.8")) {
		t.Errorf("metrics: %.600s", b[bytes.Index(b, []byte("# HELP facodec_stream")):])
	}
}

// builtIn is the built-in model, whose conversions may have frames of a voice.
func builtIn(t *testing.T) *facodec.Codec {
	t.Helper()
	c, err := defaultmodel.Open(facodec.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestSpectra: voices that are enrolled with a model whose decoder predicts spectra have one, and what is
// converted, live, from recordings and from .fac files, goes by it, as ConvertTo does.
func TestSpectra(t *testing.T) {
	c := builtIn(t)
	x := newSite(t, Config{Codec: c, Streams: 1})
	en, it := speech(t, "en"), speech(t, "it")
	source := samplesOf(t, en, 24000)
	voice, err := c.Voice(samplesOf(t, it, 24000))
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.ConvertTo(source, voice, 0)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := c.Convert(source, voice.Timbre); err != nil || slices.Equal(plain, want) {
		t.Fatalf("the spectrum changes nothing, or %v", err)
	}
	v := x.enroll(it)
	_, file := x.do("GET", "/v1/voices/"+v.ID+"/file", nil)
	var kept facodec.Voice
	if err := kept.UnmarshalBinary(file); err != nil || !slices.Equal(kept.Spectrum, voice.Spectrum) || kept.Frames.Frames() > 0 {
		t.Errorf("the file has %d magnitudes and %d frames, %v", len(kept.Spectrum), kept.Frames.Frames(), err)
	}
	if got := samplesOf(t, x.post("/v1/convert?sample_format=f32&voice="+v.ID, en), 24000); !slices.Equal(got, want) {
		t.Error("a recording: not the samples of ConvertTo")
	}
	tokens := x.post("/v1/encode", en)
	if got := samplesOf(t, x.post("/v1/decode?sample_format=f32&voice="+v.ID, tokens), 24000); !slices.Equal(got, want) {
		t.Error("a .fac file: not the samples of ConvertTo")
	}
	s := x.dial(client.Options{Voice: v.ID, MaxWait: 5 * time.Second})
	if got := speak(t, s, source, 7777, nil); !slices.Equal(got, want) {
		t.Errorf("live: %d samples, and not the %d of ConvertTo; %+v", len(got), len(want), s.Statistics())
	}
}

// TestLiveFormats: 16 bits, other rates, and the modes: bypass gives back what was sent.
func TestLiveFormats(t *testing.T) {
	x := newSite(t, Config{Streams: 1})
	var wav bytes.Buffer
	writeWAV(&wav, 12000)
	tone := samplesOf(t, wav.Bytes(), 24000)
	s := x.dial(client.Options{Format: "s16", Mode: "bypass", MaxWait: 5 * time.Second})
	if got := speak(t, s, tone, 480, nil); !slices.Equal(got, tone) {
		t.Error("bypass in 16 bits changes samples of 16 bits")
	}
	eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	s = x.dial(client.Options{Rate: 48000, Mode: "bypass", MaxWait: 5 * time.Second})
	got := speak(t, s, tone, 480, nil)
	if len(got) != len(tone) || s.Rate() != 48000 {
		t.Errorf("%d samples of %d at %d Hz", len(got), len(tone), s.Rate())
	}
	worst := 0.0
	for i := 500; i < len(tone)-500; i++ {
		worst = max(worst, math.Abs(float64(got[i]-tone[i])))
	}
	if worst > 1e-3 {
		t.Errorf("bypass at 48 kHz is off by %g", worst)
	}
}

// TestLiveControl: mode and voice change while it runs, what is refused leaves the stream as
// it was, and statistics come.
func TestLiveControl(t *testing.T) {
	x := newSite(t, Config{Streams: 1})
	v := x.enroll(speech(t, "it"))
	var mu sync.Mutex
	var events []client.Event
	s := x.dial(client.Options{Mode: "bypass", MaxWait: 5 * time.Second, StatsEvery: 50 * time.Millisecond, Event: func(e client.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
	}})
	source := samplesOf(t, speech(t, "en"), 24000)[:36000]
	speak(t, s, source, 300, func(at int) {
		switch at {
		case 6000:
			s.Set(t.Context(), "convert", "") // needs a voice
		case 12000:
			s.Set(t.Context(), "convert", v.ID)
		case 18000:
			s.Set(t.Context(), "", "none")
		case 24000:
			s.Set(t.Context(), "sing", "")
		}
	})
	mu.Lock()
	defer mu.Unlock()
	var said []string
	statistics := 0
	for _, e := range events {
		switch e.Type {
		case "stats":
			statistics++
			continue
		case "error":
			said = append(said, e.Location)
			if e.Err() == nil || e.Status != 422 {
				t.Errorf("%+v", e)
			}
		case "set":
			said = append(said, e.Mode+" "+e.Voice)
		}
	}
	if want := []string{"voice", "convert " + v.ID, "voice", "mode"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if total := s.Statistics(); statistics == 0 || total == nil || total.Seconds != 1.5 || total.FrameMS.Max <= 0 || total.In.RMS < 0 {
		t.Errorf("%d times statistics, in the end %+v", statistics, total)
	}
}

// TestLiveOwnVoice: reconstruct without a voice passes on what is heard until four seconds
// of speech were, and from then on speaks in the timbre of these.
func TestLiveOwnVoice(t *testing.T) {
	x := newSite(t, Config{Streams: 1})
	v := x.enroll(speech(t, "it"))
	learned := make(chan client.Event, 8)
	s := x.dial(client.Options{Mode: "reconstruct", MaxWait: 5 * time.Second, Event: func(e client.Event) {
		if e.Type == "set" || e.Type == "error" {
			learned <- e
		}
	}})
	source := samplesOf(t, speech(t, "en"), 24000)
	for len(source) < 8*24000 {
		source = append(source, source...)
	}
	var at []int
	got := speak(t, s, source, 2400, func(sent int) {
		switch sent {
		case 168000:
			select {
			case e := <-learned:
				if e.Mode != "reconstruct" {
					t.Errorf("%+v", e)
				}
				at = append(at, sent)
			case <-time.After(10 * time.Second):
				t.Error("the voice is not learned")
			}
		case 172800:
			s.Set(t.Context(), "convert", "")
			if e := <-learned; e.Location != "voice" {
				t.Errorf("convert without a voice: %+v", e)
			}
			s.Set(t.Context(), "convert", v.ID)
			if e := <-learned; e.Mode != "convert" || e.Voice != v.ID {
				t.Errorf("%+v", e)
			}
			s.Set(t.Context(), "reconstruct", "")
			if e := <-learned; e.Mode != "reconstruct" {
				t.Errorf("back to one's own voice, which is known: %+v", e)
			}
		}
	})
	if len(at) == 0 || !slices.Equal(got[:72000], source[:72000]) {
		t.Error("what is heard before the voice is learned is not what was said")
	}
	if n := len(got); n != len(source) || slices.Equal(got[n-2400:], source[n-2400:]) {
		t.Errorf("%d samples of %d; the last are the source's", n, len(source))
	}
}

// TestLiveProblems: what the first message, and a later one, may be told.
func TestLiveProblems(t *testing.T) {
	x := newSite(t, Config{Streams: 1, Idle: 500 * time.Millisecond})
	const bypass = `{"type":"start","mode":"bypass"}`
	for _, test := range []struct {
		messages []any
		location string
	}{
		{[]any{`{"type":"begin"}`}, "type"},
		{[]any{`nonsense`}, "type"},
		{[]any{[]byte{1, 2, 3, 4}}, "type"},
		{[]any{`{"type":"start"}`}, "voice"},
		{[]any{`{"type":"start","voice":"none"}`}, "voice"},
		{[]any{`{"type":"start","mode":"sing"}`}, "mode"},
		{[]any{`{"type":"start","mode":"bypass","rate":100}`}, "rate"},
		{[]any{`{"type":"start","mode":"bypass","format":"mp3"}`}, "format"},
		{[]any{`{"type":"start","mode":"bypass","delay_ms":-1}`}, "delay_ms"},
		{[]any{`{"type":"start","mode":"bypass","stats_ms":-1}`}, "stats_ms"},
		{[]any{`{"type":"start","mode":"bypass","rate":"fast"}`}, "rate"},
		{[]any{`{"type":"start","mode":5}`}, "mode"},
		{[]any{bypass, `{"type":"set","voice":["x"]}`}, "voice"},
		{[]any{`{"type":"start","match":0.5}`}, "voice"},
		{[]any{`{"type":"start","mode":"bypass","match":2}`}, "match"},
		{[]any{`{"type":"start","mode":"bypass","match":1e999}`}, "match"},
		{[]any{bypass, `{"type":"set","match":"x"}`}, "match"},
		{[]any{bypass, `{"type":"start"}`}, "type"},
		{[]any{bypass, []byte{1, 2, 3}}, "samples"},
		{[]any{bypass, []byte{0, 0, 0xc0, 0x7f}}, "samples"}, // NaN
	} {
		conn, _, err := websocket.Dial(t.Context(), x.url+protocol.Path, &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range test.messages {
			switch m := m.(type) {
			case string:
				err = conn.Write(t.Context(), websocket.MessageText, []byte(m))
			case []byte:
				err = conn.Write(t.Context(), websocket.MessageBinary, m)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var reply protocol.Reply
		for {
			_, b, err := conn.Read(t.Context())
			if err != nil {
				if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
					t.Errorf("%q: %v", test.messages, err)
				}
				break
			}
			json.Unmarshal(b, &reply)
		}
		if reply.Type != protocol.Error || reply.Location != test.location || reply.Status != 422 || reply.Detail == "" {
			t.Errorf("%q: %+v, want %s", test.messages, reply, test.location)
		}
		conn.CloseNow()
		eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	}
	// One that says nothing at all.
	conn, _, err := websocket.Dial(t.Context(), x.url+protocol.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	eventually(t, "who says nothing is cut off", func() bool { return x.streams.taken() == 0 })
	r, b := x.do("GET", protocol.Path, nil)
	if r.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("without an upgrade: %s %s", r.Status, b)
	}
}

// TestLiveLimit: the stream after as many as are sustained is refused at once, and the
// others go on without a gap.
func TestLiveLimit(t *testing.T) {
	x := newSite(t, Config{Streams: 2})
	source := samplesOf(t, speech(t, "en"), 24000)[:24000]
	// Both are open before the third is tried, and until it is answered.
	open := [2]*client.Stream{}
	for i := range open {
		open[i] = x.dial(client.Options{Mode: "bypass", MaxWait: 5 * time.Second})
	}
	var all sync.WaitGroup
	refused, answered := false, make(chan struct{})
	for i, s := range open {
		all.Go(func() {
			got := speak(t, s, source, 1000, func(at int) {
				switch {
				case i == 0 && at == 10000:
					start := time.Now()
					_, err := client.Dial(t.Context(), x.url, client.Options{Mode: "bypass"})
					var answer *client.RefusedError
					refused = errors.As(err, &answer) && answer.Status == 503 && answer.RetryAfter != "" && time.Since(start) < time.Second
					close(answered)
				case i == 1 && at == 20000:
					<-answered
				}
			})
			if !slices.Equal(got, source) {
				t.Error("one that was open is disturbed")
			}
		})
	}
	all.Wait()
	if !refused {
		t.Error("one too many is not refused with 503 and Retry-After, at once")
	}
	eventually(t, "they have ended", func() bool { return x.streams.taken() == 0 })
	x.dial(client.Options{Mode: "bypass"})
}

// TestLiveFlood: who sends faster than time passes is slowed down, and who reads nothing
// is cut off; both take bounded memory.
func TestLiveFlood(t *testing.T) {
	x := newSite(t, Config{Streams: 2, Idle: 300 * time.Millisecond})
	s := x.dial(client.Options{Mode: "bypass", StatsEvery: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	// It answers no pings either, since it does not read.
	piece := make([]float32, 48000)
	for {
		if err := s.Write(ctx, piece); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		t.Fatal("who reads nothing is not cut off")
	}
	eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 20<<20 {
		t.Errorf("%d MB are left of it", grown>>20)
	}

	// In a second and a half no more than the burst and the time that passed is taken.
	s = x.dial(client.Options{Mode: "bypass", StatsEvery: -1})
	go func() {
		for s.Write(ctx, piece) == nil {
		}
	}()
	read, start := 0, time.Now()
	for time.Since(start) < 1500*time.Millisecond {
		piece, err := s.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		read += len(piece)
	}
	if limit := (time.Since(start).Seconds()*clockError + burst.Seconds()) * 24000; float64(read) > limit {
		t.Errorf("%d samples in a second and a half, limit %.0f", read, limit)
	}
	s.Close()
	eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
}

// TestLiveVanish: a client whose connection breaks leaves nothing.
func TestLiveVanish(t *testing.T) {
	small()
	before := runtime.NumGoroutine()
	x := newSite(t, Config{Streams: 4})
	for range 8 {
		conns := make(chan net.Conn, 1)
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				conns <- c
			}
			return c, err
		}}
		s, err := client.Dial(t.Context(), x.url, client.Options{Mode: "bypass", HTTP: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		s.Write(t.Context(), make([]float32, 4000))
		c := <-conns
		c.(*net.TCPConn).SetLinger(0) // a reset, as of a process that is killed
		c.Close()
		s.Close()
		eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	}
	if err := x.stop(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// TestLiveHalfClosed: a client that closes its side, or breaks the protocol, was not slow, and
// is not told so.
func TestLiveHalfClosed(t *testing.T) {
	x := newSite(t, Config{Streams: 1})
	unmasked := []byte{0x82, 0x04, 0, 0, 0, 0}
	for _, what := range []string{"half closed", "unmasked"} {
		conns := make(chan *net.TCPConn, 1)
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				conns <- c.(*net.TCPConn)
			}
			return c, err
		}}
		s, err := client.Dial(t.Context(), x.url, client.Options{Mode: "bypass", HTTP: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		if c := <-conns; what == "unmasked" {
			c.Write(unmasked)
		} else {
			c.CloseWrite()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		for err == nil {
			_, err = s.Read(ctx)
		}
		cancel()
		if strings.Contains(err.Error(), http.StatusText(http.StatusRequestTimeout)) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
		s.Close()
		eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	}
}

// TestLiveServerEnds: an open stream is told, goes on for the grace, and then gets all
// of what it said.
func TestLiveServerEnds(t *testing.T) {
	x := newSite(t, Config{Streams: 1, Grace: 300 * time.Millisecond})
	var mu sync.Mutex
	told := false
	s := x.dial(client.Options{Mode: "bypass", MaxWait: 5 * time.Second, Event: func(e client.Event) {
		mu.Lock()
		defer mu.Unlock()
		told = told || e.Type == "ending" && e.GraceMS == 300
	}})
	ended := make(chan error, 1)
	sent := 0
	go func() {
		time.Sleep(100 * time.Millisecond)
		ended <- x.stop()
	}()
	go func() {
		for s.Write(t.Context(), make([]float32, 240)) == nil {
			mu.Lock()
			sent += 240
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
		}
	}()
	got := 0
	for {
		piece, err := s.Read(t.Context())
		got += len(piece)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("the server's end: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !told || got < 24000/4 || float64(got) != math.Round(s.Statistics().Seconds*24000) {
		t.Errorf("told: %v; %d samples of %d came back, statistics %+v", told, got, sent, s.Statistics())
	}
}

// TestLiveToken: browsers carry it in a subprotocol, which is not the one that is chosen.
func TestLiveToken(t *testing.T) {
	x := newSite(t, Config{Streams: 1, Token: "a secret"})
	conn, r, err := websocket.Dial(t.Context(), x.url+protocol.Path, &websocket.DialOptions{
		Subprotocols: []string{protocol.Subprotocol, protocol.TokenProtocol("a secret")},
		HTTPHeader:   http.Header{"Origin": {x.url}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.Subprotocol(); got != protocol.Subprotocol || strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), "token") {
		t.Errorf("chosen: %q", got)
	}
	conn.CloseNow()
	eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	x.dial(client.Options{Token: "a secret", Mode: "bypass"}).Close()
	eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	var answer *client.RefusedError
	if _, err := client.Dial(t.Context(), x.url, client.Options{Token: "another", Mode: "bypass"}); !errors.As(err, &answer) || answer.Status != 401 {
		t.Errorf("a wrong token: %v", err)
	}
	_, _, err = websocket.Dial(t.Context(), x.url+protocol.Path, &websocket.DialOptions{
		Subprotocols: []string{protocol.Subprotocol, protocol.TokenProtocol("a secret")},
		HTTPHeader:   http.Header{"Origin": {"null"}},
	})
	if err == nil {
		t.Error("Origin null is let in")
	}
}

// TestMatch: with frames of a voice, what is converted of recordings and .fac files, streamed and
// live, is what ConvertTo returns; a share that nothing can be made of is refused, and a live stream
// that has frames counts as two.
func TestMatch(t *testing.T) {
	c := builtIn(t)
	x := newSite(t, Config{Codec: c, Streams: 2})
	en, it := speech(t, "en"), speech(t, "it")
	source := samplesOf(t, en, 24000)
	voice, err := c.Voice(samplesOf(t, it, 24000))
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.ConvertTo(source, voice, 0.7)
	if err != nil {
		t.Fatal(err)
	}
	plain := x.enroll(it)
	var v, again Voice
	_, b := x.do("POST", "/v1/voices?frames=true&name=it", bytes.NewReader(it))
	if err := json.Unmarshal(b, &v); err != nil || v.Frames != voice.Frames.Frames() || plain.Frames != 0 {
		t.Fatalf("voices with %d and %d frames, %v", v.Frames, plain.Frames, err)
	}
	// The file of the voice has them, and makes another one with them.
	_, file := x.do("GET", "/v1/voices/"+v.ID+"/file", nil)
	_, b = x.do("POST", "/v1/voices", bytes.NewReader(file))
	if err := json.Unmarshal(b, &again); err != nil || again.Frames != v.Frames {
		t.Errorf("a .voice of %d frames is kept with %d, %v", v.Frames, again.Frames, err)
	}
	tokens := x.post("/v1/encode", en)
	for path, body := range map[string][]byte{"/v1/convert": en, "/v1/convert?stream=true": en, "/v1/decode": tokens} {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		query := path + sep + "sample_format=f32&match=0.7"
		if got := samplesOf(t, x.post(query+"&voice="+v.ID, body), 24000); !slices.Equal(got, want) {
			t.Errorf("%s with an enrolled voice: not the samples of ConvertTo", path)
		}
		clip, kind := form("reference", string(it), "source", string(body))
		if got := samplesOf(t, x.post(query, clip, "Content-Type", kind), 24000); !slices.Equal(got, want) {
			t.Errorf("%s with a clip: not the samples of ConvertTo", path)
		}
		mixed, kind := form("reference", string(it), "reference", string(file), "source", string(body))
		for refused, location := range map[string]string{query + "&voice=" + plain.ID: "query.match", query + "&parts=prosody,content,residual&voice=" + v.ID: "query.match",
			strings.Replace(query, "0.7", "1.5", 1) + "&voice=" + v.ID: "query.match", strings.Replace(query, "0.7", "nan", 1) + "&voice=" + v.ID: "query.match",
			strings.Replace(query, "0.7", "inf", 1) + "&voice=" + v.ID: "query.match"} {
			r, b := x.do("POST", refused, bytes.NewReader(body))
			x.problem(r, b, 422, location)
		}
		r, b := x.do("POST", query, bytes.NewReader(mixed), "Content-Type", kind)
		x.problem(r, b, 422, "query.match")
	}
	r, b := x.do("POST", "/v1/decode?match=0.7", bytes.NewReader(tokens))
	x.problem(r, b, 422, "query.match")
	r, b = x.do("POST", "/v1/reconstruct?match=0.7&voice="+v.ID, bytes.NewReader(en))
	x.problem(r, b, 422, "query.match")

	// Live: from the start, and changed on the way.
	s := x.dial(client.Options{Voice: v.ID, Match: 0.7, MaxWait: 5 * time.Second})
	if n := x.streams.taken(); n != 2 {
		t.Errorf("a stream with frames counts as %d", n)
	}
	if got := speak(t, s, source, 7777, nil); !slices.Equal(got, want) {
		t.Errorf("live: %d samples, and not the %d of ConvertTo; %+v", len(got), len(want), s.Statistics())
	}
	eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	var mu sync.Mutex
	var said []string
	s = x.dial(client.Options{Voice: plain.ID, MaxWait: 5 * time.Second, StatsEvery: -1, Event: func(e client.Event) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, e.Type+" "+e.Location+e.Voice)
		if e.Type == "set" {
			said[len(said)-1] += fmt.Sprint(" ", e.Match)
		}
	}})
	speak(t, s, source[:24000], 300, func(at int) {
		switch at {
		case 3000:
			s.SetMatch(t.Context(), 0.5) // a voice without frames
		case 6000:
			s.Set(t.Context(), "", v.ID)
		case 9000:
			s.SetMatch(t.Context(), 0.5)
		case 12000:
			s.Set(t.Context(), "bypass", "")
		case 15000:
			for _, match := range []float64{2, -1, math.NaN()} {
				if s.SetMatch(t.Context(), match) == nil {
					t.Errorf("a match of %g is sent", match)
				}
			}
		case 18000:
			s.Set(t.Context(), "convert", "")
		case 21000:
			s.Set(t.Context(), "", plain.ID)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	id := v.ID
	if want := []string{"error match", "set " + id + " 0", "set " + id + " 0.5", "set " + id + " 0.5", "set " + id + " 0.5", "set " + plain.ID + " 0"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })

	// There is no room for two streams where one is open.
	other := x.dial(client.Options{Mode: "bypass"})
	if _, err := client.Dial(t.Context(), x.url, client.Options{Voice: v.ID, Match: 0.7}); err == nil || !strings.Contains(err.Error(), "no second place is free") {
		t.Errorf("beside another stream: %v", err)
	}
	other.Close()
	eventually(t, "both have ended", func() bool { return x.streams.taken() == 0 })

	// The share alone changes neither mode nor voice.
	for _, mode := range []string{"reconstruct", "bypass", "convert"} {
		answer := make(chan client.Event, 1)
		s := x.dial(client.Options{Mode: mode, Voice: v.ID, StatsEvery: -1, Event: func(e client.Event) { answer <- e }})
		if err := s.SetMatch(t.Context(), 0.5); err != nil {
			t.Fatal(err)
		}
		go s.Read(t.Context())
		if e := <-answer; e.Type != "set" || e.Mode != mode || e.Voice != v.ID || e.Match != 0.5 {
			t.Errorf("%s: %+v", mode, e)
		}
		s.Close()
		eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
	}

	// Of one's own voice, which is still being learned, too.
	answers := make(chan client.Event, 2)
	s = x.dial(client.Options{Mode: "reconstruct", MaxWait: 5 * time.Second, StatsEvery: -1, Event: func(e client.Event) { answers <- e }})
	if err := s.SetMatch(t.Context(), 0.5); err != nil {
		t.Fatal(err)
	}
	speak(t, s, slices.Repeat(source, 3), 2400, nil)
	if first, second := <-answers, <-answers; first.Mode != "bypass" || second.Mode != "reconstruct" {
		t.Errorf("%+v, %+v", first, second)
	}

	// What has no frames though they were asked for says so.
	mixed, kind := form("reference", string(it), "source", string(file))
	_, b = x.do("POST", "/v1/voices?frames=true", bytes.NewReader(mixed), "Content-Type", kind)
	if err := json.Unmarshal(b, &again); err != nil || len(again.Warnings) != 1 || !strings.Contains(again.Warnings[0], "no frames are kept") {
		t.Errorf("a mix: %+v, %v", again, err)
	}
	small := newSite(t, Config{Streams: 1})
	r, b = small.do("POST", "/v1/voices?frames=true", bytes.NewReader(it))
	small.problem(r, b, 422, "query.frames")
	one := newSite(t, Config{Codec: c, Streams: 1})
	_, b = one.do("POST", "/v1/voices?frames=true", bytes.NewReader(it))
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dial(t.Context(), one.url, client.Options{Voice: v.ID, Match: 0.7}); err == nil || !strings.Contains(err.Error(), "takes one at a time") {
		t.Errorf("a server of one stream: %v", err)
	}
}

// TestMatchMemory: frames that are kept take of the server's memory, and give it back.
func TestMatchMemory(t *testing.T) {
	it := speech(t, "it")
	x := newSite(t, Config{Codec: builtIn(t), Memory: 1 << 20})
	left := x.voices.memory.remaining()
	x.enroll(it)
	if taken := left - x.voices.memory.remaining(); taken != 0 {
		t.Errorf("a voice without frames takes %d bytes", taken)
	}
	var kept []Voice
	for {
		r, b := x.do("POST", "/v1/voices?frames=true", bytes.NewReader(it))
		if r.StatusCode != 201 {
			x.problem(r, b, 507, "")
			break
		}
		var v Voice
		if err := json.Unmarshal(b, &v); err != nil || len(kept) > 8 {
			t.Fatalf("%d voices of %d frames in 1 MB, %v", len(kept), v.Frames, err)
		}
		kept = append(kept, v)
	}
	if len(kept) == 0 {
		t.Fatal("no voice with frames fits")
	}
	// Requests have memory of their own, and take none for a voice that is kept.
	all := x.memory.remaining()
	if err := x.memory.take(all); err != nil {
		t.Fatal(err)
	}
	x.post("/v1/convert?match=0.5&voice="+kept[0].ID, speech(t, "en"))
	clip, kind := form("reference", string(it), "source", string(speech(t, "en")))
	r, b := x.do("POST", "/v1/convert?match=0.5", bytes.NewReader(clip), "Content-Type", kind)
	x.problem(r, b, 503, "")
	x.memory.free(all)
	for _, v := range kept {
		x.do("DELETE", "/v1/voices/"+v.ID, nil)
	}
	if lost := left - x.voices.memory.remaining(); lost != 0 {
		t.Errorf("%d bytes are not given back", lost)
	}
	// A minute of a voice is more than 1 MB.
	long, kind := form("reference", string(it), "reference", string(speech(t, "fr")), "source", string(speech(t, "en")))
	r, b = x.do("POST", "/v1/convert?match=0.5", bytes.NewReader(long), "Content-Type", kind)
	x.problem(r, b, 413, "")
	if detail, _ := detailOf(t, b); !strings.Contains(detail, "--memory") {
		t.Errorf("%s", detail)
	}
}
