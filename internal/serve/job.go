package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/recording"
)

// A Raw request hands its body to the handler as it comes; huma would read it whole.
// Operations embed it.
type Raw struct {
	request *http.Request
	writer  http.ResponseWriter
}

// Resolve implements huma.Resolver.
func (r *Raw) Resolve(ctx huma.Context) []error {
	r.request, r.writer = humago.Unwrap(ctx)
	return nil
}

// A job is a request of the codec, with its place, its deadlines and what it has of
// the budget.
type job struct {
	s        *Server
	ctx      context.Context
	cancel   context.CancelFunc
	request  *http.Request
	writer   http.ResponseWriter
	control  *http.ResponseController
	deadline time.Time
	body     io.Reader
	parts    *multipart.Reader // nil for a body that is no form
	boundary string            // of parts
	kept     int64             // of the budget
	received int64             // bytes of the body
	failed   error             // why the body could not be read to its end
	second   string            // what is told of a second source
}

// begin takes a place for a request. The job must be closed.
func (s *Server) begin(raw *Raw) (*job, error) {
	if s.ending.Load() {
		return nil, errEnding
	}
	if raw.request.ContentLength > s.config.MaxBody {
		return nil, in("body", &tooLarge{&http.MaxBytesError{Limit: s.config.MaxBody}})
	}
	if err := s.places.take(); err != nil {
		s.metrics.refused.WithLabelValues("request").Inc()
		return nil, err
	}
	j := &job{s: s, second: "a second source; send one in each request", request: raw.request, writer: raw.writer, control: http.NewResponseController(raw.writer), deadline: time.Now().Add(s.config.Timeout)}
	j.ctx, j.cancel = context.WithDeadlineCause(raw.request.Context(), j.deadline, errTimeout)
	j.body = &upload{j, http.MaxBytesReader(nil, raw.request.Body, s.config.MaxBody)}
	kind, params, _ := mime.ParseMediaType(raw.request.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		if params["boundary"] == "" {
			j.close()
			return nil, faultf(http.StatusUnprocessableEntity, "header.Content-Type", "multipart/form-data without a boundary")
		}
		j.boundary = params["boundary"]
		j.parts = multipart.NewReader(j.body, j.boundary)
	}
	return j, nil
}

func (j *job) close() {
	j.cancel()
	j.s.memory.free(j.kept)
	j.s.places.leave()
}

// duplex lets an answer begin before the body has ended. It is for answers that are streamed
// alone: many clients send their body whole before they read a byte, and both sides would wait.
// Where HTTP/1.0 has no such thing, the answer waits for the body's end.
func (j *job) duplex() { _ = j.control.EnableFullDuplex() }

// drain reads a little more of the body of a request that is refused: a connection that is
// closed with bytes unread is reset, and the client does not see why. It is what net/http
// does, but where duplex was called.
func (j *job) drain() {
	const little = 256 << 10
	io.CopyN(io.Discard, j.body, little)
}

// keep draws bytes from the budget until the job is closed.
func (j *job) keep(bytes int64) error {
	if err := j.s.memory.take(bytes); err != nil {
		return err
	}
	j.kept += bytes
	return nil
}

// free gives bytes that keep drew back.
func (j *job) free(bytes int64) {
	j.s.memory.free(bytes)
	j.kept -= bytes
}

// turn calls compute when it is the job's turn.
func (j *job) turn(compute func() error) error { return j.s.turns.do(j.ctx, compute) }

// An upload is a body that has to keep coming.
type upload struct {
	j *job
	r io.Reader
}

func (u *upload) Read(p []byte) (int, error) {
	if u.j.ctx.Err() != nil {
		return 0, context.Cause(u.j.ctx)
	}
	until := time.Now().Add(u.j.s.config.Idle)
	if until.After(u.j.deadline) {
		until = u.j.deadline
	}
	_ = u.j.control.SetReadDeadline(until) // a writer of tests may have none
	n, err := u.r.Read(p)
	u.j.received += int64(n)
	if err != nil && err != io.EOF {
		err = u.j.unread(err)
		u.j.failed = err
	}
	return n, err
}

// unread is the error of a body that could not be read to its end.
func (j *job) unread(err error) error {
	var large *http.MaxBytesError
	var network net.Error
	switch {
	case isDeadline(err) && time.Now().After(j.deadline):
		return errTimeout
	case isDeadline(err):
		return fmt.Errorf("%w: %v", errSlow, j.s.config.Idle)
	case errors.As(err, &large):
		return &tooLarge{large}
	case errors.Is(err, io.ErrUnexpectedEOF) && j.request.ContentLength > 0:
		return fmt.Errorf("%w: it ended after %d of %s", errCut, j.received, plural.Of(j.request.ContentLength, "byte"))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ended after %s, without a last chunk", errCut, plural.Of(j.received, "byte"))
	case errors.As(err, &network), errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled), j.request.Context().Err() != nil:
		return fmt.Errorf("%w: %v", errGone, err)
	}
	return fmt.Errorf("%w: %v", errBody, err)
}

// tooLarge is net/http's error of a body over the limit, which does not name it.
type tooLarge struct{ *http.MaxBytesError }

func (e *tooLarge) Error() string {
	return fmt.Sprintf("the body has more than %d bytes, which is as much as this server takes in a request", e.Limit)
}

func (e *tooLarge) Unwrap() error { return e.MaxBytesError }

// Write sends a piece of the answer.
func (j *job) Write(p []byte) (int, error) {
	if j.ctx.Err() != nil {
		return 0, context.Cause(j.ctx)
	}
	return j.writer.Write(p)
}

// A part is a field of the body.
type part struct {
	io.Reader
	name     string // of the field; "source" for a raw body
	location string
}

// maxParts is how many fields a form has at most.
const maxParts = 64

// each calls take with the parts of the body, in their order: a raw body is the source.
func (j *job) each(take func(part) error) error {
	if j.parts == nil {
		return take(part{j.body, "source", "body"})
	}
	count := map[string]int{}
	for n := 0; ; n++ {
		p, err := j.parts.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return in("body", j.malformed(err))
		}
		if n == maxParts {
			return faultf(http.StatusUnprocessableEntity, "body", "a form of more than %d parts", maxParts)
		}
		name := p.FormName()
		location := "body." + name
		if i := count[name]; i > 0 {
			location = fmt.Sprintf("body.%s[%d]", name, i)
		}
		count[name]++
		if name == "source" && count[name] > 1 {
			return faultf(http.StatusUnprocessableEntity, location, "%s", j.second)
		}
		if err := take(part{field{p, j}, name, location}); err != nil {
			return err
		}
	}
}

// A field is the content of a part, whose end is that of the form if the form is cut short.
type field struct {
	*multipart.Part
	j *job
}

func (f field) Read(p []byte) (int, error) {
	n, err := f.Part.Read(p)
	if err != nil && err != io.EOF && f.j.failed == nil {
		err = f.j.malformed(err)
		f.j.failed = err
	}
	return n, err
}

// malformed is the error of a form that cannot be read: the body's, or the form's own.
func (j *job) malformed(err error) error {
	switch {
	case j.failed != nil:
		return j.failed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return faultf(http.StatusUnprocessableEntity, "body", "the form has no end: its last line has to be --%s--", short(j.boundary))
	case j.ctx.Err() != nil:
		return err
	}
	return faultf(http.StatusUnprocessableEntity, "body", "the form cannot be read: %s", short(strings.TrimPrefix(err.Error(), "multipart: ")))
}

// unknown is the error of a field that an operation does not take.
func (p part) unknown(takes string) error {
	return faultf(http.StatusUnprocessableEntity, p.location, "there is no field %q; this takes %s", short(p.name), takes)
}

// read reads a recording, mono at a rate (0: its own), in pieces that take may change but not
// keep.
func (j *job) read(p part, rate int, strict bool, open func(*audio.Reader) error, take func([]float32) error) (audio.Info, error) {
	r, err := audio.NewReaderWith(p, p.location, audio.Options{Rate: rate, Strict: strict})
	if err != nil {
		return audio.Info{}, in(p.location, j.cause(err))
	}
	defer r.Close()
	limit := int64(j.s.config.MaxSeconds * float64(r.Rate()))
	tooLong := func() error {
		return faultf(http.StatusRequestEntityTooLarge, p.location, "more than %g seconds of audio, which is as much as this server takes in a request", j.s.config.MaxSeconds)
	}
	if r.Samples() > limit {
		return audio.Info{}, tooLong()
	}
	if open != nil {
		if err := open(r); err != nil {
			return audio.Info{}, err
		}
	}
	total := int64(0)
	err = recording.ReadFrom(j.ctx, r, func(samples []float32) error {
		if total += int64(len(samples)); total > limit {
			return tooLong()
		}
		return take(samples)
	})
	if err != nil {
		return audio.Info{}, in(p.location, j.cause(err))
	}
	j.s.metrics.seconds.Add(float64(total) / float64(r.Rate()))
	return r.Info(), nil
}

// cause is why a body's reader fails: because the body does, which decoders tell of in other
// words, or the job's context ended. net/http cancels that, too, after a deadline of reading.
func (j *job) cause(err error) error {
	if j.failed != nil {
		return j.failed
	}
	if j.ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(j.ctx)
	}
	return err
}
