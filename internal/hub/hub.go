// Package hub downloads files from the Hugging Face hub to the cache of its Python
// library, so that each finds what the other has downloaded:
//
//	models--ORG--NAME/
//	  blobs/<etag>                a file's content, by its hash
//	  blobs/<etag>.….incomplete   the part downloaded so far (see partial)
//	  refs/<revision>             the commit that a branch or a tag was last seen at
//	  snapshots/<commit>/<file>   a link to the blob
//	  .no_exist/<commit>/<file>   empty: the repository has no such file
//	.locks/models--ORG--NAME/<etag>.lock
//
// An interrupted download is resumed, and a file gets its name only after its hash was
// verified.
package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Errors, found with errors.Is in what a Client returns.
var (
	// ErrNoFile: the repository is there and has no such file.
	ErrNoFile = errors.New("no such file in the repository")
	// ErrOffline: the file is not in the cache, and the network is not to be used.
	ErrOffline = errors.New("not downloaded yet")
	// ErrHash: what came is not what the hub says it has.
	ErrHash = errors.New("wrong hash")
	// ErrServer: what the server answers makes no sense from a hub.
	ErrServer = errors.New("unexpected answer")
)

// A Client asks one server for files and keeps them in one cache. It is safe for
// concurrent use, by several processes too.
type Client struct {
	Endpoint string // without a slash at its end
	Cache    string
	Token    string // sent to the endpoint and to nobody else; may be ""
	Offline  bool
	NoLinks  bool // files lie in snapshots themselves

	// For tests; the zero values are for use.
	Transport http.RoundTripper
	Pause     func(context.Context, time.Duration) error // between attempts
	Stall     time.Duration                              // longest time without a byte, a minute
	Unknown   int64                                      // most bytes of a file whose length is not said, 8 GB
	noLocks   bool
}

// Options are what a user wants to know of a download.
type Options struct {
	// Progress, if not nil, is told how much of a file has come; total is -1 where
	// the server does not say.
	Progress func(file string, done, total int64)
	// Notice, if not nil, is told why nothing comes: a busy server, another
	// process that downloads the same.
	Notice func(text string)
}

func (o Options) progress(file string, done, total int64) {
	if o.Progress != nil {
		o.Progress(file, done, total)
	}
}

func (o Options) notice(format string, args ...any) {
	if o.Notice != nil {
		o.Notice(fmt.Sprintf(format, args...))
	}
}

// A File is a file in the cache.
type File struct {
	Path   string
	Commit string
	Size   int64
	// Came is false for a file that was in the cache already.
	Came bool
	// Verified is false if the server gave no hash to compare with.
	Verified bool
}

// Download returns a file of the newest commit of its revision, from the cache
// if it is there. Without a network the commit last seen will do.
func (c *Client) Download(ctx context.Context, r Ref, o Options) (File, error) {
	if err := r.check(); err != nil {
		return File{}, fmt.Errorf("%s: %w", r, err)
	}
	cached, inCache := c.Cached(r)
	if inCache && (c.Offline || isCommit(r.Revision)) {
		return cached, nil
	}
	if c.Offline {
		return File{}, fmt.Errorf("%s: %w, and HF_HUB_OFFLINE is set; unset it, or download it elsewhere and copy %s here",
			r, ErrOffline, c.repoDir(r.Repo))
	}
	m, err := c.ask(ctx, r, o)
	if err != nil {
		if inCache && unreachable(err) && ctx.Err() == nil {
			o.notice("%v; using what was downloaded before, commit %.12s", err, cached.Commit)
			return cached, nil
		}
		return File{}, err
	}
	return c.store(ctx, r, m, o)
}
