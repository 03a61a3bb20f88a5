//go:build !unix

package weights

import (
	"fmt"
	"io"
	"math"
	"os"

	"github.com/facodec-go/facodec/internal/plural"
)

var pageSize = os.Getpagesize()

// load reads the whole file. Mapping it would save the copy, but on Windows a
// mapped file cannot be replaced, which converting in place needs.
func load(f *os.File, size int64) (*content, error) {
	if size > math.MaxInt {
		return nil, fmt.Errorf("too large for this machine: %s", plural.Of(size, "byte"))
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	return &content{data: data}, nil
}

func unmap([]byte) error { return nil }

func discard([]byte) {}
