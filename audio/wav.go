package audio

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/facodec-go/facodec/internal/plural"
)

// wavHeader is what the chunks before the samples say.
type wavHeader struct {
	order    binary.ByteOrder
	format   wavFormat
	dataSize int64 // bytes of samples; -1: up to the end of the stream
	offset   int64 // bytes read up to the first sample
}

// isWAV recognizes the first 12 bytes of a WAV file: RIFF, big-endian RIFX, and
// the 64-bit forms RF64 (EBU Tech 3306) and BW64 (ITU-R BS.2088).
func isWAV(head []byte) bool {
	if len(head) < 12 || string(head[8:12]) != "WAVE" {
		return false
	}
	switch string(head[:4]) {
	case "RIFF", "RIFX", "RF64", "BW64":
		return true
	}
	return false
}

// unknownSize tells whether a 32-bit size in a RIFF header is what programs leave
// there when they write to a pipe and cannot come back: 0 (many), 0xFFFFFFFF
// (ffmpeg and others, sometimes less a header), 0x7FFFF000 rounded down to whole
// frames (sox), or 0x80000000 (arecord).
func unknownSize(size uint32) bool {
	return size == 0 || size >= 0xFFFFFF00 || size >= 0x7FFE0000 && size <= 0x80000000
}

// wavScanner walks the chunks of a WAV stream.
type wavScanner struct {
	src    *source
	order  binary.ByteOrder
	offset int64 // in the source, which may begin with a tag
}

// readWAVHeader reads up to the first sample.
func readWAVHeader(src *source) (*wavHeader, error) {
	s := &wavScanner{src: src, order: binary.LittleEndian}
	if src.seekable() {
		var err error
		if s.offset, err = src.offset(); err != nil {
			return nil, err
		}
	}
	start := s.offset
	var riff [12]byte
	if err := s.read(riff[:], "the RIFF header"); err != nil {
		return nil, err
	}
	if !isWAV(riff[:]) {
		return nil, faultf(ErrCorrupt, "this is no WAV")
	}
	if string(riff[:4]) == "RIFX" {
		s.order = binary.BigEndian
	}
	h := &wavHeader{order: s.order}
	var haveFormat bool
	long := int64(-1) // the data size of a ds64 chunk
	is64 := riff[1] != 'I'
	for {
		id, size, err := s.next()
		if err != nil {
			return nil, err
		}
		switch id {
		case "fmt ":
			if haveFormat {
				return nil, faultf(ErrCorrupt, "a second fmt chunk")
			}
			if size > 1<<16 {
				return nil, faultf(ErrCorrupt, "a fmt chunk of %s", plural.Of(size, "byte"))
			}
			body := make([]byte, size)
			if err := s.read(body, "the fmt chunk"); err != nil {
				return nil, err
			}
			if h.format, err = parseWAVFormat(body, s.order); err != nil {
				return nil, err
			}
			if h.format.wrongAlign {
				if err := src.odd(ErrCorrupt, "the WAV header says frames of %s for %d", plural.Of(s.order.Uint16(body[12:]), "byte"), h.format.blockAlign); err != nil {
					return nil, err
				}
			}
			haveFormat = true
		case "ds64":
			if size < 16 {
				return nil, faultf(ErrCorrupt, "a ds64 chunk of %s", plural.Of(size, "byte"))
			}
			var sizes [16]byte // of the file, of the data
			if err := s.read(sizes[:], "the ds64 chunk"); err != nil {
				return nil, err
			}
			if n := s.order.Uint64(sizes[8:]); n <= math.MaxInt64 {
				long = int64(n)
			}
			if err := s.skip(int64(size)-16, id); err != nil {
				return nil, err
			}
		case "data":
			if !haveFormat {
				return nil, faultf(ErrCorrupt, "no fmt chunk before the samples")
			}
			h.offset = s.offset
			sizes := wavSizes{data: size, riff: s.order.Uint32(riff[4:]), long: long, is64: is64, start: start}
			return h, h.setDataSize(sizes, src)
		default:
			if err := s.skip(int64(size), id); err != nil {
				return nil, err
			}
		}
		if size%2 == 1 {
			s.skipPad()
		}
	}
}

// wavSizes are what a header says of lengths, in bytes.
type wavSizes struct {
	data, riff uint32
	long       int64 // of the data, in a ds64 chunk; -1: there is none
	is64       bool  // RF64 or BW64
	start      int64 // of the WAV in the source
}

// setDataSize settles how long the samples are: as declared (in the chunk, or in a
// ds64 chunk, which is right wherever there is one in RF64), or to the end of the
// stream. A part of a frame at the end is passed over.
func (h *wavHeader) setDataSize(s wavSizes, src *source) error {
	align := int64(h.format.blockAlign)
	there := src.size - h.offset
	inFile := src.seekable()
	switch {
	case s.long > 0 && (s.data == math.MaxUint32 || s.is64):
		h.dataSize = s.long
		if s.data != math.MaxUint32 && int64(s.data) != s.long {
			if err := src.odd(ErrCorrupt, "the data chunk says %s, the ds64 chunk %d", plural.Of(s.data, "byte"), s.long); err != nil {
				return err
			}
		}
	case s.data == 0 && inFile && s.riff != 0 && abs(int64(s.riff)+8-(src.size-s.start)) <= 1:
		// Not a pipe's zero: the whole file is as long as declared.
		h.dataSize = 0
	case unknownSize(s.data) && (s.data == 0 || there < int64(s.data)):
		// A file that is really as long as such a size is taken at its word.
		h.dataSize = -1
		if inFile && there%align != 0 {
			return src.oddTail(there%align, align)
		}
		return nil
	default:
		h.dataSize = int64(s.data)
	}
	if part := h.dataSize % align; part != 0 {
		if err := src.odd(ErrCorrupt, "%s of samples, not whole frames of %s", plural.Of(h.dataSize, "byte"), plural.Of(align, "byte")); err != nil {
			return err
		}
		h.dataSize -= part
	}
	if inFile && h.dataSize > there {
		if h.dataSize-there >= align {
			return missingSamples(h.dataSize/align, there/align)
		}
		if err := src.oddTail(there%align, align); err != nil {
			return err
		}
		h.dataSize -= align
	}
	return nil
}

// oddTail takes a part of a frame behind the last whole one.
func (s *source) oddTail(have, want int64) error {
	return s.odd(ErrTruncated, "the last frame has %d of %s", have, plural.Of(want, "byte"))
}

func missingSamples(declared, have int64) error {
	return faultf(ErrTruncated, "%d of %d samples are missing", declared-have, declared)
}

func abs(x int64) int64 { return max(x, -x) }

// next reads the head of the next chunk.
func (s *wavScanner) next() (id string, size uint32, err error) {
	var head [8]byte
	if err := s.read(head[:], "the chunks before the samples"); err != nil {
		return "", 0, err
	}
	return string(head[:4]), s.order.Uint32(head[4:]), nil
}

func (s *wavScanner) read(dst []byte, what string) error {
	n, err := io.ReadFull(s.src.br, dst)
	s.offset += int64(n)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return faultf(ErrTruncated, "the file ends in %s", what)
	}
	return err
}

func (s *wavScanner) skip(n int64, id string) error {
	skipped, err := io.CopyN(io.Discard, s.src.br, n)
	s.offset += skipped
	if err == io.EOF {
		return faultf(ErrTruncated, "the file ends in its %q chunk, before any samples", id)
	}
	return err
}

// skipPad skips the byte that follows a chunk of odd size, if it is there: some
// programs leave it out. Then the next chunk's name stands in its place.
func (s *wavScanner) skipPad() {
	b, _ := s.src.br.Peek(5)
	if len(b) < 5 {
		return // the file ends; the next read says so
	}
	if !isChunkID(b[:4]) || isKnownChunk(string(b[1:5])) {
		s.src.br.Discard(1)
		s.offset++
	}
}

func isChunkID(id []byte) bool {
	for _, c := range id {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func isKnownChunk(id string) bool {
	switch id {
	case "fmt ", "data", "fact", "LIST", "JUNK", "bext", "cue ", "smpl", "PEAK", "id3 ":
		return true
	}
	return false
}
