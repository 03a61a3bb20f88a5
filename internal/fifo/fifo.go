// Package fifo opens and reads named pipes without waiting for ever: a context ends the
// wait for the other side.
package fifo

import (
	"context"
	"io"
	"io/fs"
	"os"
	"time"
)

// Open is os.Open, which waits for a writer where the path is a named pipe, until
// the context ends.
func Open(ctx context.Context, path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeNamedPipe == 0 || ctx.Done() == nil {
		return os.Open(path)
	}
	type result struct {
		f   *os.File
		err error
	}
	opened := make(chan result, 1)
	go func() {
		f, err := os.Open(path)
		opened <- result{f, err}
	}()
	select {
	case r := <-opened:
		return r.f, r.err
	case <-ctx.Done():
		// A writer that comes and goes at once ends the wait in the other goroutine.
		if w, err := os.OpenFile(path, os.O_WRONLY|NonBlock, 0); err == nil {
			w.Close()
		}
		go func() {
			if r := <-opened; r.err == nil {
				r.f.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// Reader returns a reader of a file that Open gave, whose waiting ends with the context,
// of which it has the error then. stop ends that.
func Reader(ctx context.Context, f *os.File) (r io.Reader, stop func() bool) {
	stop = context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
	return contextReader{ctx, f}, stop
}

// contextReader says of a read that the context ended, why.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && err != io.EOF && c.ctx.Err() != nil {
		err = c.ctx.Err()
	}
	return n, err
}
