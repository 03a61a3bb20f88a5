package recording

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/facodec-go/facodec/audio"
)

// An Identity tells whether a file that is read more than once is still the same one.
type Identity struct {
	path string
	info fs.FileInfo // nil for what is no regular file, or not there
}

// IdentityOf returns a file's identity as it is now.
func IdentityOf(path string) Identity {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return Identity{path, nil}
	}
	return Identity{path, info}
}

// Check is audio.ErrChanged where another file has taken the place of this one, or it
// was written to.
func (i Identity) Check() error {
	if i.info == nil {
		return nil
	}
	now, err := os.Stat(i.path)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w: it is gone", i.path, audio.ErrChanged)
	case !os.SameFile(now, i.info):
		return fmt.Errorf("%s: %w: another file has taken its place", i.path, audio.ErrChanged)
	case now.Size() != i.info.Size() || !now.ModTime().Equal(i.info.ModTime()):
		return fmt.Errorf("%s: %w: it was written to", i.path, audio.ErrChanged)
	}
	return nil
}
