package audio

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// Options say how OpenWith and NewReaderWith read. The zero value is what Open does.
type Options struct {
	// Rate is the rate in Hz that samples are converted to; 0 is the file's own.
	Rate int
	// KeepChannels delivers all channels, interleaved, instead of their mean.
	KeepChannels bool
	// Strict refuses a file that is odd, though all of its sound can be decoded: what
	// would be a notice (see Reader.Notices) is an error then.
	Strict bool
}

// OpenWith is Open with options. The context ends the wait for the writer of a named
// pipe, and reading from a pipe that has nothing to say: the error is then the
// context's.
func OpenWith(ctx context.Context, path string, o Options) (*Reader, error) {
	if err := checkTargetRate(path, o.Rate); err != nil {
		return nil, err
	}
	src, err := openSource(ctx, path)
	if err != nil {
		return nil, err // names the file already
	}
	return newReader(src, o)
}

// NewReaderWith is NewReader with options.
func NewReaderWith(stream io.Reader, name string, o Options) (*Reader, error) {
	if err := checkTargetRate(name, o.Rate); err != nil {
		return nil, err
	}
	return newReader(newSource(stream, name), o)
}

func checkTargetRate(name string, rate int) error {
	if rate != 0 {
		if err := checkRate(rate); err != nil {
			return readError(name, err)
		}
	}
	return nil
}

// maxNotices bounds what a file can make us remember of its oddities.
const maxNotices = 16

// notices are what is odd about a source and no fault: each said once.
type notices struct {
	strict bool
	list   []string
}

// odd takes an oddity: a notice, or the fault given where the reader is strict.
func (n *notices) odd(fault error, format string, args ...any) error {
	if n.strict {
		return faultf(fault, format, args...)
	}
	n.notice(format, args...)
	return nil
}

// notice takes an oddity that no reader refuses.
func (n *notices) notice(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); len(n.list) < maxNotices && !slices.Contains(n.list, s) {
		n.list = append(n.list, s)
	}
}
