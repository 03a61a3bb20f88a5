package fac

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/entropy"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/recording"
)

// IsFile says whether a file is meant as a compressed recording: it begins as those
// do, or its name ends in .fac.
func IsFile(path string) bool { return recording.IsKind(path, ".fac", magic) }

// A Reader reads a compressed file as it comes. Its errors do not name the
// file; each says where in it the fault is. It serves one goroutine at a time.
type Reader struct {
	r       *bufio.Reader
	header  Header
	buf     []byte
	sum     uint32         // of all bytes so far but checksums
	model   *entropy.Model // nil before the first block that is entropy coded
	blocks  int64
	frames  int64
	samples int64
	timbre  []float32
	err     error // the first error, io.EOF included; it stays
}

// NewReader reads a header: ErrFormat, ErrVersion, ErrTruncated or
// ErrCorrupt if it cannot, or what r returned. Memory stays small whatever the
// header claims.
func NewReader(r io.Reader) (*Reader, error) {
	f := &Reader{r: bufio.NewReader(r)}
	start, err := f.r.Peek(len(magic))
	if string(start) != magic[:len(start)] {
		if string(start[:min(4, len(start))]) == "PK\x03\x04" {
			return nil, fmt.Errorf("%w, but a zip archive, as .npz is: codes in arrays are decoded from files called .npz or .safetensors", ErrFormat)
		}
		return nil, ErrFormat
	}
	if err != nil {
		return nil, truncated(err, "the header")
	}
	// Before the checksum: another version may have its header in another form.
	if start, err = f.r.Peek(len(magic) + 2); err != nil {
		return nil, truncated(err, "the header")
	}
	if v := binary.LittleEndian.Uint16(start[len(magic):]); v != Version {
		return nil, fmt.Errorf("%w: %d, this program reads %d", ErrVersion, v, Version)
	}
	b, err := f.readChecked(nil, headerSize-4, "the header")
	if err != nil {
		return nil, err
	}
	if f.header, err = parseHeader(b); err != nil {
		return nil, err
	}
	return f, nil
}

// readChecked reads n bytes and the checksum of them and all before; head are bytes
// before them that are read already.
func (f *Reader) readChecked(head []byte, n int, what string) ([]byte, error) {
	if cap(f.buf) < n+4 {
		f.buf = make([]byte, n+4)
	}
	b := f.buf[:n+4]
	if _, err := io.ReadFull(f.r, b); err != nil {
		return nil, truncated(err, what)
	}
	f.sum = crc32.Update(crc32.Update(f.sum, crcTable, head), crcTable, b[:n])
	if f.sum != binary.LittleEndian.Uint32(b[n:]) {
		return nil, fmt.Errorf("%w: wrong checksum of %s", ErrCorrupt, what)
	}
	return b[:n], nil
}

// truncated turns an early end of the file into ErrTruncated.
func truncated(err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: ends in %s", ErrTruncated, what)
	}
	return err
}

// Header returns what the file holds.
func (f *Reader) Header() Header { return f.header }

// Next returns the next frames: those of a block, at most 1024. It is io.EOF once
// the trailer has been read too and the file is known to be whole and sound; then
// Timbre and Samples are known.
func (f *Reader) Next() (facodec.Codes, error) {
	if f.err != nil {
		return facodec.Codes{}, f.err
	}
	codes, err := f.next()
	f.err = err
	return codes, err
}

func (f *Reader) next() (facodec.Codes, error) {
	var head [2]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return facodec.Codes{}, truncated(err, fmt.Sprintf("the head of block %d", f.blocks))
	}
	frames := int(binary.LittleEndian.Uint16(head[:]))
	if frames == 0 {
		return facodec.Codes{}, f.trailer(head[:])
	}
	what := fmt.Sprintf("block %d", f.blocks)
	if frames > maxFrames {
		return facodec.Codes{}, fmt.Errorf("%w: %s in %s, at most %d are", ErrCorrupt, plural.Of(frames, "frame"), what, maxFrames)
	}
	codes, err := f.block(head[:], frames, what)
	if err != nil {
		return facodec.Codes{}, err
	}
	f.blocks++
	f.frames += int64(frames)
	return codes, nil
}

// block reads the codes of so many frames, which stand behind head.
func (f *Reader) block(head []byte, frames int, what string) (facodec.Codes, error) {
	size := f.header.blockBytes(frames)
	if f.header.EntropyCoded {
		n, length, err := f.length(what)
		if err != nil {
			return facodec.Codes{}, err
		}
		if most := f.header.codedBytes(frames); n > most {
			return facodec.Codes{}, fmt.Errorf("%w: %s in %s, at most %d are", ErrCorrupt, plural.Of(n, "byte"), what, most)
		}
		head, size = append(head, length...), n
	}
	b, err := f.readChecked(head, size, what)
	if err != nil {
		return facodec.Codes{}, err
	}
	var codes facodec.Codes
	if f.header.EntropyCoded {
		codes, err = f.decode(b, frames)
	} else {
		codes, err = f.header.unpack(b, frames)
	}
	if err != nil {
		return facodec.Codes{}, fmt.Errorf("%s: %w", what, err)
	}
	return codes, nil
}

// length reads how long the codes of a block are, and returns its bytes too.
func (f *Reader) length(what string) (n int, bytes []byte, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := f.r.ReadByte()
		if err != nil {
			return 0, nil, truncated(err, what)
		}
		n |= int(b&0x7f) << shift
		bytes = append(bytes, b)
		switch {
		case b >= 0x80: // more follows
		case b == 0 && shift > 0:
			return 0, nil, fmt.Errorf("%w: the length of %s is longer than it needs to be", ErrCorrupt, what)
		default:
			return n, bytes, nil
		}
	}
	return 0, nil, fmt.Errorf("%w: the length of %s has no end", ErrCorrupt, what)
}

// decode reads entropy coded codes.
func (f *Reader) decode(b []byte, frames int) (facodec.Codes, error) {
	if f.model == nil {
		f.model = entropy.NewModel(f.header.NumBooks(), f.header.CodebookSize)
	}
	codes, books := f.header.newCodes(frames)
	if err := f.model.Read(b, books); err != nil {
		return facodec.Codes{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return codes, nil
}

// trailer returns io.EOF if all is well.
func (f *Reader) trailer(head []byte) error {
	b, err := f.readChecked(head, 8+4*f.header.TimbreLen, "the trailer")
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	f.samples = int64(le.Uint64(b))
	if err := f.header.checkLength(f.frames, f.samples); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	timbre := make([]float32, f.header.TimbreLen)
	for i := range timbre {
		timbre[i] = math.Float32frombits(le.Uint32(b[8+4*i:]))
	}
	if err := codec.CheckTimbre(timbre, len(timbre)); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	switch _, err := f.r.ReadByte(); err {
	case nil:
		return fmt.Errorf("%w: bytes after the trailer", ErrCorrupt)
	case io.EOF:
		f.timbre = timbre
	default:
		return err
	}
	return io.EOF
}

// Frames returns how many frames were read so far.
func (f *Reader) Frames() int64 { return f.frames }

// Timbre returns the utterance's timbre, TimbreLen values; nil before Next has
// returned io.EOF.
func (f *Reader) Timbre() []float32 { return f.timbre }

// Samples returns the utterance's length; 0 before Next has returned io.EOF.
func (f *Reader) Samples() int64 {
	if f.timbre == nil {
		return 0
	}
	return f.samples
}

// ReadTokens reads a compressed file whole. No codec is needed for it; whether one
// can decode the tokens, Header.Check says. Errors are those of NewReader and Next.
func ReadTokens(r io.Reader) (*facodec.Tokens, Header, error) {
	f, err := NewReader(r)
	if err != nil {
		return nil, Header{}, err
	}
	t := &facodec.Tokens{}
	for {
		codes, err := f.Next()
		if err == io.EOF {
			t.Timbre, t.Samples = f.Timbre(), int(f.Samples())
			return t, f.Header(), nil
		}
		if err != nil {
			return nil, Header{}, err
		}
		t.Codes.Append(codes)
	}
}
