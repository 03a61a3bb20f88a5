package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/protocol"
)

// Config says what is served, to whom, and how much of it at once. Limits that are 0 are
// those of Defaults; a negative Queue or Streams is none.
type Config struct {
	Codec *facodec.Codec
	// Redecoder converts recordings in the place of the codec's decoder; nil for none.
	Redecoder *facodec.Redecoder
	Model     string // what clients are told that the codec is
	Version   string // of the program

	// Address is where the server listens, as clients of the same machine write it: it sets
	// which Host and Origin are its own. TLS says that it is reached by https.
	Address string
	TLS     bool
	// Origins are further addresses of the server, as browsers show them, behind a proxy
	// say: https://voice.example.org.
	Origins []string
	Token   string // that every request needs but those for the page; "" for none

	Jobs       int           // requests that compute at once
	Queue      int           // requests that wait beside them
	Streams    int           // live streams at once
	Block      int           // frames that a live stream computes at a time; see live.Options
	MaxBody    int64         // bytes of a request
	MaxSeconds float64       // of audio in a request
	MaxVoices  int           // that are kept
	Memory     int64         // bytes that all requests together may keep of audio and arrays, and as much again for frames of voices
	Timeout    time.Duration // of a request
	Idle       time.Duration // without a byte from, or to, a client
	Grace      time.Duration // for what is under way when the server is to end

	Log *slog.Logger // nil for none
}

// Defaults are the limits of a Config.
var Defaults = Config{
	Jobs: 1, Queue: 16, Streams: 1, Block: 1,
	MaxBody: 64 << 20, MaxSeconds: 600, MaxVoices: 256, Memory: 256 << 20,
	Timeout: 10 * time.Minute, Idle: 15 * time.Second, Grace: 30 * time.Second,
}

func (c *Config) complete() error {
	if c.Codec == nil {
		return errors.New("serve: no codec")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.Jobs, Defaults.Jobs)
	setDefault(&c.Queue, Defaults.Queue)
	setDefault(&c.Streams, Defaults.Streams)
	setDefault(&c.Block, Defaults.Block)
	setDefault(&c.MaxBody, Defaults.MaxBody)
	setDefault(&c.MaxSeconds, Defaults.MaxSeconds)
	setDefault(&c.MaxVoices, Defaults.MaxVoices)
	setDefault(&c.Memory, Defaults.Memory)
	setDefault(&c.Timeout, Defaults.Timeout)
	setDefault(&c.Idle, Defaults.Idle)
	setDefault(&c.Grace, Defaults.Grace)
	c.Queue, c.Streams = max(c.Queue, 0), max(c.Streams, 0)
	return nil
}

func setDefault[T comparable](value *T, def T) {
	var zero T
	if *value == zero {
		*value = def
	}
}

// A Server serves one codec.
type Server struct {
	config  Config
	access  *access
	voices  *voices
	places  *places
	turns   *turns
	memory  *budget
	streams *streams
	metrics *metrics
	handler http.Handler
	ending  atomic.Bool // no new work is taken
}

// New returns a server. Nothing listens yet.
func New(c Config) (*Server, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	s := &Server{config: c, memory: newBudget(c.Memory)}
	s.voices = newVoices(c.Codec, c.MaxVoices, c.Memory)
	var err error
	if s.access, err = newAccess(c); err != nil {
		return nil, err
	}
	s.places = newPlaces(c.Jobs + c.Queue)
	s.streams = newStreams(c.Streams)
	s.turns = newTurns(c.Jobs, s.streams.load)
	s.metrics = newMetrics(s)

	mux := http.NewServeMux()
	s.register(mux)
	s.handler = s.observe(mux, secure(s.access.check(mux)))
	return s, nil
}

// Handler returns what answers requests.
func (s *Server) Handler() http.Handler { return s.handler }

// AddVoice keeps a voice as if a client had enrolled it. Characters of the name that are not
// shown become spaces.
func (s *Server) AddVoice(name string, v *facodec.Voice) (id string, err error) {
	e, err := s.voices.add(context.Background(), oneLine(name), v)
	return e.ID, err
}

// register adds all routes.
func (s *Server) register(mux *http.ServeMux) {
	config := huma.DefaultConfig("facodec", s.config.Version)
	config.Info.Description = apiDescription
	config.DocsPath, config.SchemasPath = "", "" // a page of its own, from elsewhere, is none of ours
	config.CreateHooks = nil                     // no $schema in answers
	config.RejectUnknownQueryParameters = true   // a misspelled one would be ignored
	if s.config.Token != "" {
		config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
		config.Security = []map[string][]string{{"token": {}}}
	}
	api := humago.New(mux, config)
	s.registerInfo(api)
	s.registerVoices(api)
	s.registerCodec(api)
	s.registerExtract(api)
	s.registerPlot(api)
	mux.HandleFunc("GET "+protocol.Path, s.serveLive)
	mux.HandleFunc("GET /metrics", s.metrics.serve)
	registerPage(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { notFound(mux, w, r) })
}

const apiDescription = `Neural speech codec: reconstructs speech, converts voices, encodes and decodes
compressed recordings, extracts codes. Bodies are audio files of any kind, raw or as the part "source"
of multipart/form-data. Errors are application/problem+json and name the field at fault.`

// Serve answers requests on a listener until ctx ends; then it takes nothing new,
// waits as long as Grace for what is under way, and cuts off what still is. It returns
// nil if all could end, and closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener, t *tls.Config) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: min(10*time.Second, s.config.Idle),
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		TLSConfig:         t,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug), // broken handshakes and the like
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() {
		if t != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.ending.Store(true)
	s.config.Log.Info("ending", "requests", s.places.taken(), "streams", s.streams.taken(), "grace", s.config.Grace.String())
	close(s.streams.warned)
	grace, stop := context.WithTimeout(base, s.config.Grace)
	defer stop()
	err := server.Shutdown(grace)
	if s.streams.wait(grace) != nil {
		// Nobody stops speaking because a server ends: what was said is still sent.
		close(s.streams.stopped)
		last, stop := context.WithTimeout(base, lastWords)
		defer stop()
		if left := s.streams.wait(last); err == nil {
			err = left
		}
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cut off after %v: %s and %s still under way", s.config.Grace, plural.Of(s.places.taken(), "request"), plural.Of(s.streams.taken(), "stream"))
	cut()
	server.Close()
	s.streams.wait(context.WithoutCancel(ctx)) // each ends with base
	return err
}

// lastWords is how long a live stream that the server ends has for what is left of it.
const lastWords = 3 * time.Second
