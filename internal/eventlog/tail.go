package eventlog

import (
	"github.com/facodec-go/facodec/internal/fileerr"
)

// file is what a tail needs of its file; tests put failing ones in its place.
type file interface {
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// A tail is a file that grows at its end, by a whole piece or not at all.
type tail struct {
	name string
	file file
	end  int64 // bytes of whole pieces
	torn bool  // there may be more bytes than these
}

// append writes a piece. If it fails, the file is cut back to what it was.
func (t *tail) append(piece []byte) error {
	if t.torn {
		// The cut failed, and a shorter piece would leave the rest of the torn one.
		if err := t.file.Truncate(t.end); err != nil {
			return t.fail(err)
		}
		t.torn = false
	}
	if _, err := t.file.WriteAt(piece, t.end); err != nil {
		t.rollBack(t.end)
		return t.fail(err)
	}
	t.end += int64(len(piece))
	return nil
}

// rollBack drops what lies behind end.
func (t *tail) rollBack(end int64) {
	t.end = end
	t.torn = t.file.Truncate(end) != nil
}

func (t *tail) sync() error {
	if err := t.file.Sync(); err != nil {
		return t.fail(err)
	}
	return nil
}

func (t *tail) close() error {
	err := t.file.Sync()
	if closeErr := t.file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return t.fail(err)
	}
	return nil
}

func (t *tail) fail(err error) error { return fileerr.Write(t.name, err) }
