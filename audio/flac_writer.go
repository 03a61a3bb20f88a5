package audio

import (
	"bufio"
	"io"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/plural"
)

// flacBlock is how many samples a frame has, but for the last.
const flacBlock = 4096

// flacEncoder writes FLAC with mewkiz/flac, whose files are some 10 % larger than those
// of the reference encoder, and hold the same.
type flacEncoder struct {
	out      flacSink
	file     *atomicfile.File // nil for a stream, which cannot be gone back on
	promised int64            // samples of each channel in a stream's header; -1: none
	written  int64
	enc      *flac.Encoder
	head     frame.Header
	bits     int
	pending  []*frame.Subframe // one for each channel, filled up to a block
}

// A flacSink is what a flacEncoder writes to, in small pieces.
type flacSink interface {
	io.Writer
	flush() error
}

func newFLACEncoder(f *atomicfile.File, o WriteOptions) (*flacEncoder, error) {
	e := &flacEncoder{out: &flacOut{file: f, buf: bufio.NewWriterSize(f, 64<<10)}, file: f, promised: -1}
	return e, e.begin(o)
}

// newFLACStream begins a FLAC whose header cannot be gone back to: it has the number of
// samples, if that is known, and no checksum of them all; every frame has its own.
func newFLACStream(out io.Writer, o WriteOptions, promised int64) (*flacEncoder, error) {
	e := &flacEncoder{out: flacStream{bufio.NewWriterSize(out, 64<<10)}, promised: promised}
	return e, e.begin(o)
}

// begin writes the header.
func (e *flacEncoder) begin(o WriteOptions) error {
	bits := 8 * o.Format.width()
	e.bits = bits
	e.head = frame.Header{
		HasFixedBlockSize: true,
		SampleRate:        uint32(o.FileRate),
		Channels:          frame.Channels(o.Channels - 1),
		BitsPerSample:     uint8(bits),
	}
	if o.Channels == 2 {
		e.head.Channels = frame.ChannelsMidSide
	}
	for range o.Channels {
		e.pending = append(e.pending, &frame.Subframe{Samples: make([]int32, 0, flacBlock)})
	}
	info := &meta.StreamInfo{BlockSizeMin: flacBlock, BlockSizeMax: flacBlock, SampleRate: uint32(o.FileRate),
		NChannels: uint8(o.Channels), BitsPerSample: uint8(bits)}
	if e.promised > 0 {
		info.NSamples = uint64(e.promised)
	}
	var err error
	var blocks []*meta.Block
	if o.Comment != "" {
		blocks = append(blocks, flacComment(o.Comment))
	}
	e.enc, err = flac.NewEncoder(e.out, info, blocks...)
	return err
}

func (e *flacEncoder) encode(samples []float32) (clipped int64, err error) {
	channels := len(e.pending)
	for i, x := range samples {
		s, over := integer(x, e.bits)
		if over {
			clipped++
		}
		sub := e.pending[i%channels]
		sub.Samples = append(sub.Samples, s)
		if len(sub.Samples) == flacBlock && i%channels == channels-1 {
			if err := e.writeFrame(); err != nil {
				return clipped, err
			}
		}
	}
	if e.file == nil {
		return clipped, e.out.flush()
	}
	return clipped, nil
}

func (e *flacEncoder) writeFrame() error {
	f := &frame.Frame{Header: e.head, Subframes: e.pending}
	f.BlockSize = uint16(len(e.pending[0].Samples))
	for _, sub := range e.pending {
		// What the encoder chose for the last block is no choice for this one.
		sub.SubHeader, sub.NSamples = frame.SubHeader{Pred: frame.PredVerbatim}, len(sub.Samples)
	}
	e.written += int64(f.BlockSize)
	err := e.enc.WriteFrame(f)
	for _, sub := range e.pending {
		sub.Samples = sub.Samples[:0]
	}
	return err
}

func (e *flacEncoder) finish() error {
	if len(e.pending[0].Samples) > 0 {
		if err := e.writeFrame(); err != nil {
			return err
		}
	}
	if err := e.enc.Close(); err != nil { // goes back to the header
		return err
	}
	if err := e.out.flush(); err != nil {
		return err
	}
	if e.file == nil {
		if e.promised >= 0 && e.written != e.promised {
			return faultf(ErrTruncated, "%s, and the header says %d", plural.Of(e.written, "sample"), e.promised)
		}
		return nil
	}
	// It writes the size of the last block as the smallest, which must be 16 at least
	// and does not count that one (RFC 9639, section 8.2).
	const sizes = "\x10\x00\x10\x00"
	_, err := e.file.WriteAt([]byte(sizes), 8)
	return err
}

func (e *flacEncoder) discard() {}

// flacOut is a file that the encoder writes in small pieces, seeks in, and does not
// close.
type flacOut struct {
	file *atomicfile.File
	buf  *bufio.Writer
}

func (o *flacOut) Write(p []byte) (int, error) { return o.buf.Write(p) }

func (o *flacOut) Seek(offset int64, whence int) (int64, error) {
	if err := o.buf.Flush(); err != nil {
		return 0, err
	}
	return o.file.Seek(offset, whence)
}

func (o *flacOut) flush() error { return o.buf.Flush() }

var _ io.WriteSeeker = (*flacOut)(nil)

// flacStream is a stream that the encoder writes in small pieces. It cannot seek, by which
// the encoder knows.
type flacStream struct{ buf *bufio.Writer }

func (s flacStream) Write(p []byte) (int, error) { return s.buf.Write(p) }

func (s flacStream) flush() error { return s.buf.Flush() }
