package facodec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/facodec-go/facodec/audio"
)

// Errors of compressed files, .fac, beside ErrTokens for those of another codec.
var (
	// ErrNotFac: the file is something else.
	ErrNotFac = errors.New("not a .fac file")
	// ErrFacVersion: a version of the format, or an option of it, that came later.
	ErrFacVersion = errors.New("a .fac file of a later version")
	// ErrFacTruncated: the file ends before its trailer does.
	ErrFacTruncated = errors.New("cut short")
	// ErrFacCorrupt: the file contradicts its checksums, or itself.
	ErrFacCorrupt = errors.New("corrupt")
)

// FacVersion is the version of the format that is written and read; see
// docs/fac.md, which defines it.
const FacVersion = 1

// The sizes of the format in bytes, and its limits. The limits keep what a
// damaged header can claim small.
const (
	facMagic       = "\x89FAC\r\n\x1a\n" // as PNG's: shows a transfer that was not binary
	facHeaderSize  = 68
	facBlockFrames = 64 // in the blocks that are written, but for the last
	facMostFrames  = 1024
	facMostBooks   = 32 // of each part
	facMostEntries = 1 << 16
	facMostTimbre  = 1 << 16
	facMostHop     = 1 << 16

	facEntropyCoded = 1 // of the flags
)

// facTable makes the checksums CRC-32C, for which processors have an instruction.
var facTable = crc32.MakeTable(crc32.Castagnoli)

// A FacHeader says what a compressed file holds and which codec it is for.
type FacHeader struct {
	SampleRate   int // Hz
	HopLength    int // samples in a frame
	CodebookSize int // entries, codes are 0 to CodebookSize-1

	Books [NumParts]int // that are stored of each part

	TimbreLen int // values of the timbre vector

	// EntropyCoded says that codes take as many bits as what came before lets one
	// guess at them, instead of as many as an entry has.
	EntropyCoded bool

	Quantizer Fingerprint // of the tensors that give codes their meaning
	Decoder   Fingerprint // of those that turn them and the timbre into sound
}

// FacHeader returns the header of compressed files of this codec that hold
// residualBooks of its residual books, the first ones. A number that the codec
// does not have is ErrTokens; a codec without its decoder, whose fingerprint is in
// the header, ErrNotLoaded.
func (c *Codec) FacHeader(residualBooks int) (FacHeader, error) {
	if err := c.need(networkDecoder); err != nil {
		return FacHeader{}, fmt.Errorf("for its fingerprint: %w", err)
	}
	books := c.Books()
	if residualBooks < 0 || residualBooks > books[Residual] {
		return FacHeader{}, fmt.Errorf("%d residual books, the codec has 0 to %d: %w", residualBooks, books[Residual], ErrTokens)
	}
	books[Residual] = residualBooks
	h := FacHeader{
		SampleRate: c.SampleRate(), HopLength: c.HopLength(), CodebookSize: c.CodebookSize(),
		Books: books, TimbreLen: c.LatentDim(),
	}
	h.Quantizer, h.Decoder = c.Fingerprints()
	return h, h.check()
}

// Fingerprints returns those of the codec: of the quantizer, which gives codes
// their meaning, and of the decoder, which may be trained on while codes stay what
// they are. Equal weights in other containers have equal fingerprints. That of a
// decoder that was not loaded means nothing.
func (c *Codec) Fingerprints() (quantizer, decoder Fingerprint) {
	q, d := c.model.Fingerprints()
	return Fingerprint(q), Fingerprint(d)
}

// CheckFac says whether the codec can decode a file: ErrTokens if its codes mean
// something else, or nothing, to this one. sameDecoder is false for a codec with
// the same quantizer and another decoder, a fine-tuned one say, from which the
// file sounds otherwise than it did to whom encoded it.
func (c *Codec) CheckFac(h FacHeader) (sameDecoder bool, err error) {
	own, err := c.FacHeader(min(h.Books[Residual], c.Books()[Residual]))
	if err != nil {
		return false, err
	}
	same := own
	same.Quantizer, same.Decoder, same.EntropyCoded = h.Quantizer, h.Decoder, h.EntropyCoded
	if same != h {
		return false, fmt.Errorf("for a codec of %s, and this one is of %s: %w", h.shape(), own.shape(), ErrTokens)
	}
	if own.Quantizer != h.Quantizer {
		return false, fmt.Errorf("encoded with another quantizer (fingerprint %s, this codec's is %s): %w",
			h.Quantizer, own.Quantizer, ErrTokens)
	}
	return own.Decoder == h.Decoder, nil
}

func (h FacHeader) shape() string {
	return fmt.Sprintf("%d Hz, hop %d, %d+%d+%d books of %d entries and a timbre of %d", h.SampleRate, h.HopLength,
		h.Books[Prosody], h.Books[Content], h.Books[Residual], h.CodebookSize, h.TimbreLen)
}

// AllBooks returns the number of books stored, of all parts.
func (h FacHeader) AllBooks() (n int) {
	for _, books := range h.Books {
		n += books
	}
	return n
}

// Bitrate returns the bits that a second of codes takes, 4800 for the six books of
// the standard configuration, before entropy coding; blocks add 1.25 % to it, and a
// file 4 KB.
func (h FacHeader) Bitrate() float64 {
	return float64(h.frameBits()) * float64(h.SampleRate) / float64(h.HopLength)
}

func (h FacHeader) codeBits() int { return bits.Len(uint(h.CodebookSize - 1)) }

func (h FacHeader) frameBits() int { return h.AllBooks() * h.codeBits() }

// blockBytes is the length of the codes of some frames.
func (h FacHeader) blockBytes(frames int) int { return (frames*h.frameBits() + 7) / 8 }

// codedBytes is the most that entropy coding makes of the codes of some frames: a
// bit costs at most twelve (see package entropy), and four bytes end a block.
func (h FacHeader) codedBytes(frames int) int { return frames*h.frameBits()*12/8 + 4 }

// check refuses what the format cannot hold.
func (h FacHeader) check() error {
	type field struct {
		what            string
		value, min, max int
	}
	fields := []field{
		{"sample rate", h.SampleRate, audio.MinRate, audio.MaxRate},
		{"hop", h.HopLength, 1, facMostHop},
		{"codebook size", h.CodebookSize, 2, facMostEntries},
		{"timbre length", h.TimbreLen, 1, facMostTimbre},
	}
	for part, books := range h.Books {
		fields = append(fields, field{Part(part).String() + " books", books, 0, facMostBooks})
	}
	fields = append(fields, field{"books", h.AllBooks(), 1, int(NumParts) * facMostBooks})
	for _, f := range fields {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("%s of %d, outside %d to %d", f.what, f.value, f.min, f.max)
		}
	}
	return nil
}

// bytes returns the header as it is stored, without its checksum.
func (h FacHeader) bytes() []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, facHeaderSize), facMagic...)
	b = le.AppendUint16(b, FacVersion)
	var flags uint16
	if h.EntropyCoded {
		flags |= facEntropyCoded
	}
	b = le.AppendUint16(b, flags)
	b = le.AppendUint32(b, uint32(h.SampleRate))
	b = le.AppendUint32(b, uint32(h.HopLength))
	b = le.AppendUint32(b, uint32(h.CodebookSize))
	for _, books := range h.Books {
		b = append(b, byte(books))
	}
	b = append(b, 0)
	b = le.AppendUint32(b, uint32(h.TimbreLen))
	b = append(b, h.Quantizer[:]...)
	return append(b, h.Decoder[:]...)
}

// parseFacHeader reads what bytes returned; the checksum has not been looked at.
func parseFacHeader(b []byte) (FacHeader, error) {
	le := binary.LittleEndian
	flags := le.Uint16(b[10:])
	if flags&^facEntropyCoded != 0 {
		return FacHeader{}, fmt.Errorf("flags %#x: %w", flags, ErrFacVersion)
	}
	u32 := func(at int) int { return int(min(le.Uint32(b[at:]), 1<<30)) } // past every limit, on 32-bit machines too
	h := FacHeader{
		SampleRate: u32(12), HopLength: u32(16), CodebookSize: u32(20),
		Books:     [NumParts]int{int(b[24]), int(b[25]), int(b[26])},
		TimbreLen: u32(28), EntropyCoded: flags&facEntropyCoded != 0,
		Quantizer: Fingerprint(b[32:48]), Decoder: Fingerprint(b[48:64]),
	}
	err := h.check()
	if err == nil && b[27] != 0 {
		err = fmt.Errorf("a reserved byte is %d", b[27])
	}
	if err != nil {
		return FacHeader{}, fmt.Errorf("%w: %w", ErrFacCorrupt, err)
	}
	return h, nil
}

// checkLength says whether an utterance of so many samples has so many frames.
func (h FacHeader) checkLength(frames, samples int64) error {
	hop := int64(h.HopLength)
	if samples < 1 || frames < 1 || samples <= (frames-1)*hop || samples > frames*hop {
		return fmt.Errorf("%d samples in %d frames of %d", samples, frames, hop)
	}
	return nil
}
