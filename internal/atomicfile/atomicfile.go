// Package atomicfile writes files that are either whole or not there: aside,
// synced, then renamed over the destination.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// A File is written aside its destination until Commit. It must end in Commit
// or Discard; `defer f.Discard()` right after Create is the usual way, since
// Discard after Commit does nothing.
type File struct {
	*os.File
	path string
	mode fs.FileMode // of the file that is replaced; 0 for a new one
	done bool
}

// Create opens a new file beside path, in path's directory, which must exist. Its mode
// is that of the file it replaces, and of a new one what the umask says.
func Create(path string) (*File, error) {
	mode := fs.FileMode(0)
	switch info, err := os.Stat(path); {
	case err != nil:
	case info.IsDir():
		return nil, fileerr.Write(path, errors.New("is a directory"))
	case !info.Mode().IsRegular():
		// Renaming over a device or a pipe would replace it.
		return nil, fileerr.Write(path, errors.New("is not a regular file"))
	default:
		mode = info.Mode().Perm()
	}
	f, err := createAside(path)
	if err != nil {
		return nil, fileerr.Write(path, err)
	}
	return &File{File: f, path: path, mode: mode}, nil
}

// createAside is os.CreateTemp but for the mode, which there is private whatever the
// umask says.
func createAside(path string) (*os.File, error) {
	for try := 0; ; try++ {
		name := fmt.Sprintf(".%s.tmp-%d", filepath.Base(path), rand.Uint64())
		f, err := os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) || try == 100 {
			return f, err
		}
	}
}

// Path returns the destination.
func (f *File) Path() string { return f.path }

// Write is that of os.File, but for errors, which do not name the temporary file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, fileerr.Cause(err)
}

// WriteAt is that of os.File, but for errors, which do not name the temporary
// file.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, fileerr.Cause(err)
}

// Commit syncs the file and renames it to its destination, replacing what is
// there. After an error nothing is left behind and the destination is as it was.
func (f *File) Commit() error {
	if f.done {
		return fileerr.Write(f.path, os.ErrClosed)
	}
	var err error
	if f.mode != 0 {
		err = f.Chmod(f.mode)
	}
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
		return fileerr.Write(f.path, err)
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
