// Package client converts a voice while it speaks on a server, which is what
// `facodec serve` is:
//
//	s, err := client.Dial(ctx, "http://127.0.0.1:8765", client.Options{Voice: "4fd2a1c09be37d58"})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	go func() {
//		for samples := range microphone { // []float32, mono at s.Rate()
//			s.Write(ctx, samples)
//		}
//		s.End(ctx)
//	}()
//	for {
//		samples, err := s.Read(ctx) // as many, in all, as were written
//		if err == io.EOF {
//			break
//		}
//		...
//	}
//
// docs/serve.md defines the protocol.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/facodec-go/facodec/internal/protocol"
)

// Options say what a stream is to be.
type Options struct {
	Token  string // of the server; "" for none
	Rate   int    // Hz, of the samples both ways; 0 is the codec's
	Format string // of the samples on their way: "f32", or "s16" with half the bytes; "" is f32
	Mode   string // "convert", "reconstruct" or "bypass"; "" is convert
	Voice  string // id of a voice that the server keeps; convert needs one
	// Match is the share of the voice's own frames in what is converted, 0 to 1: more is nearer to
	// it, and less clear. The voice must have been enrolled with frames.
	Match float64
	// MaxWait is how long input may wait to be processed, before it is skipped and
	// concealed; 0 is the server's default.
	MaxWait time.Duration
	// StatsEvery is how often Event gets statistics; 0 is the server's default, negative
	// never.
	StatsEvery time.Duration
	// Event, if not nil, is called within Read for what the server says besides samples:
	// statistics, changes that were made or refused, that it is about to end.
	Event func(Event)
	// HTTP, if not nil, is used to connect.
	HTTP *http.Client
}

// An Event is what a server says; Type is "set", "stats", "ending" or "error".
type Event = protocol.Reply

// Statistics are the meters of a stream.
type Statistics = protocol.Statistics

// A Stream is a conversion on a server. Read must be called all the time, by one goroutine;
// Write, Set and End may be called by others.
type Stream struct {
	conn    *websocket.Conn
	options Options
	ready   protocol.Reply
	mu      sync.Mutex // of writing
	buf     []byte
	ended   *Statistics
}

// maxMessage is the largest message that a stream takes, more than any server sends.
const maxMessage = 4 << 20

// Dial connects to a server by its address, http:// or https://. An error of the server's
// says what it refuses.
func Dial(ctx context.Context, address string, o Options) (*Stream, error) {
	if o.Format == "" {
		o.Format = protocol.F32
	}
	if protocol.Width(o.Format) == 0 {
		return nil, fmt.Errorf("client: format %q; f32 and s16 are", o.Format)
	}
	header := http.Header{}
	if o.Token != "" {
		header.Set("Authorization", "Bearer "+o.Token)
	}
	conn, response, err := websocket.Dial(ctx, strings.TrimSuffix(address, "/")+protocol.Path,
		&websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{protocol.Subprotocol}, HTTPClient: o.HTTP})
	if err != nil {
		return nil, refusal(response, err)
	}
	conn.SetReadLimit(maxMessage)
	s := &Stream{conn: conn, options: o}
	if err := s.start(ctx); err != nil {
		conn.CloseNow()
		return nil, err
	}
	return s, nil
}

// refusal is the problem that a server answered with, or err.
func refusal(response *http.Response, err error) error {
	var problem struct{ Detail string }
	if response == nil || response.Body == nil || json.NewDecoder(response.Body).Decode(&problem) != nil || problem.Detail == "" {
		return fmt.Errorf("client: %w", err)
	}
	return &RefusedError{Status: response.StatusCode, Detail: problem.Detail, RetryAfter: response.Header.Get("Retry-After")}
}

// A RefusedError is the answer of a server that takes no stream: with status 503 later
// perhaps.
type RefusedError struct {
	Status     int    // of HTTP
	Detail     string // in words
	RetryAfter string // seconds, if the server says so
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the server refuses: %s (%d)", e.Detail, e.Status)
}

func (s *Stream) start(ctx context.Context) error {
	o := s.options
	request := protocol.Request{Type: protocol.Start, Rate: o.Rate, Format: o.Format, Mode: o.Mode, Voice: o.Voice, DelayMS: float64(o.MaxWait) / 1e6}
	if o.Match != 0 {
		if err := checkMatch(o.Match); err != nil {
			return err
		}
		request.Match = &o.Match
	}
	if o.StatsEvery != 0 {
		every := max(0, float64(o.StatsEvery)/1e6)
		request.StatsMS = &every
	}
	if err := s.send(ctx, request); err != nil {
		return err
	}
	kind, b, err := s.conn.Read(ctx)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	if kind != websocket.MessageText || json.Unmarshal(b, &s.ready) != nil {
		return errors.New("client: this is no server of facodec")
	}
	if err := s.ready.Err(); err != nil {
		return err
	}
	if s.ready.Type != protocol.Ready {
		return fmt.Errorf("client: the server's first message is %q", s.ready.Type)
	}
	return nil
}

func (s *Stream) send(ctx context.Context, r protocol.Request) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// Rate returns the rate of the samples both ways, in Hz.
func (s *Stream) Rate() int { return s.ready.Rate }

// Delay returns by how much the output is behind the input, however fast the server: what
// the codec has to hear first.
func (s *Stream) Delay() time.Duration {
	return time.Duration(s.ready.AlgorithmMS * float64(time.Millisecond))
}

// Write sends samples, full scale ±1. It waits where they come faster than time passes.
func (s *Stream) Write(ctx context.Context, samples []float32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = protocol.Append(s.buf[:0], s.options.Format, samples)
	return s.conn.Write(ctx, websocket.MessageBinary, s.buf)
}

// Set changes the mode, the voice, or both; "" leaves one as it is. Event is told when it
// is done, or refused.
func (s *Stream) Set(ctx context.Context, mode, voice string) error {
	return s.send(ctx, protocol.Request{Type: protocol.Set, Mode: mode, Voice: voice})
}

// SetMatch changes the share of the voice's own frames, 0 to 1. Event is told when it is done, or
// refused.
func (s *Stream) SetMatch(ctx context.Context, match float64) error {
	if err := checkMatch(match); err != nil {
		return err
	}
	return s.send(ctx, protocol.Request{Type: protocol.Set, Match: &match})
}

func checkMatch(match float64) error {
	if !(match >= 0 && match <= 1) {
		return fmt.Errorf("client: a match of %g: give 0, none, to 1, frames of the voice alone", match)
	}
	return nil
}

// End ends the input. What is left of the output can then be read.
func (s *Stream) End(ctx context.Context) error {
	return s.send(ctx, protocol.Request{Type: protocol.End})
}

// Read returns the next samples of the output: io.EOF after the last one of an input that
// was ended.
func (s *Stream) Read(ctx context.Context) ([]float32, error) {
	for {
		kind, b, err := s.conn.Read(ctx)
		switch {
		case s.ended != nil:
			return nil, io.EOF
		case err != nil:
			return nil, fmt.Errorf("client: %w", err)
		case kind == websocket.MessageBinary:
			return protocol.Parse(nil, s.options.Format, b)
		}
		var r protocol.Reply
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		if r.Type == protocol.Ended {
			if s.ended = r.Stats; s.ended == nil {
				s.ended = &Statistics{}
			}
			s.conn.Close(websocket.StatusNormalClosure, "") // answers that of the server
			return nil, io.EOF
		}
		if s.options.Event != nil {
			s.options.Event(r)
		}
	}
}

// Statistics returns those of the whole stream once Read has returned io.EOF, and nil
// before.
func (s *Stream) Statistics() *Statistics { return s.ended }

// Close ends the stream at once.
func (s *Stream) Close() error { return s.conn.CloseNow() }
