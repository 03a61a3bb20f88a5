package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/facodec-go/facodec/internal/plural"
)

// store brings the file that m tells of into the cache.
func (c *Client) store(ctx context.Context, r Ref, m meta, o Options) (File, error) {
	f := File{Path: c.snapshot(r, m.commit), Commit: m.commit, Size: m.size, Verified: m.hash != ""}
	blob := c.blob(r.Repo, m.etag)
	fail := func(err error) (File, error) { return File{}, fmt.Errorf("%s: %w", r, err) }
	if !whole(f.Path, m.size) {
		if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
			return fail(err)
		}
		c.tagCache()
		unlock, err := c.lock(ctx, r.Repo, m.etag, func() {
			o.notice("%s: another process downloads it; waiting", r)
		})
		if err != nil {
			return fail(err)
		}
		defer unlock()
		if !whole(blob, m.size) {
			if err := c.fetch(ctx, r, m, blob, o); err != nil {
				return fail(err)
			}
			f.Came = true
		}
		if err := c.link(blob, f.Path, f.Came); err != nil {
			return fail(err)
		}
	}
	// Last: what a revision is said to be at is there. A cache that cannot be
	// written to serves all the same.
	if err := c.writeRef(r, m.commit); err != nil && f.Came {
		return fail(err)
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		return fail(err)
	}
	f.Size = info.Size()
	return f, nil
}

// whole says whether a file is there and as long as it should be.
func whole(path string, size int64) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (size < 0 || info.Size() == size)
}

// fetch downloads a blob. What came before an error is kept for the next time,
// unless it is wrong.
func (c *Client) fetch(ctx context.Context, r Ref, m meta, blob string, o Options) error {
	p, err := openPartial(blob)
	if err != nil {
		return err
	}
	p.bound = c.mostUnknown()
	if m.size >= 0 && p.done > m.size || m.hash == "" {
		// Without a hash nobody would see that two halves do not belong together.
		if err := p.restart(); err != nil {
			return p.keep(err)
		}
	}
	r.Revision = m.commit // the branch may move on meanwhile
	err = c.retry(ctx, o, func() (bool, error) {
		before := p.done
		err := c.resume(ctx, r, m, p, o)
		return p.done > before, err
	})
	if err == nil {
		err = verify(p.file, m.hash, p.done)
	}
	if err == nil {
		err = full(p.file.Sync(), m.size-p.done)
	}
	switch {
	case errors.Is(err, ErrHash), errors.Is(err, ErrServer):
		return p.drop(err)
	case err != nil:
		return p.keep(err)
	}
	return p.commit()
}

// resume asks for what is missing and appends it.
func (c *Client) resume(ctx context.Context, r Ref, m meta, p *partial, o Options) error {
	if m.size == p.done {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(c.stall(), func() { cancel(errStalled) })
	defer stalled.Stop()
	err := c.receive(ctx, r, m, p, func() {
		stalled.Reset(c.stall())
		o.progress(r.File, p.done, m.size)
	})
	if err != nil && context.Cause(ctx) == errStalled {
		return errStalled
	}
	return err
}

func (c *Client) receive(ctx context.Context, r Ref, m meta, p *partial, came func()) error {
	resp, err := c.send(ctx, http.MethodGet, r.url(c.Endpoint), p.done)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	total := resp.ContentLength
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		var start int64
		if start, total = contentRange(resp.Header.Get("Content-Range")); start != p.done {
			return errors.Join(p.restart(), &statusError{status: "with another part than was asked for"})
		}
	case resp.StatusCode == http.StatusOK: // all of it, asked for or not
		if err := p.restart(); err != nil {
			return err
		}
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && p.done > 0:
		return errors.Join(p.restart(), &statusError{status: resp.Status})
	default:
		if home, err := url.Parse(c.Endpoint); err == nil && !sameServer(resp.Request.URL, home) {
			// The storage: a signed address that has expired, say. The hub gives another.
			return &statusError{resp.Status, retryAfter(resp.Header.Get("Retry-After"), time.Now())}
		}
		return c.refusal(r, resp)
	}
	if m.size >= 0 && total >= 0 && total != m.size {
		return fmt.Errorf("%w: %s came of a file that has %d; a proxy may be in the way: try again later", ErrServer, plural.Of(total, "byte"), m.size)
	}
	if total < 0 {
		total = m.size
	}
	came()
	return p.append(resp.Body, total, came)
}

// append writes what comes, of a file of total bytes, or of unknown length if
// that is negative: then no more than the bound.
func (p *partial) append(body io.Reader, total int64, came func()) error {
	buffer := make([]byte, 1<<18)
	for {
		n, err := body.Read(buffer)
		if total >= 0 && p.done+int64(n) > total {
			return fmt.Errorf("%w: more comes of a file than its %s", ErrServer, plural.Of(total, "byte"))
		}
		if total < 0 && p.done+int64(n) > p.bound {
			return fmt.Errorf("%w: more than %d bytes come of a file whose length the server does not say", ErrServer, p.bound)
		}
		if n > 0 {
			wrote, err := p.file.Write(buffer[:n])
			p.done += int64(wrote)
			if err != nil {
				return full(err, total-p.done)
			}
			came()
		}
		switch {
		case err == io.EOF && total >= 0 && p.done < total:
			return errShort
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", errShort, shorten(err))
		}
	}
}

// full tells of a disk that is full what would help.
func full(err error, missing int64) error {
	if !diskFull(err) {
		return err
	}
	need := "more space is needed"
	if missing > 0 {
		need = fmt.Sprintf("%.1f MB more are needed", float64(missing)/1e6)
	}
	return fmt.Errorf("the disk is full: %s; what has come is kept, or set HF_HUB_CACHE to a folder on another disk", need)
}

// contentRange reads "bytes 5-9/10"; the total is -1 where it is not said.
func contentRange(s string) (start, total int64) {
	span, size, _ := strings.Cut(strings.TrimPrefix(s, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		start = -1
	}
	if total, err = strconv.ParseInt(size, 10, 64); err != nil {
		total = -1
	}
	return start, total
}
