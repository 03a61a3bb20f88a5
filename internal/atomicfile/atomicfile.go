// Package atomicfile writes files that are either whole or not there: aside,
// synced, then renamed over the destination.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A File is written aside its destination until Commit. It must end in Commit
// or Discard; `defer f.Discard()` right after Create is the usual way, since
// Discard after Commit does nothing.
type File struct {
	*os.File
	path string
	done bool
}

// Create opens a new file beside path, in path's directory, which must exist.
func Create(path string) (*File, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
	case info.IsDir():
		return nil, fmt.Errorf("write %s: is a directory", path)
	case !info.Mode().IsRegular():
		// Renaming over a device or a pipe would replace it.
		return nil, fmt.Errorf("write %s: is not a regular file", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		// The name of the file that was asked for says more than that of the
		// temporary one.
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &File{File: f, path: path}, nil
}

// Path returns the destination.
func (f *File) Path() string { return f.path }

// Commit syncs the file and renames it to its destination, replacing what is
// there. After an error nothing is left behind and the destination is as it was.
func (f *File) Commit() error {
	if f.done {
		return fmt.Errorf("write %s: %w", f.path, os.ErrClosed)
	}
	// CreateTemp makes files private; what a user writes is readable as usual.
	err := f.Chmod(0o644)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	f.done = true
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	syncDir(filepath.Dir(f.path))
	return nil
}

// Discard closes and removes the unfinished file. After Commit it does nothing.
func (f *File) Discard() {
	if f.done {
		return
	}
	f.done = true
	f.Close()
	os.Remove(f.Name())
}

// syncDir makes a rename durable where the system can sync directories; where
// it cannot, the file itself is synced all the same.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}
