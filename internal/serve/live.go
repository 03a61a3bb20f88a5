package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/protocol"
)

const (
	// burst is how far ahead of time a client may send: the start of a file, or what a
	// network held back. Who sends faster is slowed down by the connection.
	burst = time.Second
	// clockError is by how much a client's clock may be fast: sound cards are within
	// 0.1 %.
	clockError = 1.003
	// piece is what is handed to the engine at a time.
	piece = 20 * time.Millisecond
	// maxMessage is the largest message of a client: 1.3 s of float samples at 192 kHz.
	maxMessage = 1 << 20
	// silent is how long a stream may go without samples.
	silent = 5 * time.Minute
	// defaultStats is how often statistics are sent.
	defaultStats = 500 * time.Millisecond
	leastStats   = 50 * time.Millisecond
)

// serveLive is a live stream, from its upgrade to its end.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	err := s.streams.take()
	if s.ending.Load() && err == nil {
		s.streams.leave()
		err = errEnding
	}
	if err != nil {
		s.metrics.refused.WithLabelValues("stream").Inc()
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		writeProblem(w, http.StatusServiceUnavailable, "", err.Error())
		return
	}
	defer s.streams.leave()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{protocol.Subprotocol},
		InsecureSkipVerify: true, // of Origin, which was checked: access
	})
	if err != nil {
		return // and is told
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	l := &stream{s: s, conn: conn, ctx: ctx, cancel: cancel,
		replies: make(chan protocol.Reply, 8), input: make(chan struct{}, 1), output: make(chan struct{}, 1), drained: make(chan struct{}, 1), done: make(chan struct{}), fatal: make(chan error, 1)}
	l.run()
}

// A stream is a live conversion of one client. One goroutine reads from the client, one
// computes, and one writes to the client: none of them waits for another but through the
// engine's queues, which are bounded.
type stream struct {
	s      *Server
	conn   *websocket.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc

	engine  *live.Engine
	own     *live.OwnVoice
	format  string
	voiceID string
	voice   *live.Voice // of that; nil: none
	match   float64     // share of its own frames
	double  bool        // the stream counts as two
	stats   time.Duration
	maxWait time.Duration
	replies chan protocol.Reply
	input   chan struct{} // samples were written, or their end
	output  chan struct{} // samples are ready
	drained chan struct{} // samples were sent
	done    chan struct{} // closed when all is computed
	fatal   chan error    // ends the stream
	ended   atomic.Bool   // the input
	heard   atomic.Int64  // when the client was last heard of, Unix time in nanoseconds
	samples []float32     // of a message
	ahead   time.Duration // by which the client is ahead of time
	at      time.Time     // when that was so

	// Reconstruct without a voice is in that of who speaks, and bypass until it is learned.
	learning sync.Mutex
	wantOwn  bool // once it is learned
	ownVoice *live.Voice
}

func (l *stream) run() {
	defer func() { _ = l.claim(0) }()
	if err := l.start(); err != nil {
		l.fail(err)
		return
	}
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		l.cancel(l.write())
	}()
	computing := make(chan struct{})
	go func() {
		defer close(computing)
		l.compute()
	}()
	go l.endWithServer()
	switch err := l.read(); {
	case errors.Is(err, errInputEnded):
		// What the client says now has no meaning, but that it closes.
		l.conn.CloseRead(l.ctx)
		<-writing
	case l.ctx.Err() == nil && websocket.CloseStatus(err) == -1 && !isBroken(err):
		l.fatal <- err // told by who writes: a message cut short would be told by nobody
		<-writing
	}
	l.cancel(nil)
	<-writing
	<-computing
	l.own.Close()
	l.record()
}

// isBroken says whether an error is the connection's, and not one of what came through it.
func isBroken(err error) bool {
	var f *fault
	return !errors.As(err, &f) && !errors.Is(err, errSlow)
}

var errInputEnded = errors.New("the input has ended")

// fail tells the client why the stream ends, and ends it.
func (l *stream) fail(err error) {
	if isBroken(err) {
		return
	}
	status := statusOf(err)
	if l.send(l.ctx, problemReply(status, err)) == nil {
		l.bye(websocket.StatusPolicyViolation, http.StatusText(status))
	}
}

// bye closes the connection, for which the client need not be waited for long.
func (l *stream) bye(code websocket.StatusCode, reason string) {
	late := time.AfterFunc(time.Second, func() { l.conn.CloseNow() })
	defer late.Stop()
	l.conn.Close(code, reason)
}

func problemReply(status int, err error) protocol.Reply {
	r := protocol.Reply{Type: protocol.Error, Status: status, Detail: oneLine(err.Error())}
	var f *fault
	if errors.As(err, &f) {
		r.Location = f.location
	}
	return r
}

func (l *stream) send(ctx context.Context, r protocol.Reply) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, l.s.config.Idle)
	defer cancel()
	return l.conn.Write(ctx, websocket.MessageText, b)
}

// read takes what the client says until it ends the input, or goes.
func (l *stream) read() error {
	for {
		ctx, cancel := context.WithTimeoutCause(l.ctx, silent, errSlow)
		kind, b, err := l.conn.Read(ctx)
		slow := l.ctx.Err() == nil && ctx.Err() != nil // before cancel, which is no fault of the client's
		cancel()
		if slow && err != nil {
			return errSlow
		}
		if err != nil {
			return err
		}
		l.heard.Store(time.Now().UnixNano())
		if kind == websocket.MessageBinary {
			if err := l.take(b); err != nil {
				return err
			}
			continue
		}
		var r protocol.Request
		if err := parse(b, &r); err != nil {
			return err
		}
		switch r.Type {
		case protocol.Set:
			l.reply(l.set(r))
		case protocol.Stats:
			l.reply(protocol.Reply{Type: protocol.Stats, Stats: l.statistics()})
		case protocol.End:
			l.end()
			return errInputEnded
		default:
			return faultf(http.StatusUnprocessableEntity, "type", "%q: there are set, stats and end", short(r.Type))
		}
	}
}

// reply sends a reply after those that wait.
func (l *stream) reply(r protocol.Reply) {
	select {
	case l.replies <- r:
	case <-l.ctx.Done():
	}
}

func (l *stream) set(r protocol.Request) protocol.Reply {
	l.learning.Lock()
	defer l.learning.Unlock()
	before := l.engine.Mode()
	if l.wantOwn {
		before = live.Reconstruct
	}
	mode, voice, match, err := l.chosen(r, before)
	if err != nil {
		return problemReply(statusOf(err), err)
	}
	kept, wantOwn := cmp.Or(voice, l.voice), false
	switch {
	case r.Mode == "" && r.Voice == "": // the share alone
		if mode, wantOwn = l.engine.Mode(), l.wantOwn; mode == live.Convert {
			voice = kept
		}
	case voice != nil || mode == live.Bypass:
	case mode == live.Convert && l.voice == nil: // the engine may have one's own
		return problemReply(http.StatusUnprocessableEntity, l.refused(live.ErrVoice))
	case mode == live.Convert:
		voice = l.voice
	case l.ownVoice != nil:
		voice = l.ownVoice
	default:
		mode, wantOwn = live.Bypass, true
	}
	share := shareOf(kept, match)
	if err := l.claim(share); err != nil {
		return problemReply(statusOf(err), err)
	}
	if voice != nil {
		voice = voice.WithMatch(match)
	}
	if err := l.refused(l.engine.Set(mode, voice)); err != nil {
		return problemReply(statusOf(err), err)
	}
	if l.wantOwn, l.voice, l.match = wantOwn, kept, match; r.Voice != "" {
		l.voiceID = r.Voice
	}
	return protocol.Reply{Type: protocol.Set, Mode: mode.String(), Voice: l.voiceID, Match: share}
}

// learned is told of the timbre of who speaks.
func (l *stream) learned(timbre []float32, err error) {
	l.learning.Lock()
	defer l.learning.Unlock()
	want := l.wantOwn
	if l.wantOwn = false; err == nil {
		l.ownVoice = &live.Voice{Timbre: timbre}
		if want {
			err = l.engine.Set(live.Reconstruct, l.ownVoice)
		}
	}
	switch {
	case !want:
	case err != nil:
		l.reply(problemReply(http.StatusInternalServerError, err))
	default:
		l.reply(protocol.Reply{Type: protocol.Set, Mode: live.Reconstruct.String(), Voice: l.voiceID})
	}
}

// end ends the input.
func (l *stream) end() {
	l.engine.End()
	l.ended.Store(true)
	signal(l.input)
}

// endWithServer tells the client that the server is about to end, and ends the input where
// the client has not done so in time.
func (l *stream) endWithServer() {
	select {
	case <-l.s.streams.warned:
	case <-l.ctx.Done():
		return
	}
	l.reply(protocol.Reply{Type: protocol.Ending, GraceMS: ms(l.s.config.Grace)})
	select {
	case <-l.s.streams.stopped:
		l.end()
	case <-l.ctx.Done():
	}
}

// take hands a message's samples to the engine, as fast as time passes.
func (l *stream) take(b []byte) (err error) {
	if l.samples, err = protocol.Parse(l.samples[:0], l.format, b); err != nil {
		return faultf(http.StatusUnprocessableEntity, "samples", "%w of %s", err, l.format)
	}
	l.own.Add(l.samples, l.learned)
	rate := l.engine.InRate()
	size := int(piece.Seconds() * float64(rate))
	for rest := l.samples; len(rest) > 0; {
		n := min(size, len(rest))
		if err := l.pace(time.Duration(float64(n) / float64(rate) * float64(time.Second))); err != nil {
			return err
		}
		switch err := l.engine.Write(rest[:n]); {
		case errors.Is(err, live.ErrFull):
			// The output is not taken; the one who writes it will give up.
			if err := l.wait(piece); err != nil {
				return err
			}
			continue
		case errors.Is(err, live.ErrEnded): // with the server
			return errInputEnded
		case err != nil:
			return faultf(http.StatusUnprocessableEntity, "samples", "%w", err)
		}
		signal(l.input)
		rest = rest[n:]
	}
	return nil
}

// pace waits until it is time for samples that last so long. Those that come as time passes do
// not wait, for what is late must not become later. Those that come early wait for earlier
// ones to be computed, and so never wait in the engine for so long that they are skipped.
func (l *stream) pace(length time.Duration) error {
	pass := func() {
		now := time.Now()
		l.ahead = max(0, l.ahead-time.Duration(float64(now.Sub(l.at))*clockError))
		l.at = now
		l.heard.Store(now.UnixNano())
	}
	pass()
	for l.ahead > burst-length || l.ahead > 0 && l.engine.Backlog() > l.maxWait/4 {
		if err := l.wait(min(5*time.Millisecond, max(l.ahead, time.Millisecond))); err != nil {
			return err
		}
		pass()
	}
	l.ahead += length
	return nil
}

func (l *stream) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}

// compute converts what arrives, until the input's end.
func (l *stream) compute() {
	defer close(l.done)
	for {
		ended := l.ended.Load()
		for l.engine.Process() {
			signal(l.output)
			if l.ctx.Err() != nil {
				return
			}
		}
		full := l.engine.Buffered() > l.engine.OutRate() // and waits for who sends
		if ended && !full && l.engine.Backlog() == 0 {
			return
		}
		select {
		case <-l.input:
		case <-l.drained:
		case <-l.ctx.Done():
			return
		}
	}
}

// write sends what was converted, replies and statistics, until all is sent.
func (l *stream) write() error {
	buf := make([]float32, l.engine.OutRate()/5)
	var message []byte
	var ticks <-chan time.Time
	if l.stats > 0 {
		ticker := time.NewTicker(l.stats)
		defer ticker.Stop()
		ticks = ticker.C
	}
	pings := time.NewTicker(l.s.config.Idle / 2)
	defer pings.Stop()
	flush := func() error {
		for {
			n := l.engine.Read(buf)
			if n == 0 {
				return nil
			}
			message = protocol.Append(message[:0], l.format, buf[:n])
			ctx, cancel := context.WithTimeout(l.ctx, l.s.config.Idle)
			err := l.conn.Write(ctx, websocket.MessageBinary, message)
			cancel()
			if err != nil {
				return err
			}
			signal(l.drained)
		}
	}
	pinged := make(chan error, 1)
	for {
		var err error
		select {
		case <-l.output:
			err = flush()
		case r := <-l.replies:
			err = l.send(l.ctx, r)
		case <-ticks:
			err = l.send(l.ctx, protocol.Reply{Type: protocol.Stats, Stats: l.statistics()})
		case <-pings.C:
			if time.Since(time.Unix(0, l.heard.Load())) < l.s.config.Idle/2 {
				continue // its answer would come behind the samples that wait
			}
			go func() {
				ctx, cancel := context.WithTimeout(l.ctx, l.s.config.Idle)
				defer cancel()
				if err := l.conn.Ping(ctx); err != nil && l.ctx.Err() == nil {
					select {
					case pinged <- fmt.Errorf("%w: no answer to a ping", errSlow):
					default:
					}
				}
			}()
		case err = <-pinged:
		case err = <-l.fatal:
			l.fail(err)
			return err
		case <-l.done:
			if err = flush(); err == nil {
				err = l.send(l.ctx, protocol.Reply{Type: protocol.Ended, Stats: l.statistics()})
			}
			if err == nil {
				l.bye(websocket.StatusNormalClosure, "")
			}
			return err
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
		if err != nil {
			return err
		}
	}
}

// signal wakes whoever waits, without waiting.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (l *stream) statistics() *protocol.Statistics {
	s := l.engine.Stats()
	return &protocol.Statistics{
		In: protocol.Level(s.In), Out: protocol.Level(s.Out),
		Seconds: s.Seconds, SkippedSeconds: s.Skipped, Dropouts: s.Dropouts,
		FrameMS: protocol.Times{Median: ms(s.Frame.Median), P99: ms(s.Frame.P99), Max: ms(s.Frame.Max)}, RealTimeFactor: s.RealTimeFactor,
		AlgorithmMS: ms(s.Algorithm), BacklogMS: ms(l.engine.Backlog()),
	}
}

// record counts a stream that has ended.
func (l *stream) record() {
	s := l.engine.Stats()
	l.s.metrics.streamSeconds.Add(s.Seconds)
	l.s.metrics.skipped.Add(s.Skipped)
	l.s.metrics.dropouts.Add(float64(s.Dropouts))
	l.s.config.Log.Info("stream", "seconds", s.Seconds, "skipped", s.Skipped, "dropouts", s.Dropouts, "frame_p99_ms", ms(s.Frame.P99), "real_time_factor", s.RealTimeFactor)
}
