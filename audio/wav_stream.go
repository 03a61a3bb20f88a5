package audio

import (
	"io"
	"math"

	"github.com/facodec-go/facodec/internal/plural"
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
	o := WriteOptions{Rate: rate, Channels: 1, FileRate: rate, Format: format}
	if err := checkFormat(rate, format); err != nil {
		return nil, writeError(name, err)
	}
	return newStreamWriter(stream, name, "wav", o, samples)
}

// NewWriterWith is NewWriter with options and for FLAC too: the extension of name sets
// the format. samples is how many Write will take of each channel, at Rate. FLAC of a length that nobody
// knows says so in its header, as it should.
func NewWriterWith(stream io.Writer, name string, o WriteOptions, samples int64) (*Writer, error) {
	kind, err := o.complete(name)
	if err == nil && kind != "wav" && kind != "flac" {
		err = faultf(ErrUnsupported, "%s is not written to a stream; .wav and .flac are", kind)
	}
	if err != nil {
		return nil, writeError(name, err)
	}
	return newStreamWriter(stream, name, kind, o, samples)
}

func newStreamWriter(stream io.Writer, name, kind string, o WriteOptions, samples int64) (*Writer, error) {
	out := streamFile{stream}
	w := &Writer{name: name, channels: o.Channels, file: out}
	promised := int64(-1) // frames of the file
	if samples >= 0 {
		promised = ResampledLen(samples, o.Rate, o.FileRate)
	}
	var err error
	if o.FileRate != o.Rate {
		if w.resample, err = newChannelResampler(o.Channels, o.Rate, o.FileRate); err != nil {
			return nil, writeError(name, err)
		}
	}
	if kind == "flac" {
		if w.enc, err = newFLACStream(out, o, promised); err != nil {
			return nil, writeError(name, err)
		}
		return w, nil
	}
	w.enc = newWAVStream(out, o, promised)
	return w, nil
}

// newWAVStream begins a WAV whose header cannot be gone back to.
func newWAVStream(out streamFile, o WriteOptions, promised int64) *wavEncoder {
	e := newWAVEncoder(out, o)
	e.buf.Reset(out) // no place for a header is needed
	e.stream, e.promised = true, promised
	e.buf.Write(e.streamHeader())
	return e
}

// streamHeader is the header of a stream.
func (e *wavEncoder) streamHeader() []byte {
	before := e.frames
	defer func() { e.frames = before }()
	if e.promised < 0 {
		e.frames = math.MaxUint32 // larger than any size, in bytes and in samples
		return e.header()
	}
	e.frames = e.promised
	header := e.header()
	if e.bytes() > e.maxBytes {
		header = e.longHeader(header)
	}
	return header
}

// StreamSize returns how many bytes a WAV of NewWriter or NewWriterWith will have in
// all, or -1 where its length was not given, and of FLAC.
func (w *Writer) StreamSize() int64 {
	e, ok := w.enc.(*wavEncoder)
	if !ok || !e.stream || e.promised < 0 {
		return -1
	}
	bytes := e.promised * int64(e.channels*e.format.width())
	return int64(len(e.streamHeader())) + bytes + bytes%2 + int64(len(e.comment))
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
		return faultf(ErrTruncated, "%s, and the header says %d", plural.Of(e.frames, "sample"), e.promised)
	}
	e.buf.Write(e.comment)
	return e.buf.Flush()
}

// streamFile is an outFile of which a Writer on a stream only writes to the end.
type streamFile struct{ io.Writer }

func (streamFile) ReadAt([]byte, int64) (int, error)  { return 0, io.ErrNoProgress }
func (streamFile) WriteAt([]byte, int64) (int, error) { return 0, io.ErrNoProgress }
func (streamFile) Commit() error                      { return nil }
func (streamFile) Discard()                           {}
