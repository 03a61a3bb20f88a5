package collection

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// errLongLine: a line that is no line of a manifest.
var errLongLine = errors.New("the line is too long")

// lines yields the lines of r from the first, without their ends, however they are
// written. A line of more than limit bytes is errLongLine, and the next follows; any
// other error is the reader's and the last. What is yielded is good until the next.
func lines(r io.Reader, limit int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		br := bufio.NewReaderSize(r, 64<<10)
		var line []byte
		long := false
		for {
			part, err := br.ReadSlice('\n')
			if long = long || len(line)+len(part) > limit; long {
				line = line[:0]
			} else {
				line = append(line, part...)
			}
			if err == bufio.ErrBufferFull {
				continue
			}
			if err != nil && err != io.EOF {
				yield(nil, err)
				return
			}
			switch {
			case long && !yield(nil, errLongLine):
				return
			case !long && (len(line) > 0 || err == nil) && !yield(bytes.TrimRight(line, "\r\n"), nil):
				return
			}
			if err == io.EOF {
				return
			}
			line, long = line[:0], false
		}
	}
}

// at names a line.
func at(n int) string { return fmt.Sprint("line ", n) }
