package audio

import (
	"encoding/binary"
	"io"
	"math"
)

// finish writes the header over the place that was kept for it.
func (e *wavEncoder) finish() error {
	if e.bytes()%2 == 1 {
		e.buf.WriteByte(0) // a chunk of odd size is followed by one that is none of it
	}
	if e.stream {
		return e.finishStream()
	}
	e.buf.Write(e.comment)
	if err := e.buf.Flush(); err != nil {
		return err
	}
	header := e.header()
	if e.bytes() > e.maxBytes {
		// The ds64 chunk of RF64 comes before all others. A place kept for it in
		// every file would be a chunk that simple readers stumble over; such a
		// file is a day long, and moving it is seconds.
		long := e.longHeader(header)
		if err := e.moveData(int64(len(header)), int64(len(long)-len(header))); err != nil {
			return err
		}
		header = long
	}
	_, err := e.file.WriteAt(header, 0)
	return err
}

func (e *wavEncoder) bytes() int64 { return e.frames * int64(e.channels*e.format.width()) }

// tail returns the bytes of the file from the samples on.
func (e *wavEncoder) tail() int64 { return e.bytes() + e.bytes()%2 + int64(len(e.comment)) }

// header returns everything before the samples.
func (e *wavEncoder) header() []byte {
	le := binary.LittleEndian
	width := e.format.width()
	tag, fmtSize := wavPCM, 16
	if e.format == F32 {
		// Formats other than PCM have an extension, here empty, and a fact chunk.
		tag, fmtSize = wavFloat, 18
	}
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt ")
	b = le.AppendUint32(b, uint32(fmtSize))
	b = le.AppendUint16(b, uint16(tag))
	b = le.AppendUint16(b, uint16(e.channels))
	b = le.AppendUint32(b, uint32(e.rate))
	b = le.AppendUint32(b, uint32(e.rate*width*e.channels))
	b = le.AppendUint16(b, uint16(width*e.channels))
	b = le.AppendUint16(b, uint16(8*width))
	if e.format == F32 {
		b = le.AppendUint16(b, 0)
		b = append(b, "fact"...)
		b = le.AppendUint32(b, 4)
		b = le.AppendUint32(b, size32(e.frames))
	}
	b = append(b, "data"...)
	b = le.AppendUint32(b, size32(e.bytes()))
	le.PutUint32(b[4:], size32(int64(len(b))-8+e.tail()))
	return b
}

// longHeader makes a RIFF header RF64: the sizes move into a ds64 chunk, and
// 0xFFFFFFFF in their old places says so.
func (e *wavEncoder) longHeader(header []byte) []byte {
	le := binary.LittleEndian
	const ds64Size = 28
	b := []byte("RF64\xFF\xFF\xFF\xFFWAVEds64")
	b = le.AppendUint32(b, ds64Size)
	b = le.AppendUint64(b, uint64(int64(len(header))+ds64Size+e.tail())) // 8 for ds64's own head, -8 for RF64's
	b = le.AppendUint64(b, uint64(e.bytes()))
	b = le.AppendUint64(b, uint64(e.frames))
	b = le.AppendUint32(b, 0) // no table of other long chunks
	b = append(b, header[12:]...)
	le.PutUint32(b[len(b)-4:], math.MaxUint32)
	return b
}

// size32 is a size in a RIFF header; what does not fit is in the ds64 chunk.
func size32(n int64) uint32 { return uint32(min(n, math.MaxUint32)) }

// moveData moves the samples, which begin at offset, by a few bytes towards the
// end: from the last block to the first, so that nothing is overwritten unread.
func (e *wavEncoder) moveData(offset, by int64) error {
	block := make([]byte, 1<<20)
	for end := offset + e.tail(); end > offset; {
		n := min(int64(len(block)), end-offset)
		end -= n
		if _, err := e.file.ReadAt(block[:n], end); err != nil && err != io.EOF {
			return err
		}
		if _, err := e.file.WriteAt(block[:n], end+by); err != nil {
			return err
		}
	}
	return nil
}
