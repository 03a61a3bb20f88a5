// Package fileerr formats errors about files: each names the file once, by the path that
// the user gave, without the name of the system call.
package fileerr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Cause returns an error without the operation and the path that the system's
// functions put in front, for a message that has its own.
func Cause(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	if linkErr, ok := errors.AsType[*os.LinkError](err); ok {
		return linkErr.Err
	}
	return err
}

// In says that an error is of the file path.
func In(path string, err error) error { return fmt.Errorf("%s: %w", path, Cause(err)) }

// Read says that an error came from reading the file path.
func Read(path string, err error) error { return fmt.Errorf("read %s: %w", path, Cause(err)) }

// Write says that an error came from writing the file path.
func Write(path string, err error) error { return &writeError{path, Cause(err)} }

// IsWrite says whether an error is one of Write.
func IsWrite(err error) bool {
	_, ok := errors.AsType[*writeError](err)
	return ok
}

type writeError struct {
	path string
	err  error
}

func (e *writeError) Error() string { return "write " + e.path + ": " + e.err.Error() }

func (e *writeError) Unwrap() error { return e.err }
