package fac

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/plural"
)

// Errors of compressed files, beside [facodec.ErrTokens] for those of another codec.
var (
	// ErrFormat: the file is something else.
	ErrFormat = errors.New("not a .fac file")
	// ErrVersion: a version of the format, or an option of it, that came later.
	ErrVersion = errors.New("a .fac file of a later version")
	// ErrTruncated: the file ends before its trailer does.
	ErrTruncated = errors.New("cut short")
	// ErrCorrupt: the file contradicts its checksums, or itself.
	ErrCorrupt = errors.New("corrupt")
)

// Version is the version of the format that is written and read; see
// docs/fac.md, which defines it.
const Version = 1

// The sizes of the format in bytes, and its limits. The limits keep what a
// damaged header can claim small.
const (
	magic       = "\x89FAC\r\n\x1a\n" // as PNG's: shows a transfer that was not binary
	headerSize  = 68
	blockFrames = 64 // in the blocks that are written, but for the last
	maxFrames   = 1024
	maxBooks    = 32 // of each part
	maxEntries  = 1 << 16
	maxTimbre   = 1 << 16
	maxHop      = 1 << 16

	flagEntropyCoded   = 1 << 0 // of the flags
	flagNaturalSpeech3 = 1 << 1 // the family; without it, FAcodec
	flagPrecision      = 1 << 2 // the byte behind the books is a precision, else 0
)

// precisions are those that a header can name, by their numbers in it; 0 is for none.
var precisions = []string{"", facodec.Exact, facodec.BF16, facodec.Int8}

// The places in a header of the books and, behind them, the precision.
const (
	booksAt     = 24
	precisionAt = booksAt + int(facodec.NumParts)
)

// crcTable makes the checksums CRC-32C, for which processors have an instruction.
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// A Header says what a compressed file holds and which codec it is for.
type Header struct {
	Family facodec.Family // of the codec

	SampleRate   int // Hz
	HopLength    int // samples in a frame
	CodebookSize int // entries, codes are 0 to CodebookSize-1

	Books     [facodec.NumParts]int // that are stored of each part
	TimbreLen int                   // values of the timbre vector

	// EntropyCoded says that codes are stored by an adaptive entropy coder, instead of
	// in as many bits each as the codebook needs.
	EntropyCoded bool

	// Precision is how codes and timbre were computed, where that is not [facodec.Fast]:
	// "" is for this one, for files of before there was a choice, and for codes of another
	// origin. Nothing depends on it, but by it one tells how a file was made.
	Precision string

	Quantizer facodec.Fingerprint // of the tensors that give codes their meaning
	Decoder   facodec.Fingerprint // of those that turn them and the timbre into sound
}

// HeaderFor returns the header of files that codec c encodes, with the first
// residualBooks of its residual books. A number that the codec does not have is
// [facodec.ErrTokens]; a codec without its decoder, whose fingerprint is in the
// header, [facodec.ErrNotLoaded].
func HeaderFor(c *facodec.Codec, residualBooks int) (Header, error) {
	quantizer, decoder, err := c.Fingerprints()
	if err != nil {
		return Header{}, err
	}
	books := c.Books()
	if residualBooks < 0 || residualBooks > books[facodec.Residual] {
		return Header{}, fmt.Errorf("%d residual books, the codec has 0 to %d: %w", residualBooks, books[facodec.Residual], facodec.ErrTokens)
	}
	books[facodec.Residual] = residualBooks
	family, _, err := c.Family().Split() // its versions differ by their fingerprints
	if err != nil {
		return Header{}, err
	}
	h := Header{
		Family: family, SampleRate: c.SampleRate(), HopLength: c.HopLength(), CodebookSize: c.CodebookSize(),
		Books: books, TimbreLen: c.TimbreLen(), Quantizer: quantizer, Decoder: decoder,
	}
	if p := c.Precision(); p != facodec.Fast {
		h.Precision = p
	}
	return h, h.check()
}

// Check says whether codec c can decode a file: [facodec.ErrTokens] if its codes mean
// something else, or nothing, to this one. sameDecoder is false for a codec with the
// same quantizer and another decoder, a fine-tuned one say, which decodes the file to
// other samples than the codec that encoded it.
func (h Header) Check(c *facodec.Codec) (sameDecoder bool, err error) {
	own, err := HeaderFor(c, min(h.Books[facodec.Residual], c.Books()[facodec.Residual]))
	if err != nil {
		return false, err
	}
	same := own
	same.Quantizer, same.Decoder, same.EntropyCoded, same.Precision = h.Quantizer, h.Decoder, h.EntropyCoded, h.Precision
	if same != h {
		of := ""
		if name := known.NameOf(h.Quantizer.String()); name != "" {
			of = name + ", "
		}
		return false, fmt.Errorf("for %sa codec of %s, and this one is of %s: %w", of, h.shape(), own.shape(), facodec.ErrTokens)
	}
	if own.Quantizer != h.Quantizer {
		return false, fmt.Errorf("encoded with another quantizer (fingerprint %s, this codec's is %s): %w",
			known.Label(h.Quantizer.String()), known.Label(own.Quantizer.String()), facodec.ErrTokens)
	}
	return own.Decoder == h.Decoder, nil
}

func (h Header) shape() string {
	books := strings.ReplaceAll(strings.Trim(fmt.Sprint(h.Books), "[]"), " ", "+") // 1+2+3
	return fmt.Sprintf("%d Hz, hop %d, %s books of %s and a timbre of %d (%s)", h.SampleRate, h.HopLength,
		books, plural.Of(h.CodebookSize, "entry"), h.TimbreLen, h.Family)
}

// NumBooks returns the number of books stored, of all parts.
func (h Header) NumBooks() (n int) {
	for _, books := range h.Books {
		n += books
	}
	return n
}

// Bitrate returns the bits that a second of codes takes, 4800 for the six books of
// the standard configuration, before entropy coding; blocks add 1.25 % to it, and a
// file 4 KB.
func (h Header) Bitrate() float64 {
	return float64(h.frameBits()) * float64(h.SampleRate) / float64(h.HopLength)
}

func (h Header) codeBits() int { return bits.Len(uint(h.CodebookSize - 1)) }

func (h Header) frameBits() int { return h.NumBooks() * h.codeBits() }

// blockBytes is the length of the codes of some frames.
func (h Header) blockBytes(frames int) int { return (frames*h.frameBits() + 7) / 8 }

// codedBytes is the most that entropy coding makes of the codes of some frames: a
// bit costs at most twelve (see package entropy), and four bytes end a block.
func (h Header) codedBytes(frames int) int { return frames*h.frameBits()*12/8 + 4 }

// check refuses what the format cannot hold.
func (h Header) check() error {
	type field struct {
		what            string
		value, min, max int
	}
	fields := []field{
		{"sample rate", h.SampleRate, audio.MinRate, audio.MaxRate},
		{"hop", h.HopLength, 1, maxHop},
		{"codebook size", h.CodebookSize, 2, maxEntries},
		{"timbre length", h.TimbreLen, 1, maxTimbre},
	}
	for part, books := range h.Books {
		fields = append(fields, field{facodec.Part(part).String() + " books", books, 0, maxBooks})
	}
	fields = append(fields, field{"books", h.NumBooks(), 1, int(facodec.NumParts) * maxBooks})
	for _, f := range fields {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("%s of %d, outside %d to %d", f.what, f.value, f.min, f.max)
		}
	}
	if !slices.Contains(precisions, h.Precision) {
		return fmt.Errorf("precision %q, which the format has no number for", h.Precision)
	}
	return nil
}

// bytes returns the header as it is stored, without its checksum.
func (h Header) bytes() []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, headerSize), magic...)
	b = le.AppendUint16(b, Version)
	var flags uint16
	if h.EntropyCoded {
		flags |= flagEntropyCoded
	}
	if h.Family == facodec.NaturalSpeech3 {
		flags |= flagNaturalSpeech3
	}
	if h.Precision != "" {
		flags |= flagPrecision
	}
	b = le.AppendUint16(b, flags)
	b = le.AppendUint32(b, uint32(h.SampleRate))
	b = le.AppendUint32(b, uint32(h.HopLength))
	b = le.AppendUint32(b, uint32(h.CodebookSize))
	for _, n := range h.Books {
		b = append(b, byte(n))
	}
	b = append(b, byte(slices.Index(precisions, h.Precision)))
	b = le.AppendUint32(b, uint32(h.TimbreLen))
	b = append(b, h.Quantizer[:]...)
	return append(b, h.Decoder[:]...)
}

// parseHeader reads what bytes returned; the checksum has not been looked at.
func parseHeader(b []byte) (Header, error) {
	le := binary.LittleEndian
	flags := le.Uint16(b[10:])
	if flags&^(flagEntropyCoded|flagNaturalSpeech3|flagPrecision) != 0 {
		return Header{}, fmt.Errorf("flags %#x: %w", flags, ErrVersion)
	}
	u32 := func(at int) int { return int(min(le.Uint32(b[at:]), 1<<30)) } // past every limit, on 32-bit machines too
	family := facodec.FAcodec
	if flags&flagNaturalSpeech3 != 0 {
		family = facodec.NaturalSpeech3
	}
	h := Header{
		Family:     family,
		SampleRate: u32(12), HopLength: u32(16), CodebookSize: u32(20),
		TimbreLen: u32(28), EntropyCoded: flags&flagEntropyCoded != 0,
		Quantizer: facodec.Fingerprint(b[32:48]), Decoder: facodec.Fingerprint(b[48:64]),
	}
	for part := range h.Books {
		h.Books[part] = int(b[booksAt+part])
	}
	err := h.check()
	number := int(b[precisionAt])
	switch named := flags&flagPrecision != 0; {
	case err != nil:
	case named && number >= len(precisions):
		return Header{}, fmt.Errorf("precision %d: %w", number, ErrVersion)
	case named != (number != 0):
		err = fmt.Errorf("flags %#x and precision %d", flags, number)
	default:
		h.Precision = precisions[number]
	}
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return h, nil
}

// checkLength says whether an utterance of so many samples has so many frames.
func (h Header) checkLength(frames, samples int64) error {
	hop := int64(h.HopLength)
	if samples < 1 || frames < 1 || samples <= (frames-1)*hop || samples > frames*hop {
		return fmt.Errorf("%s in %s of %d", plural.Of(samples, "sample"), plural.Of(frames, "frame"), hop)
	}
	return nil
}
