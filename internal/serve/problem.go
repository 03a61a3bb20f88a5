package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

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
	// errNoMemory: it is of no use to try again.
	errNoMemory = errors.New("this needs more memory than all requests together may have on this server (--memory)")
	errSlow     = errors.New("nothing was received for too long")
	errGone     = errors.New("the client has gone")
	errCut      = errors.New("the body is incomplete")
	errBody     = errors.New("the body cannot be read")
	errTimeout  = errors.New("the request took longer than this server allows")
)

// statusOf returns the status of an error.
func statusOf(err error) int {
	var f *fault
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f) && f.status != 0:
		return f.status
	case errors.As(err, &large), errors.Is(err, errNoMemory):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errBusy), errors.Is(err, errStreams), errors.Is(err, errEnding), errors.Is(err, errMemory), errors.Is(err, errTimeout):
		return http.StatusServiceUnavailable
	case errors.Is(err, errGone), errors.Is(err, context.Canceled):
		return statusGone
	case errors.Is(err, errCut), errors.Is(err, errBody):
		return http.StatusBadRequest
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

func titleOf(status int) string {
	if status == statusGone {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// isFileFault says whether an error is one of what was sent.
func isFileFault(err error) bool {
	for _, known := range []error{
		audio.ErrEmpty, audio.ErrTruncated, audio.ErrCorrupt, audio.ErrNotFinite, audio.ErrRate, audio.ErrFFmpeg,
		facodec.ErrEmpty, facodec.ErrNotFinite, facodec.ErrSilent, facodec.ErrTokens, facodec.ErrVoice,
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
	m := &huma.ErrorModel{Status: status, Title: titleOf(status), Detail: oneLine(err.Error())}
	if status == http.StatusInternalServerError {
		s.config.Log.Error("request failed", "error", err.Error())
		m.Detail = "the server failed; its log says more"
	}
	var f *fault
	if errors.As(err, &f) && status != http.StatusInternalServerError {
		m.Errors = []*huma.ErrorDetail{{Message: m.Detail, Location: short(f.location)}}
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

// isDeadline says whether a deadline of a connection has passed.
func isDeadline(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// invalid is the error of parameters that huma refuses: it names each, and for one that
// does not exist, those that do. What the client sent is repeated as far as it tells which
// mistake is meant.
func invalid(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
	const most = 8 // of them, which is enough to see what is wrong
	m := &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: message}
	for _, err := range errs {
		d := &huma.ErrorDetail{Message: err.Error()}
		if detailed, ok := err.(huma.ErrorDetailer); ok {
			d = detailed.ErrorDetail()
		}
		if d.Message == unknownParameter && ctx.Operation() != nil {
			d.Message += "; " + knownParameters(ctx.Operation())
		}
		d.Location = short(d.Location)
		switch v := d.Value.(type) {
		case string:
			d.Value = short(v)
		case float64:
			if v-v != 0 { // not finite: JSON has no such number
				d.Value = strconv.FormatFloat(v, 'g', -1, 64)
			}
		}
		m.Errors = append(m.Errors, d)
	}
	// Parameters come in no order.
	slices.SortStableFunc(m.Errors, func(a, b *huma.ErrorDetail) int { return strings.Compare(a.Location, b.Location) })
	m.Errors = m.Errors[:min(len(m.Errors), most)]
	var all []string
	for _, d := range m.Errors {
		all = append(all, d.Location+": "+d.Message)
	}
	if len(all) > 0 {
		m.Detail = strings.Join(all, "; ")
	}
	return m
}

func init() { huma.NewErrorWithContext = invalid }

// unknownParameter is what huma says of a query parameter that an operation does not have.
const unknownParameter = "unknown query parameter"

func knownParameters(op *huma.Operation) string {
	var names []string
	for _, p := range op.Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return "this takes none"
	}
	return "this takes " + strings.Join(names, ", ")
}

// short is what a client sent, as messages repeat it: printable, and no longer than it takes
// to recognize it.
func short(s string) string {
	const most = 48
	n := 0
	for at := range s {
		if n++; n > most {
			return oneLine(s[:at]) + "…"
		}
	}
	return oneLine(s)
}

// oneLine keeps what a file or a client says from breaking the lines of a log or changing
// how they are read.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !isShown(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

// isShown says whether a character is one that is seen where it stands: no control, and none
// that reverses the direction of the text around it. Joiners are part of words in some scripts.
func isShown(r rune) bool {
	const nonJoiner, joiner = 0x200C, 0x200D
	return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) || r == nonJoiner || r == joiner
}

// checkName refuses a name that would not be shown as it is, or not at all.
func checkName(location, name string) error {
	if !utf8.ValidString(name) {
		return faultf(http.StatusUnprocessableEntity, location, "the name is not UTF-8")
	}
	for _, r := range name {
		if !isShown(r) {
			return faultf(http.StatusUnprocessableEntity, location, "the name has the character %U, which is not shown, or changes how others are; leave it out", r)
		}
	}
	if name != "" && !strings.ContainsFunc(name, unicode.IsPrint) || name != "" && strings.TrimSpace(name) == "" {
		return faultf(http.StatusUnprocessableEntity, location, "nothing of the name is seen: it has spaces alone")
	}
	return nil
}
