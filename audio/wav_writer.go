package audio

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/facodec-go/facodec/internal/atomicfile"
)

// SampleFormat is how a Writer stores samples.
type SampleFormat int

const (
	S16 SampleFormat = iota // 16-bit integers, rounded to nearest, without dither
	F32                     // 32-bit floats, exact
)

// String returns the name that ParseSampleFormat takes.
func (f SampleFormat) String() string {
	switch f {
	case S16:
		return "s16"
	case F32:
		return "f32"
	}
	return fmt.Sprintf("SampleFormat(%d)", int(f))
}

// ParseSampleFormat takes "s16" or "f32". Anything else is ErrUnsupported.
func ParseSampleFormat(s string) (SampleFormat, error) {
	for _, f := range []SampleFormat{S16, F32} {
		if s == f.String() {
			return f, nil
		}
	}
	return 0, faultf(ErrUnsupported, "sample format %q; s16 and f32 are", s)
}

// width returns the bytes of a sample.
func (f SampleFormat) width() int {
	if f == F32 {
		return 4
	}
	return 2
}

// outFile is what a Writer needs of its file; tests put failing ones in its place.
type outFile interface {
	io.Writer
	io.ReaderAt
	io.WriterAt
	Commit() error
	Discard()
}

// A Writer writes a mono WAV file aside its destination, where it appears, whole,
// at Commit. It serves one goroutine at a time.
type Writer struct {
	name     string
	rate     int
	format   SampleFormat
	file     outFile
	buf      *bufio.Writer
	samples  int64
	clipped  int64
	maxBytes int64 // of samples in a plain RIFF file; above it, RF64
	stream   bool  // not a file, but what NewWriter was given
	promised int64 // samples in a stream's header; -1: none
	err      error // the first error; it stays
}

// Create begins a mono WAV file of the given rate in Hz (ErrRate if it is not
// served). The directory must exist. The Writer must end in Commit or Discard;
// `defer w.Discard()` right after Create is the usual way.
func Create(path string, rate int, format SampleFormat) (*Writer, error) {
	if err := checkFormat(rate, format); err != nil {
		return nil, writeError(path, err)
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return nil, err // names the file
	}
	w := newWriter(f, path, rate, format)
	// A place for the header, which is known at the end.
	w.buf.Write(make([]byte, len(w.header())))
	return w, nil
}

func newWriter(f outFile, path string, rate int, format SampleFormat) *Writer {
	return &Writer{
		name:     path,
		rate:     rate,
		format:   format,
		file:     f,
		buf:      bufio.NewWriterSize(f, 64<<10),
		maxBytes: math.MaxUint32 - 1<<10,
	}
}

func writeError(name string, err error) error {
	return fmt.Errorf("write %s: %w", printable(name), err)
}

// Write appends samples, full scale ±1. With S16, what lies outside full scale is
// clipped and counted. A sample that is NaN or infinite is ErrNotFinite, and none
// of that call is written. After an error the file cannot be committed.
func (w *Writer) Write(samples []float32) error {
	if w.err != nil {
		return w.err
	}
	if i := indexNotFinite(samples); i >= 0 {
		return w.fail(faultf(ErrNotFinite, "sample %d is %v", w.samples+int64(i), samples[i]))
	}
	for len(samples) > 0 {
		n := min(len(samples), w.buf.Available()/w.format.width())
		if n == 0 {
			if err := w.buf.Flush(); err != nil {
				return w.fail(err)
			}
			continue
		}
		w.append(samples[:n])
		samples = samples[n:]
	}
	if w.stream {
		if err := w.buf.Flush(); err != nil {
			return w.fail(err)
		}
	}
	return nil
}

// append writes samples for which the buffer has room.
func (w *Writer) append(samples []float32) {
	b := w.buf.AvailableBuffer()
	for _, x := range samples {
		if w.format == F32 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
			continue
		}
		if x > 1 || x < -1 {
			w.clipped++
		}
		// +1 is one step above the largest 16-bit number: it gets that one, which
		// nobody calls clipping.
		s := min(max(math.RoundToEven(float64(x)*(1<<15)), math.MinInt16), math.MaxInt16)
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(s)))
	}
	w.buf.Write(b) // fits, so it cannot fail
	w.samples += int64(len(samples))
}

// fail keeps the first error, with the file's name.
func (w *Writer) fail(err error) error {
	w.err = writeError(w.name, err)
	return w.err
}

// Samples returns how many samples were written.
func (w *Writer) Samples() int64 { return w.samples }

// Clipped returns how many of them lay outside ±1 and were clipped (S16 only).
func (w *Writer) Clipped() int64 { return w.clipped }

// Commit completes the file and puts it in its place, replacing what is there. A
// file without samples is allowed. After an error, now or in Write, nothing is
// left behind and the destination is as it was. Files past 4 GiB become RF64.
func (w *Writer) Commit() error {
	if w.err == nil {
		if err := w.finish(); err != nil {
			w.fail(err)
		}
	}
	if w.err != nil {
		w.file.Discard()
		return w.err
	}
	err := w.file.Commit() // names the file
	w.err = writeError(w.name, os.ErrClosed)
	return err
}

// Discard drops the unfinished file. After Commit it does nothing.
func (w *Writer) Discard() {
	if w.err == nil {
		w.err = writeError(w.name, os.ErrClosed)
	}
	w.file.Discard()
}
