package audio

import (
	"io"
	"math"
)

// NewReaderAt is NewReader with the samples converted to rate, as OpenAt does.
func NewReaderAt(stream io.Reader, name string, rate int) (*Reader, error) {
	if err := checkRate(rate); err != nil {
		return nil, readError(name, err)
	}
	return NewReaderWith(stream, name, Options{Rate: rate})
}

// NewWriter begins a mono WAV file on a stream, which cannot be gone back on:
// samples is how many there will be, and Commit fails (ErrTruncated) after any
// other number. -1 stands for a length that nobody knows yet; the header then
// says 0xFFFFFFFF, which readers take for "up to the end". The header goes out
// with the first samples, and all samples of a Write with it. Nothing is closed;
// name is for the errors.
func NewWriter(stream io.Writer, name string, rate int, format SampleFormat, samples int64) (*Writer, error) {
	if err := checkFormat(rate, format); err != nil {
		return nil, writeError(name, err)
	}
	out := streamFile{stream}
	e := newWAVEncoder(out, WriteOptions{FileRate: rate, Channels: 1, Format: format})
	e.buf.Reset(out) // no place for a header is needed
	e.stream, e.promised = true, samples
	if samples < 0 {
		e.frames = math.MaxUint32 // larger than any size, in bytes and in samples
		e.buf.Write(e.header())
	} else {
		e.frames = samples
		header := e.header()
		if e.bytes() > e.maxBytes {
			header = e.longHeader(header)
		}
		e.buf.Write(header)
	}
	e.frames = 0
	return &Writer{name: name, channels: 1, file: out, enc: e}, nil
}

func checkFormat(rate int, format SampleFormat) error {
	if _, ok := sampleFormats[format]; !ok {
		return faultf(ErrUnsupported, "%v", format)
	}
	return checkRate(rate)
}

// finishStream sends what is left and keeps the header's promise.
func (e *wavEncoder) finishStream() error {
	if e.promised >= 0 && e.frames != e.promised {
		return faultf(ErrTruncated, "%d samples, and the header says %d", e.frames, e.promised)
	}
	return e.buf.Flush()
}

// streamFile is an outFile of which a Writer on a stream only writes to the end.
type streamFile struct{ io.Writer }

func (streamFile) ReadAt([]byte, int64) (int, error)  { return 0, io.ErrNoProgress }
func (streamFile) WriteAt([]byte, int64) (int, error) { return 0, io.ErrNoProgress }
func (streamFile) Commit() error                      { return nil }
func (streamFile) Discard()                           {}
