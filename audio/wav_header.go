package audio

import (
	"encoding/binary"
	"io"
	"math"
)

// finish writes the header over the place that was kept for it.
func (w *Writer) finish() error {
	if w.stream {
		return w.finishStream()
	}
	if err := w.buf.Flush(); err != nil {
		return err
	}
	header := w.header()
	if w.bytes() > w.maxBytes {
		// The ds64 chunk of RF64 comes before all others. A place kept for it in
		// every file would be a chunk that simple readers stumble over; such a
		// file is a day long, and moving it is seconds.
		long := w.longHeader(header)
		if err := w.moveData(int64(len(header)), int64(len(long)-len(header))); err != nil {
			return err
		}
		header = long
	}
	_, err := w.file.WriteAt(header, 0)
	return err
}

func (w *Writer) bytes() int64 { return w.samples * int64(w.format.width()) }

// header returns everything before the samples.
func (w *Writer) header() []byte {
	le := binary.LittleEndian
	width := w.format.width()
	tag, fmtSize := wavPCM, 16
	if w.format == F32 {
		// Formats other than PCM have an extension, here empty, and a fact chunk.
		tag, fmtSize = wavFloat, 18
	}
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt ")
	b = le.AppendUint32(b, uint32(fmtSize))
	b = le.AppendUint16(b, uint16(tag))
	b = le.AppendUint16(b, 1) // channels
	b = le.AppendUint32(b, uint32(w.rate))
	b = le.AppendUint32(b, uint32(w.rate*width))
	b = le.AppendUint16(b, uint16(width))
	b = le.AppendUint16(b, uint16(8*width))
	if w.format == F32 {
		b = le.AppendUint16(b, 0)
		b = append(b, "fact"...)
		b = le.AppendUint32(b, 4)
		b = le.AppendUint32(b, size32(w.samples))
	}
	b = append(b, "data"...)
	b = le.AppendUint32(b, size32(w.bytes()))
	le.PutUint32(b[4:], size32(int64(len(b))-8+w.bytes()))
	return b
}

// longHeader makes a RIFF header RF64: the sizes move into a ds64 chunk, and
// 0xFFFFFFFF in their old places says so.
func (w *Writer) longHeader(header []byte) []byte {
	le := binary.LittleEndian
	const ds64Size = 28
	b := []byte("RF64\xFF\xFF\xFF\xFFWAVEds64")
	b = le.AppendUint32(b, ds64Size)
	b = le.AppendUint64(b, uint64(int64(len(header))+ds64Size+w.bytes())) // 8 for ds64's own head, -8 for RF64's
	b = le.AppendUint64(b, uint64(w.bytes()))
	b = le.AppendUint64(b, uint64(w.samples))
	b = le.AppendUint32(b, 0) // no table of other long chunks
	b = append(b, header[12:]...)
	le.PutUint32(b[len(b)-4:], math.MaxUint32)
	return b
}

// size32 is a size in a RIFF header; what does not fit is in the ds64 chunk.
func size32(n int64) uint32 { return uint32(min(n, math.MaxUint32)) }

// moveData moves the samples, which begin at offset, by a few bytes towards the
// end: from the last block to the first, so that nothing is overwritten unread.
func (w *Writer) moveData(offset, by int64) error {
	block := make([]byte, 1<<20)
	for end := offset + w.bytes(); end > offset; {
		n := min(int64(len(block)), end-offset)
		end -= n
		if _, err := w.file.ReadAt(block[:n], end); err != nil && err != io.EOF {
			return err
		}
		if _, err := w.file.WriteAt(block[:n], end+by); err != nil {
			return err
		}
	}
	return nil
}
