package fac

import (
	"fmt"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
)

// stored returns the books of codes that the header counts, sharing memory.
func (h Header) stored(codes facodec.Codes) (facodec.Codes, error) {
	for part, books := range h.Books {
		if n := len(codes[part]); n < books {
			return facodec.Codes{}, fmt.Errorf("%s of %v codes, the file has %d: %w", plural.Of(n, "book"), facodec.Part(part), books, facodec.ErrTokens)
		}
		codes[part] = codes[part][:books:books]
	}
	if err := model.Codes(codes).Check(h.Books, h.CodebookSize); err != nil {
		return facodec.Codes{}, fmt.Errorf("%w: %w", err, facodec.ErrTokens)
	}
	return codes, nil
}

// booksOf lists those of codes in the order in which they are stored.
func booksOf(codes facodec.Codes) [][]int32 { return model.Codes(codes).Books() }

// pack appends codes, frame by frame and book by book, each in codeBits bits: its
// lowest first, into the bytes from their lowest up, as DEFLATE does.
func (h Header) pack(b []byte, codes facodec.Codes) []byte {
	width := h.codeBits()
	books := booksOf(codes)
	var bits uint64 // not yet written
	var n int       // how many
	for t := range codes.Frames() {
		for _, book := range books {
			bits |= uint64(book[t]) << n
			for n += width; n >= 8; n -= 8 {
				b = append(b, byte(bits))
				bits >>= 8
			}
		}
	}
	if n > 0 {
		b = append(b, byte(bits))
	}
	return b
}

// newCodes returns codes of so many frames, all 0, and its books.
func (h Header) newCodes(frames int) (codes facodec.Codes, books [][]int32) {
	for part, n := range h.Books {
		for range n {
			codes[part] = append(codes[part], make([]int32, frames))
		}
	}
	return codes, booksOf(codes)
}

// unpack reads blockBytes(frames) bytes. Codes past the codebook, and bits that
// are left over and not zero, are ErrCorrupt.
func (h Header) unpack(b []byte, frames int) (facodec.Codes, error) {
	codes, books := h.newCodes(frames)
	width := h.codeBits()
	var bits uint64
	var n int
	for t := range frames {
		for i, book := range books {
			for ; n < width; n += 8 {
				bits |= uint64(b[0]) << n
				b = b[1:]
			}
			code := int32(bits & (1<<width - 1))
			bits >>= width
			n -= width
			if int(code) >= h.CodebookSize {
				return facodec.Codes{}, fmt.Errorf("%w: frame %d, book %d: code %d of a codebook of %d", ErrCorrupt, t, i, code, h.CodebookSize)
			}
			book[t] = code
		}
	}
	if bits != 0 {
		return facodec.Codes{}, fmt.Errorf("%w: bits after the last code", ErrCorrupt)
	}
	return codes, nil
}
