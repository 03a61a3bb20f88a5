package facodec

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/facodec-go/facodec/internal/entropy"
)

// IsFacFile says whether a file is meant as a compressed one: it begins as those do,
// or is called .fac.
func IsFacFile(path string) bool { return meantAs(path, ".fac", facMagic) }

// A FacReader reads a compressed file as it comes. Its errors do not name the
// file; each says where in it the fault is. It serves one goroutine at a time.
type FacReader struct {
	r       *bufio.Reader
	header  FacHeader
	buf     []byte
	sum     uint32         // of all bytes so far but checksums
	model   *entropy.Model // nil before the first block that is entropy coded
	blocks  int64
	frames  int64
	samples int64
	timbre  []float32
	err     error // the first error, io.EOF included; it stays
}

// NewFacReader reads a header: ErrNotFac, ErrFacVersion, ErrFacTruncated or
// ErrFacCorrupt if it cannot, or what r returned. Memory stays small whatever the
// header claims.
func NewFacReader(r io.Reader) (*FacReader, error) {
	f := &FacReader{r: bufio.NewReader(r)}
	magic, err := f.r.Peek(len(facMagic))
	if string(magic) != facMagic[:len(magic)] {
		return nil, ErrNotFac
	}
	if err != nil {
		return nil, cut(err, "the header")
	}
	// Before the checksum: another version may have its header in another form.
	start, err := f.r.Peek(len(facMagic) + 2)
	if err != nil {
		return nil, cut(err, "the header")
	}
	if v := binary.LittleEndian.Uint16(start[len(facMagic):]); v != FacVersion {
		return nil, fmt.Errorf("%w: %d, this program reads %d", ErrFacVersion, v, FacVersion)
	}
	b, err := f.sealed(nil, facHeaderSize-4, "the header")
	if err != nil {
		return nil, err
	}
	if f.header, err = parseFacHeader(b); err != nil {
		return nil, err
	}
	return f, nil
}

// sealed reads n bytes and the checksum of them and all before; head are bytes
// before them that are read already.
func (f *FacReader) sealed(head []byte, n int, what string) ([]byte, error) {
	if cap(f.buf) < n+4 {
		f.buf = make([]byte, n+4)
	}
	b := f.buf[:n+4]
	if _, err := io.ReadFull(f.r, b); err != nil {
		return nil, cut(err, what)
	}
	f.sum = crc32.Update(crc32.Update(f.sum, facTable, head), facTable, b[:n])
	if f.sum != binary.LittleEndian.Uint32(b[n:]) {
		return nil, fmt.Errorf("%w: wrong checksum of %s", ErrFacCorrupt, what)
	}
	return b[:n], nil
}

// cut makes an early end the error that it is.
func cut(err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: ends in %s", ErrFacTruncated, what)
	}
	return err
}

// Header returns what the file holds.
func (f *FacReader) Header() FacHeader { return f.header }

// Next returns the next frames: those of a block, at most 1024. It is io.EOF once
// the trailer has been read too and the file is known to be whole and sound; then
// Timbre and Samples are known.
func (f *FacReader) Next() (Codes, error) {
	if f.err != nil {
		return Codes{}, f.err
	}
	codes, err := f.next()
	f.err = err
	return codes, err
}

func (f *FacReader) next() (Codes, error) {
	var head [2]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return Codes{}, cut(err, fmt.Sprintf("the head of block %d", f.blocks))
	}
	frames := int(binary.LittleEndian.Uint16(head[:]))
	if frames == 0 {
		return Codes{}, f.trailer(head[:])
	}
	what := fmt.Sprintf("block %d", f.blocks)
	if frames > facMostFrames {
		return Codes{}, fmt.Errorf("%w: %d frames in %s, at most %d are", ErrFacCorrupt, frames, what, facMostFrames)
	}
	codes, err := f.block(head[:], frames, what)
	if err != nil {
		return Codes{}, err
	}
	f.blocks++
	f.frames += int64(frames)
	return codes, nil
}

// block reads the codes of so many frames, which stand behind head.
func (f *FacReader) block(head []byte, frames int, what string) (Codes, error) {
	size := f.header.blockBytes(frames)
	if f.header.EntropyCoded {
		n, length, err := f.length(what)
		if err != nil {
			return Codes{}, err
		}
		if most := f.header.codedBytes(frames); n > most {
			return Codes{}, fmt.Errorf("%w: %d bytes in %s, at most %d are", ErrFacCorrupt, n, what, most)
		}
		head, size = append(head, length...), n
	}
	b, err := f.sealed(head, size, what)
	if err != nil {
		return Codes{}, err
	}
	var codes Codes
	if f.header.EntropyCoded {
		codes, err = f.decode(b, frames)
	} else {
		codes, err = f.header.unpack(b, frames)
	}
	if err != nil {
		return Codes{}, fmt.Errorf("%s: %w", what, err)
	}
	return codes, nil
}

// length reads how long the codes of a block are, and returns its bytes too.
func (f *FacReader) length(what string) (n int, bytes []byte, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := f.r.ReadByte()
		if err != nil {
			return 0, nil, cut(err, what)
		}
		n |= int(b&0x7f) << shift
		bytes = append(bytes, b)
		switch {
		case b >= 0x80: // more follows
		case b == 0 && shift > 0:
			return 0, nil, fmt.Errorf("%w: the length of %s is longer than it needs to be", ErrFacCorrupt, what)
		default:
			return n, bytes, nil
		}
	}
	return 0, nil, fmt.Errorf("%w: the length of %s has no end", ErrFacCorrupt, what)
}

// decode reads entropy coded codes.
func (f *FacReader) decode(b []byte, frames int) (Codes, error) {
	if f.model == nil {
		f.model = entropy.NewModel(f.header.AllBooks(), f.header.CodebookSize)
	}
	codes, books := f.header.empty(frames)
	if err := f.model.Read(b, books); err != nil {
		return Codes{}, fmt.Errorf("%w: %w", ErrFacCorrupt, err)
	}
	return codes, nil
}

// trailer returns io.EOF if all is well.
func (f *FacReader) trailer(head []byte) error {
	b, err := f.sealed(head, 8+4*f.header.TimbreLen, "the trailer")
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	f.samples = int64(le.Uint64(b))
	if err := f.header.checkLength(f.frames, f.samples); err != nil {
		return fmt.Errorf("%w: %w", ErrFacCorrupt, err)
	}
	timbre := make([]float32, f.header.TimbreLen)
	for i := range timbre {
		timbre[i] = math.Float32frombits(le.Uint32(b[8+4*i:]))
	}
	if err := checkTimbre(timbre, len(timbre)); err != nil {
		return fmt.Errorf("%w: %w", ErrFacCorrupt, err)
	}
	switch _, err := f.r.ReadByte(); err {
	case nil:
		return fmt.Errorf("%w: bytes after the trailer", ErrFacCorrupt)
	case io.EOF:
		f.timbre = timbre
	default:
		return err
	}
	return io.EOF
}

// Frames returns how many frames were read so far.
func (f *FacReader) Frames() int64 { return f.frames }

// Timbre returns the utterance's timbre, TimbreLen values; nil before Next has
// returned io.EOF.
func (f *FacReader) Timbre() []float32 { return f.timbre }

// Samples returns the utterance's length; 0 before Next has returned io.EOF.
func (f *FacReader) Samples() int64 {
	if f.timbre == nil {
		return 0
	}
	return f.samples
}

// ReadTokens reads a compressed file whole. No codec is needed for it; whether one
// can decode the tokens, CheckFac tells. Errors are those of NewFacReader and Next.
func ReadTokens(r io.Reader) (*Tokens, FacHeader, error) {
	f, err := NewFacReader(r)
	if err != nil {
		return nil, FacHeader{}, err
	}
	t := &Tokens{}
	for {
		codes, err := f.Next()
		if err == io.EOF {
			t.Timbre, t.Samples = f.Timbre(), int(f.Samples())
			return t, f.Header(), nil
		}
		if err != nil {
			return nil, FacHeader{}, err
		}
		t.Codes.Append(codes)
	}
}
