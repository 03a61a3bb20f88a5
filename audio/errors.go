package audio

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The faults of files. They come wrapped, with the file's name before them and
// the particulars behind; test for them with [errors.Is]. A missing file is
// [io/fs.ErrNotExist], a directory syscall.EISDIR, as everywhere in Go.
var (
	// ErrEmpty: the file has no bytes, or is sound but has no samples.
	ErrEmpty = errors.New("no audio")
	// ErrTruncated: the file ends before the samples that its header declares,
	// or within a sample or a block.
	ErrTruncated = errors.New("cut short")
	// ErrCorrupt: the file contradicts its format, its header or its checksums.
	ErrCorrupt = errors.New("corrupt")
	// ErrUnsupported: the file is sound as far as can be seen, but its encoding
	// is not one that this package reads.
	ErrUnsupported = errors.New("not supported")
	// ErrNotFinite: a sample is NaN or infinite, in a file or handed to a Writer.
	ErrNotFinite = errors.New("not a finite number")
	// ErrRate: a sample rate outside MinRate to MaxRate.
	ErrRate = errors.New("sample rate out of range")
	// ErrChanged: the file was replaced or written to while it was read.
	ErrChanged = errors.New("changed while it was read")
	// ErrNoFFmpeg: the file is of a kind that ffmpeg decodes, which is not installed.
	ErrNoFFmpeg = errors.New("ffmpeg is not installed")
	// ErrEncoder: ffmpeg could not encode a file; the message has its reason.
	ErrEncoder = errors.New("ffmpeg cannot encode it")
	// ErrFFmpeg: ffmpeg could not decode the file; the message has its reason.
	ErrFFmpeg = errors.New("ffmpeg cannot decode it")
)

// faultf returns a fault with its particulars: "cut short: 12 of 400 samples missing".
func faultf(fault error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", fault, fmt.Sprintf(format, args...))
}

// readError names the file that an error is about.
func readError(name string, err error) error {
	return fmt.Errorf("read %s: %w", printable(name), err)
}

// printable keeps an error on one line whatever the file is called.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// checkRate returns an error for a rate that is not served.
func checkRate(rate int) error {
	if rate < MinRate || rate > MaxRate {
		return faultf(ErrRate, "%d Hz; rates from %d to %d Hz are supported", rate, MinRate, MaxRate)
	}
	return nil
}
