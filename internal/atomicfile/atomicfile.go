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
		return nil, fmt.Errorf("write %s: %w", path, plain(err))
	}
	return &File{File: f, path: path}, nil
}

// Path returns the destination.
func (f *File) Path() string { return f.path }

// Write is that of os.File, but for errors, which do not name the temporary file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, plain(err)
}

// WriteAt is that of os.File, but for errors, which do not name the temporary
// file.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, plain(err)
}

// plain drops the temporary file's name: that of the one that was asked for says
// more, and the callers know it.
func plain(err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}

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
		return fmt.Errorf("write %s: %w", f.path, plain(err))
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
