//go:build unix

package weights

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/facodec-go/facodec/internal/plural"
)

var pageSize = unix.Getpagesize()

// load maps a file of the given size, read-only.
func load(f *os.File, size int64) (*content, error) {
	if size > math.MaxInt {
		return nil, fmt.Errorf("too large for this machine: %s", plural.Of(size, "byte"))
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	return &content{data: data, mapping: data}, nil
}

func unmap(mapping []byte) error { return unix.Munmap(mapping) }

// discard is advice: where it fails, the pages merely stay a little longer.
func discard(pages []byte) { _ = unix.Madvise(pages, unix.MADV_DONTNEED) }
