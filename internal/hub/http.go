package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What the hub adds to its answers.
const (
	headerCommit = "X-Repo-Commit"
	headerETag   = "X-Linked-Etag" // of the file itself, where ETag is that of a redirect
	headerSize   = "X-Linked-Size"
	headerError  = "X-Error-Code"
)

// meta is what the hub says of a file before it is downloaded.
type meta struct {
	commit string
	etag   string // without quotes: the name of the blob
	hash   string // of the content, where the etag is one; "" for none
	size   int64  // -1: not said
}

// ask finds out what a file is without its content.
func (c *Client) ask(ctx context.Context, r Ref, o Options) (m meta, err error) {
	err = c.retry(ctx, o, func() (bool, error) {
		m, err = c.askOnce(ctx, r)
		return false, err
	})
	if err != nil {
		return meta{}, fmt.Errorf("%s: %w", r, err)
	}
	return m, nil
}

func (c *Client) askOnce(ctx context.Context, r Ref) (meta, error) {
	ctx, cancel := context.WithTimeout(ctx, c.stall())
	defer cancel()
	resp, err := c.send(ctx, http.MethodHead, r.url(c.Endpoint), 0)
	if err != nil {
		return meta{}, err
	}
	resp.Body.Close()
	etag := resp.Header.Get(headerETag)
	if etag == "" {
		etag = resp.Header.Get("ETag")
	}
	m := meta{commit: resp.Header.Get(headerCommit), size: -1}
	m.etag, m.hash = readETag(etag)
	if resp.StatusCode == http.StatusNotFound && resp.Header.Get(headerError) == "EntryNotFound" && isCommit(m.commit) {
		c.markMissing(r, m.commit)
	}
	if resp.StatusCode >= 400 {
		return meta{}, c.refusal(r, resp)
	}
	size := resp.Header.Get(headerSize)
	if size == "" && resp.StatusCode == http.StatusOK {
		size = resp.Header.Get("Content-Length")
	}
	if n, err := strconv.ParseInt(size, 10, 64); err == nil && n >= 0 {
		m.size = n
	}
	switch {
	case !isCommit(m.commit):
		return meta{}, fmt.Errorf("%w of %s: no commit in %s; this is no Hugging Face hub: check HF_ENDPOINT and the proxy", ErrServer, c.Endpoint, headerCommit)
	case !isBlobName(m.etag):
		return meta{}, fmt.Errorf("%w of %s: no usable ETag to know the file by; check HF_ENDPOINT and the proxy", ErrServer, c.Endpoint)
	}
	return m, nil
}

// readETag takes away what HTTP puts around an entity tag. One that is weak stands
// for content that means the same, not for these bytes: it names the blob, and is no
// hash even where it looks like one.
func readETag(header string) (name, hash string) {
	text, weak := strings.CutPrefix(header, "W/")
	name = strings.Trim(text, `"`)
	if !weak && hexForm.MatchString(name) {
		hash = name
	}
	return name, hash
}

const mostRedirects = 10

// send makes a request, from byte on where that is not 0, and follows redirects.
// Those of HEAD only on the same server: what the hub says of a file stands in
// its own answer, not in that of the storage it points to. The token goes only to
// the endpoint.
func (c *Client) send(ctx context.Context, method, address string, from int64) (*http.Response, error) {
	home, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	for range mostRedirects {
		req, err := http.NewRequestWithContext(ctx, method, address, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("User-Agent", "facodec")
		req.Header.Set("Accept-Encoding", "identity") // sizes and ranges are the file's
		if c.Token != "" && sameServer(req.URL, home) {
			req.Header.Set("Authorization", "Bearer "+c.Token)
		}
		if from > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		to, err := resp.Location()
		if resp.StatusCode < 300 || resp.StatusCode >= 400 || err != nil ||
			method == http.MethodHead && !sameServer(to, home) {
			return resp, nil
		}
		resp.Body.Close()
		switch {
		case to.Scheme != "https" && to.Scheme != "http":
			return nil, fmt.Errorf("%w: %s sends on to an address of %.20q, neither https nor http", ErrServer, req.URL.Host, to.Scheme)
		case to.Scheme == "http" && req.URL.Scheme == "https":
			return nil, fmt.Errorf("%w: %s sends on to %s, which is not encrypted", ErrServer, req.URL.Host, to.Host)
		}
		address = to.String()
	}
	return nil, fmt.Errorf("%w: more than %d redirects", ErrServer, mostRedirects)
}

func sameServer(a, b *url.URL) bool { return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) }

func (c *Client) stall() time.Duration {
	if c.Stall > 0 {
		return c.Stall
	}
	return time.Minute
}

func (c *Client) mostUnknown() int64 {
	if c.Unknown > 0 {
		return c.Unknown
	}
	return 8e9
}

// A statusError is a refusal that may be over soon.
type statusError struct {
	status string
	after  time.Duration // that the server asks to wait; 0: it does not say
}

func (e *statusError) Error() string { return "the server answers " + e.status }

// errShort: the connection ended before the file did.
var errShort = errors.New("the connection broke off")

// errStalled: the connection is there and nothing comes.
var errStalled = errors.New("nothing came for too long")

// transient says whether another attempt may go better.
func transient(err error) bool {
	var status *statusError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &status), errors.Is(err, errShort), errors.Is(err, errStalled), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	case errors.As(err, &dns):
		return dns.IsTemporary || dns.IsTimeout
	case errors.As(err, &certificate):
		return false
	}
	return unreachable(err)
}

// unreachable says whether the server did not answer, or not usefully.
func unreachable(err error) bool {
	var status *statusError
	var urlErr *url.Error
	var opErr *net.OpError
	return errors.As(err, &status) || errors.As(err, &urlErr) || errors.As(err, &opErr)
}

const (
	attempts    = 5 // in a row that bring nothing
	longestWait = 10 * time.Minute
)

// retry calls try until it succeeds, fails for good, or has failed too often
// without a step ahead.
func (c *Client) retry(ctx context.Context, o Options, try func() (ahead bool, err error)) error {
	for failed := 0; ; {
		ahead, err := try()
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		if err == nil || !transient(err) {
			return shorten(err)
		}
		failed++
		if ahead {
			failed = 1
		}
		wait := time.Second << (failed - 1)
		var status *statusError
		if errors.As(err, &status) {
			wait = max(wait, status.after)
		}
		if failed == attempts || wait > longestWait {
			return fmt.Errorf("%w; try again later", shorten(err))
		}
		o.notice("%v; trying again in %v", shorten(err), wait)
		if err := c.pause(ctx, wait); err != nil {
			return err
		}
	}
}

func (c *Client) pause(ctx context.Context, d time.Duration) error {
	if c.Pause != nil {
		return c.Pause(ctx, d)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// shorten leaves out the address that package http puts in front of an error:
// after a redirect it is a page long, and holds a signature that gives access.
func shorten(err error) error {
	var urlErr *url.Error
	if !errors.As(err, &urlErr) {
		return err
	}
	host := "the server"
	if u, parseErr := url.Parse(urlErr.URL); parseErr == nil {
		host = u.Host
	}
	return &reachError{host, urlErr}
}

// A reachError is a server that cannot be talked to.
type reachError struct {
	host string
	err  *url.Error
}

func (e *reachError) Error() string {
	var dns *net.DNSError
	switch {
	case errors.As(e.err, &dns) && dns.IsNotFound:
		return "cannot reach " + e.host + ": no such host; check the connection and HF_ENDPOINT"
	case e.err.Timeout():
		return "cannot reach " + e.host + ": no answer in time"
	}
	return fmt.Sprintf("cannot reach %s: %v", e.host, e.err.Err)
}

func (e *reachError) Unwrap() error { return e.err }
