package hub

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/facodec-go/facodec/internal/lockfile"
)

// lock keeps other processes, the Python library's too, from downloading the
// same blob. waiting is called once if one does. It saves work and no more: where
// the file system knows no locks, or they do nothing, each downloads it for itself.
func (c *Client) lock(ctx context.Context, repo, etag string, waiting func()) (unlock func(), err error) {
	if c.noLocks {
		return func() {}, nil
	}
	path := filepath.Join(c.Cache, ".locks", filepath.Base(c.repoDir(repo)), etag+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o664)
	if err != nil {
		return nil, err
	}
	_ = f.Chmod(0o664) // as the Python library's: a cache may be shared by a group
	for first := true; ; first = false {
		taken, err := lockfile.TryLock(f)
		if taken || err != nil {
			return func() { f.Close() }, nil
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
