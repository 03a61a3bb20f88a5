package fac

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/entropy"
)

// A Writer writes a compressed file as its codes come: header, blocks, and in
// the end a trailer with what is known only then. What it writes does not depend
// on how the codes are cut into pieces. It serves one goroutine at a time.
type Writer struct {
	w       io.Writer
	header  Header
	buf     []byte         // what the next write to w begins with
	pending facodec.Codes  // less than a block
	model   *entropy.Model // nil for codes that are not entropy coded
	coded   []byte
	sum     uint32 // of all bytes so far but checksums
	frames  int64
	bytes   int64
	err     error // the first error; it stays
}

// NewWriter begins a compressed file. Nothing is written to w before the first
// block is full; then every block is one Write. A header that the format cannot
// hold is [facodec.ErrTokens].
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", facodec.ErrTokens, err)
	}
	f := &Writer{w: w, header: h, buf: h.bytes()}
	if h.EntropyCoded {
		f.model = entropy.NewModel(h.NumBooks(), h.CodebookSize)
	}
	f.appendChecksum(0)
	return f, nil
}

// appendChecksum appends the checksum to buf, of which the bytes before from have theirs.
func (f *Writer) appendChecksum(from int) {
	f.sum = crc32.Update(f.sum, crcTable, f.buf[from:])
	f.buf = binary.LittleEndian.AppendUint32(f.buf, f.sum)
}

func (f *Writer) flush() error {
	n, err := f.w.Write(f.buf)
	f.bytes += int64(n)
	f.buf, f.err = f.buf[:0], err
	return err
}

// Bytes returns how many bytes were written.
func (f *Writer) Bytes() int64 { return f.bytes }

// Write adds frames. Books of codes beyond those of the header are left out;
// missing ones, and codes out of range, are [facodec.ErrTokens].
func (f *Writer) Write(codes facodec.Codes) error {
	if f.err != nil {
		return f.err
	}
	if codes.Frames() == 0 {
		return nil
	}
	stored, err := f.header.stored(codes)
	if err != nil {
		return err
	}
	f.pending.Append(stored)
	frames, from := f.pending.Frames(), 0
	for ; frames-from >= blockFrames; from += blockFrames {
		if err := f.block(f.pending.Slice(from, from+blockFrames)); err != nil {
			return err
		}
	}
	if from > 0 {
		var rest facodec.Codes
		if from < frames {
			rest.Append(f.pending.Slice(from, frames)) // a copy: it does not hold on to the rest
		}
		f.pending = rest
	}
	return nil
}

// block writes up to blockFrames frames.
func (f *Writer) block(codes facodec.Codes) error {
	from := len(f.buf)
	f.buf = binary.LittleEndian.AppendUint16(f.buf, uint16(codes.Frames()))
	if f.model != nil {
		f.coded = f.model.Append(f.coded[:0], booksOf(codes))
		f.buf = append(binary.AppendUvarint(f.buf, uint64(len(f.coded))), f.coded...)
	} else {
		f.buf = f.header.pack(f.buf, codes)
	}
	f.appendChecksum(from)
	f.frames += int64(codes.Frames())
	return f.flush()
}

// Finish completes the file: the utterance's timbre, TimbreLen values, and its
// length in samples, which the last frame may reach past.
func (f *Writer) Finish(timbre []float32, samples int64) error {
	if f.err != nil {
		return f.err
	}
	if err := codec.CheckTimbre(timbre, f.header.TimbreLen); err != nil {
		return err
	}
	if err := f.header.checkLength(f.frames+int64(f.pending.Frames()), samples); err != nil {
		return fmt.Errorf("%w: %w", err, facodec.ErrTokens)
	}
	if f.pending.Frames() > 0 {
		if err := f.block(f.pending); err != nil {
			return err
		}
		f.pending = facodec.Codes{}
	}
	le := binary.LittleEndian
	f.buf = le.AppendUint16(f.buf, 0)
	f.buf = le.AppendUint64(f.buf, uint64(samples))
	for _, v := range timbre {
		f.buf = le.AppendUint32(f.buf, math.Float32bits(v))
	}
	f.appendChecksum(0)
	if err := f.flush(); err != nil {
		return err
	}
	f.err = fmt.Errorf("the file is complete: %w", io.ErrClosedPipe)
	return nil
}

// WriteTokens writes an utterance as a compressed file.
func WriteTokens(w io.Writer, h Header, t *facodec.Tokens) error {
	f, err := NewWriter(w, h)
	if err != nil {
		return err
	}
	if err := f.Write(t.Codes); err != nil {
		return err
	}
	return f.Finish(t.Timbre, int64(t.Samples))
}
