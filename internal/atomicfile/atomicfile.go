// Package atomicfile writes files that are either whole or not there: aside,
// synced, then renamed over the destination. What is written to a device or a pipe is
// kept aside too, and copied there once it is whole.
//
// A file aside is locked while its process lives, and what a process that was killed has
// left is removed by the next one that writes to the same folder.
package atomicfile

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// A File is written aside its destination until Commit. It must end in Commit
// or Discard; `defer f.Discard()` right after Create is the usual way, since
// Discard after Commit does nothing.
type File struct {
	*os.File
	path   string      // as it was named
	target string      // where it goes: not a link
	stream bool        // the target is a device or a pipe
	mode   fs.FileMode // of the file that is replaced; 0 for a new one
	done   bool
}

// Create opens a new file aside path, whose directory must exist. Links are followed: what
// they lead to is replaced or written to. The mode is that of the file that is replaced,
// and of a new one what the umask says.
func Create(path string) (*File, error) {
	target, info, err := resolve(path)
	if err != nil {
		return nil, fileerr.Write(path, err)
	}
	out := &File{path: path, target: target, stream: isStream(target, info)}
	dir := filepath.Dir(target)
	switch {
	case out.stream:
		dir = os.TempDir()
	case info == nil:
	case info.IsDir():
		return nil, fileerr.Write(path, syscall.EISDIR)
	default:
		out.mode = info.Mode().Perm()
	}
	if out.File, err = createAside(dir); err != nil {
		return nil, fileerr.Write(path, err)
	}
	return out, nil
}

// probeBytes are enough that a full disk shows, whatever the size of its blocks.
const probeBytes = 1 << 12

// Probe returns the error that writing to path would end with, as far as it can be told now:
// its folder is missing or read-only, the disk is full, a folder has its name (then the error
// is syscall.EISDIR). It is for whoever works long before there is something to write. Nothing
// is left in the folder; of a device or a pipe nothing can be told.
func Probe(path string) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if f.stream {
		return nil
	}
	_, err = f.Write(make([]byte, probeBytes))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fileerr.Write(path, err)
	}
	return nil
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

// Commit syncs the file and renames it to its destination, replacing what is there, or
// copies it to a device or a pipe. After an error nothing is left behind, and a file at the
// destination is as it was.
func (f *File) Commit() error { return f.commit(true) }

// CommitUnsynced is Commit without waiting for the disk. The file is whole whatever
// happens to the process; after a crash of the machine it may be damaged, which whoever
// reads it has to notice. It is for caches.
func (f *File) CommitUnsynced() error { return f.commit(false) }

func (f *File) commit(sync bool) error {
	if f.done {
		return fileerr.Write(f.path, os.ErrClosed)
	}
	f.done = true
	var err error
	if f.stream {
		err = f.copy()
		f.Close()
	} else {
		err = f.replace(sync)
	}
	if err != nil || f.stream {
		os.Remove(f.Name())
	}
	if err != nil {
		return fileerr.Write(f.path, err)
	}
	if !f.stream && sync {
		syncDir(filepath.Dir(f.target))
	}
	return nil
}

func (f *File) replace(sync bool) (err error) {
	if f.mode != 0 {
		err = f.Chmod(f.mode)
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if runtime.GOOS == "windows" { // what is open cannot be renamed there
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err == nil {
			err = os.Rename(f.Name(), f.target)
		}
		return err
	}
	// Elsewhere the lock, which ends with Close, stays until it has its name.
	if err == nil {
		err = os.Rename(f.Name(), f.target)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (f *File) copy() error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out, err := openStream(f.target)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, f.File)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
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
