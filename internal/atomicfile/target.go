package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"github.com/facodec-go/facodec/internal/fifo"
)

// resolve follows links to where a path leads: info is nil where there is nothing.
func resolve(path string) (target string, info fs.FileInfo, err error) {
	target = path
	for range 40 { // as many as Linux follows
		if isDescriptor(target) {
			info, err = os.Stat(target)
			return target, info, err
		}
		info, err = os.Lstat(target)
		if errors.Is(err, fs.ErrNotExist) {
			return target, nil, nil // or its folder is missing, which opening it will say
		}
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return target, info, err
		}
		to, err := os.Readlink(target)
		if err != nil {
			return "", nil, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(target), to)
		}
		target = to
	}
	return "", nil, syscall.ELOOP
}

var descriptors = regexp.MustCompile(`^(/dev/(stdout|stderr|fd/[0-9]+)|/proc/(self|[0-9]+)/fd/[0-9]+)$`)

// isDescriptor says whether a path stands for something open, whose own path is of no
// interest: a file that a shell has opened is to be written to, not replaced.
func isDescriptor(path string) bool { return descriptors.MatchString(path) }

func isStream(target string, info fs.FileInfo) bool {
	return isDescriptor(target) || info != nil && !info.IsDir() && !info.Mode().IsRegular()
}

// IsStream says whether Create would write to a device, a pipe or a file that is open,
// of which nothing can be kept from an earlier run.
func IsStream(path string) bool {
	target, info, err := resolve(path)
	return err == nil && isStream(target, info)
}

// readerWait is how long a named pipe's reader may take to come.
var readerWait = 10 * time.Second

// openStream opens a device or a pipe to write to.
func openStream(target string) (io.WriteCloser, error) {
	switch target {
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return unclosed{os.Stdout}, nil
	case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2":
		return unclosed{os.Stderr}, nil
	}
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.OpenFile(target, os.O_WRONLY|fifo.NonBlock, 0)
		if runtime.GOOS == "windows" || !errors.Is(err, syscall.ENXIO) {
			return f, err
		}
		if time.Since(start) > readerWait {
			return nil, errors.New("nobody reads from this pipe")
		}
	}
}

// unclosed is a file that is not ours to close.
type unclosed struct{ *os.File }

func (unclosed) Close() error { return nil }
