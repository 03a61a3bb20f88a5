package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/fac"
)

// A fault is an error of a field of a request: a query parameter, a part of the body.
type fault struct {
	status   int
	location string // such as query.voice, or body.source
	err      error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func faultf(status int, location, format string, args ...any) error {
	return &fault{status, location, fmt.Errorf(format, args...)}
}

// in says in which field an error is, if that is not known yet.
func in(location string, err error) error {
	var f *fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return &fault{0, location, err}
}

// errors of the limits.
var (
	errBusy    = errors.New("as many requests are under way as this server takes; try again later")
	errStreams = errors.New("as many live streams are open as this server sustains; try again later")
	errEnding  = errors.New("the server is about to end; try again later")
	errMemory  = errors.New("other requests have the memory that this one needs; try again later")
	errSlow    = errors.New("nothing was received for too long")
	errGone    = errors.New("the client has gone")
	errTimeout = errors.New("the request took longer than this server allows")
)

// statusOf returns the status of an error.
func statusOf(err error) int {
	var f *fault
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f) && f.status != 0:
		return f.status
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errBusy), errors.Is(err, errStreams), errors.Is(err, errEnding), errors.Is(err, errMemory), errors.Is(err, errTimeout):
		return http.StatusServiceUnavailable
	case errors.Is(err, errGone), errors.Is(err, context.Canceled):
		return statusGone
	case errors.Is(err, errSlow):
		return http.StatusRequestTimeout
	case errors.Is(err, audio.ErrNoFFmpeg), errors.Is(err, audio.ErrUnsupported), errors.Is(err, fac.ErrFormat), errors.Is(err, fac.ErrVersion):
		return http.StatusUnsupportedMediaType
	case isFileFault(err):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

// statusGone is what the log and the metrics call a request whose client has gone; nobody is
// left to be told.
const statusGone = 499

// isFileFault says whether an error is one of what was sent.
func isFileFault(err error) bool {
	for _, known := range []error{
		audio.ErrEmpty, audio.ErrTruncated, audio.ErrCorrupt, audio.ErrNotFinite, audio.ErrRate, audio.ErrFFmpeg,
		facodec.ErrEmpty, facodec.ErrNotFinite, facodec.ErrTokens, facodec.ErrVoice,
		fac.ErrTruncated, fac.ErrCorrupt,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// problem returns an error as clients get it: RFC 9457, with the field at fault. What is
// no fault of the client's is not told in words.
func (s *Server) problem(err error) error {
	if err == nil {
		return nil
	}
	status := statusOf(err)
	m := &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: oneLine(err.Error())}
	if status == http.StatusInternalServerError {
		s.config.Log.Error("request failed", "error", err.Error())
		m.Detail = "the server failed; its log says more"
	}
	var f *fault
	if errors.As(err, &f) && status != http.StatusInternalServerError {
		m.Errors = []*huma.ErrorDetail{{Message: m.Detail, Location: f.location}}
	}
	if status == http.StatusServiceUnavailable {
		return huma.ErrorWithHeaders(m, http.Header{"Retry-After": {strconv.Itoa(retryAfter)}})
	}
	return m
}

// retryAfter is how many seconds a client that was refused is asked to wait.
const retryAfter = 2

// writeProblem is problem where no route was reached.
func writeProblem(w http.ResponseWriter, status int, location, detail string) {
	m := huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}
	if location != "" {
		m.Errors = []*huma.ErrorDetail{{Message: detail, Location: location}}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(m)
}

// notFound answers what no route takes: with 405 what one would take by another method.
func notFound(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, http.StatusMethodNotAllowed, "method", "this path takes "+strings.Join(allowed, " and "))
		return
	}
	writeProblem(w, http.StatusNotFound, "path", "there is nothing here; /openapi.json lists what there is")
}

// oneLine keeps what a file says out of the lines of a log.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// isDeadline says whether a deadline of a connection has passed.
func isDeadline(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
