package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/serve"
)

// tokenVariable is where the token is looked for if no flag gives it: a command line is seen by
// every user of the machine.
const tokenVariable = "FACODEC_TOKEN"

// serveFlags are those of serve.
type serveFlags struct {
	modelFlags
	redecoder redecoderFlags
	listen    string
	token     string
	tokenFile string
	open      bool
	origins   []string
	cert, key string
	voices    []string
	limits    serve.Config
	maxBody   int64 // MB
	memory    int64 // MB
	logFormat string
	quiet     bool
}

func newServe() *cobra.Command {
	f := serveFlags{limits: serve.Defaults}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the codec over HTTP, with a page for the browser",
		Long: `Serve answers requests over HTTP: reconstruct, convert, encode, decode, extract, plot, and
voices that are kept in memory; a WebSocket converts a voice while it speaks; and a page
in the browser does all of this. docs/serve.md has the protocol, /openapi.json the API.

It listens on 127.0.0.1 alone unless --listen says otherwise, and then needs a token
(FACODEC_TOKEN, --token-file or --token), or --open to be used by everybody who reaches it.
Pages of other sites are refused, by Host and Origin, with or without a token. Browsers
give a microphone to https and to localhost alone: give --tls-cert and --tls-key, or put
a proxy with a certificate before it and say with --origin how it is called there.

As many live streams are taken as the processor sustains, which is measured at the start,
and --jobs requests compute at once, --queue wait. The next one is refused at once,
with 503 and Retry-After. While live streams are open, requests compute in what they leave.
Live streams compute frames one at a time where that keeps up, and otherwise in blocks of
2, 4 or 8; --block sets it (facodec live --help). A live stream with match, whose frames
take up to twice as long, counts as two.

--redecoder-checkpoint converts recordings with a redecoder. Live streams use the codec's
own decoder: a redecoder looks 48 frames, 0.6 s, ahead, which is too long for a conversation.

Ctrl-C or SIGTERM ends it: nothing new is taken, what is under way has --grace to end. A
second one ends it at once. The exit code is then 0 if all could end, and 1 if not.
Logs go to stderr, a line for each request, without what was sent and what it is called.`,
		Example: `  facodec serve
  curl -F source=@clip.wav -F reference=@alice.wav http://127.0.0.1:8765/v1/convert > converted.wav
  curl --data-binary @clip.mp3 'http://127.0.0.1:8765/v1/reconstruct?format=flac' > again.flac
  FACODEC_TOKEN=$(openssl rand -hex 16) facodec serve --listen :8443 --tls-cert cert.pem --tls-key key.pem
  facodec serve --checkpoint-path hf://Plachta/FAcodec --voice alice.voice --streams 2`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{cmd.CommandPath(), fmt.Errorf("%q follows no flag that takes it", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8765", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&f.token, "token", "", "`secret` that requests need: Authorization: Bearer SECRET; everybody on this machine sees it, "+tokenVariable+" and --token-file nobody")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with the token")
	flags.BoolVar(&f.open, "open", false, "listen beyond this machine without a token: everybody who reaches it may use it")
	flags.StringArrayVar(&f.origins, "origin", nil, "further `address` by which browsers reach it, https://voice.example.org say; may be repeated")
	flags.StringVar(&f.cert, "tls-cert", "", "`file` with the certificate for https, and those it rests on, PEM")
	flags.StringVar(&f.key, "tls-key", "", "`file` with its key, PEM")
	f.modelFlags.addLive(cmd)
	f.redecoder.add(cmd)
	flags.StringArrayVar(&f.voices, "voice", nil, "`file` of a voice to keep from the start, .voice, with its frames if it has any, or a clip; may be repeated")
	flags.IntVar(&f.limits.Streams, "streams", 0, "`number` of live streams at once (default: as many as the processor sustains, measured at the start)")
	flags.IntVar(&f.limits.Block, "block", 0, "`frames` of a live stream that are computed together, 1 to 16 (default: as few as keep up, measured at the start)")
	flags.IntVar(&f.limits.Jobs, "jobs", 0, "`number` of requests that compute at once (default: one for every two CPUs)")
	flags.IntVar(&f.limits.Queue, "queue", serve.Defaults.Queue, "`requests` that wait beside them")
	flags.Int64Var(&f.maxBody, "max-body", serve.Defaults.MaxBody>>20, "`MB` of a request")
	flags.Float64Var(&f.limits.MaxSeconds, "max-seconds", serve.Defaults.MaxSeconds, "`seconds` of audio in a request")
	flags.IntVar(&f.limits.MaxVoices, "max-voices", serve.Defaults.MaxVoices, "`voices` that are kept")
	flags.Int64Var(&f.memory, "memory", serve.Defaults.Memory>>20, "`MB` that all requests together may keep of audio and arrays, where they have to, and as much again for frames of voices")
	flags.DurationVar(&f.limits.Timeout, "timeout", serve.Defaults.Timeout, "longest `time` of a request")
	flags.DurationVar(&f.limits.Idle, "idle", serve.Defaults.Idle, "longest `time` without a byte from or to a client")
	flags.DurationVar(&f.limits.Grace, "grace", serve.Defaults.Grace, "`time` that what is under way has when the server is to end")
	flags.StringVar(&f.logFormat, "log-format", "text", "`format` of the log: text or json")
	flags.BoolVar(&f.quiet, "quiet", false, "log no requests, only what goes wrong")
	return cmd
}

// mostMB is the most that --max-body and --memory take: a TB, and no overflow in bytes.
const mostMB = 1 << 20

// check refuses what needs no file to be seen wrong.
func (f *serveFlags) check(cmd *cobra.Command) error {
	usage := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
	}
	l := &f.limits
	switch {
	case (f.cert == "") != (f.key == ""):
		return usage("--tls-cert and --tls-key: https needs both")
	case f.token != "" && f.tokenFile != "":
		return usage("--token and --token-file both give the token; leave one out")
	case f.logFormat != "text" && f.logFormat != "json":
		return usage("--log-format %q: text or json", f.logFormat)
	case l.MaxVoices < 1 || f.maxBody < 1 || f.memory < 1:
		return usage("--max-voices, --max-body and --memory are at least 1")
	case f.maxBody > mostMB || f.memory > mostMB:
		return usage("--max-body and --memory are at most %d MB", int64(mostMB))
	case l.Streams < 0 || l.Jobs < 0 || l.Queue < 0:
		return usage("--streams, --jobs and --queue are no negative numbers")
	case !(l.MaxSeconds > 0 && l.MaxSeconds <= 1e6):
		return usage("--max-seconds %g: not a length of audio", l.MaxSeconds)
	case l.Timeout <= 0 || l.Idle <= 0 || l.Grace <= 0:
		return usage("--timeout, --idle and --grace are times above 0")
	case cmd.Flags().Changed("block") && (l.Block < 1 || l.Block > live.MaxBlock):
		return usage("--block %d: give 1 to %d, or leave it out for as few as keep up", l.Block, live.MaxBlock)
	}
	if err := f.redecoder.check(); err != nil {
		return usage("%v", err)
	}
	l.MaxBody, l.Memory = f.maxBody<<20, f.memory<<20
	return f.modelFlags.check()
}

func (f *serveFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	token, err := f.readToken()
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return &usageError{cmd.CommandPath(), fmt.Errorf("--listen %q: want HOST:PORT, such as 127.0.0.1:8765 or :8765", f.listen)}
	}
	show := newDisplay(cmd.ErrOrStderr(), f.quiet)
	switch {
	case serve.IsLoopback(host):
	case token == "" && !f.open:
		return &usageError{cmd.CommandPath(), fmt.Errorf("--listen %s is reached by other machines: set %s or --token-file, or give --open to let everybody use it", f.listen, tokenVariable)}
	case token == "":
		show.warning("OPEN: everybody who reaches %s may use this server; %s sets a token", f.listen, tokenVariable)
	case f.cert == "" && len(f.origins) == 0:
		show.warning("the token and all audio pass the network unencrypted, and browsers give no microphone to plain http; --tls-cert and --tls-key encrypt")
	}
	secure, warnings, err := f.readCertificate()
	if err != nil {
		return err
	}
	for _, text := range warnings {
		show.warning("%s", text)
	}
	// The port first: a model takes seconds to load, and is of no use without one.
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return cureListen(f.listen, err)
	}
	defer listener.Close()
	codec, notices, err := f.modelFlags.open(cmd)
	if err != nil {
		return err
	}
	defer codec.Close()
	redecoder, err := f.redecoder.open(cmd, codec)
	if err != nil {
		return err
	}
	if redecoder != nil {
		defer redecoder.Close()
	} else {
		notices = append(notices, f.conversionNotices()...)
	}
	for _, notice := range notices {
		show.notice("%s", notice)
	}

	c := f.limits
	c.Codec, c.Redecoder, c.Model, c.Version = codec, redecoder, f.modelName(), version()
	c.Token, c.Origins, c.TLS = token, f.origins, secure != nil
	c.Address = listener.Addr().String()
	if serve.IsLoopback(host) || host == "" {
		_, port, _ := net.SplitHostPort(c.Address)
		c.Address = net.JoinHostPort(host, port)
	}
	c.Log = f.logger(cmd)
	if c.Queue == 0 {
		c.Queue = -1
	}
	if c.Jobs == 0 {
		c.Jobs = max(1, runtime.NumCPU()/2)
	}
	if err := measure(cmd.Context(), &c, show); err != nil {
		return err
	}
	server, err := serve.New(c)
	if err != nil {
		return err
	}
	if err := f.addVoices(cmd.Context(), codec, server, show); err != nil {
		return err
	}
	show.info("%s", f.address(c.Address, secure != nil))
	show.info("%s and %s at once", plural.Of(max(c.Streams, 0), "live stream"), plural.Of(c.Jobs, "request"))
	return server.Serve(cmd.Context(), listener, secure)
}

// measure sets what of the limits of live streams the user left to be measured.
func measure(ctx context.Context, c *serve.Config, show *display) error {
	if c.Block == 0 {
		frames, factor, err := live.ChooseBlock(c.Codec, nil)
		switch {
		case errors.Is(err, live.ErrNotLive):
			show.notice("no live streams: %v", err)
			c.Block, c.Streams = 1, -1
			return nil
		case err != nil:
			return err
		case factor > 1:
			show.warning("this computer is too slow for live streams of the model: blocks of %s take %.2f of the time that they last", plural.Of(frames, "frame"), factor)
		case frames > 1:
			show.notice("live streams compute blocks of %s (--block): with fewer this computer does not keep up; they add %.0f ms to the delay", plural.Of(frames, "frame"), float64(frames-1)*1000/c.Codec.FrameRate())
		}
		c.Block = frames
	}
	if c.Streams != 0 {
		return nil
	}
	streams, err := serve.Sustained(ctx, c.Codec, c.Block, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	if c.Streams = streams; streams == 0 {
		c.Streams = -1
	}
	return nil
}

// readToken returns the token, "" for none.
func (f *serveFlags) readToken() (string, error) {
	token := f.token
	if f.tokenFile != "" {
		b, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return "", err
		}
		if token = strings.TrimSpace(string(b)); token == "" {
			return "", fmt.Errorf("--token-file %s: is empty", f.tokenFile)
		}
	}
	if token == "" {
		token = os.Getenv(tokenVariable)
	}
	if token != "" && len(token) < 8 {
		return "", errors.New("the token has fewer than 8 characters, which is soon guessed; openssl rand -hex 16 makes one")
	}
	return token, nil
}

// modelName is what clients are told that the codec is.
func (f *serveFlags) modelName() string {
	if f.checkpoint == builtin {
		return defaultmodel.Title
	}
	// Folders are nobody's business.
	name := strings.TrimRight(strings.ReplaceAll(f.checkpoint, `\`, "/"), "/")
	if strings.HasPrefix(name, "hf://") {
		return strings.TrimPrefix(name, "hf://")
	}
	return name[strings.LastIndex(name, "/")+1:]
}

// addVoices keeps the voices of --voice.
func (f *serveFlags) addVoices(ctx context.Context, codec *facodec.Codec, server *serve.Server, show *display) error {
	for _, path := range f.voices {
		// The frames of a .voice were kept to be used; those of a clip would let clients hear it.
		v, err := codec.EnrollFiles(ctx, []string{path}, facodec.EnrollOptions{Frames: facodec.IsVoiceFile(path)})
		if err != nil {
			return f.cureVoices(err, []string{path}, codec)
		}
		for _, warning := range v.Warnings {
			show.warning("%v", warning)
		}
		if _, err := server.AddVoice(nameOf(path), v); err != nil {
			return fmt.Errorf("--voice %s: %w", path, err)
		}
	}
	return nil
}

func (f *serveFlags) logger(cmd *cobra.Command) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.quiet {
		o.Level = slog.LevelWarn
	}
	if f.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), o))
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), o))
}

// address is what to open in a browser: localhost, which has a microphone where an address of the
// network has none.
func (f *serveFlags) address(listen string, https bool) string {
	host, port, _ := net.SplitHostPort(listen)
	scheme := "http"
	if https {
		scheme = "https"
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost"
	}
	text := scheme + "://" + net.JoinHostPort(host, port) + "/"
	for _, origin := range f.origins {
		text += ", " + strings.TrimSuffix(origin, "/") + "/"
	}
	return "open " + text
}
