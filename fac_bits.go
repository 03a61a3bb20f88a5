package facodec

import (
	"fmt"
)

// stored returns the books of codes that the header counts, sharing memory.
func (h FacHeader) stored(codes Codes) (Codes, error) {
	frames := codes.Frames()
	var out Codes
	for _, part := range []struct {
		name  string
		from  [][]int32
		to    *[][]int32
		books int
	}{
		{"prosody", codes.Prosody, &out.Prosody, h.ProsodyBooks},
		{"content", codes.Content, &out.Content, h.ContentBooks},
		{"residual", codes.Residual, &out.Residual, h.ResidualBooks},
	} {
		if len(part.from) < part.books {
			return Codes{}, fmt.Errorf("%d books of %s codes, the file has %d: %w", len(part.from), part.name, part.books, ErrTokens)
		}
		*part.to = part.from[:part.books:part.books]
		for i, book := range *part.to {
			if len(book) != frames {
				return Codes{}, fmt.Errorf("%s book %d has %d frames, others %d: %w", part.name, i, len(book), frames, ErrTokens)
			}
			for t, code := range book {
				if code < 0 || int(code) >= h.CodebookSize {
					return Codes{}, fmt.Errorf("%s book %d, frame %d: code %d of a codebook of %d: %w",
						part.name, i, t, code, h.CodebookSize, ErrTokens)
				}
			}
		}
	}
	return out, nil
}

// books lists those of codes in the order in which they are stored.
func (c Codes) books() [][]int32 {
	all := make([][]int32, 0, len(c.Prosody)+len(c.Content)+len(c.Residual))
	return append(append(append(all, c.Prosody...), c.Content...), c.Residual...)
}

// pack appends codes, frame by frame and book by book, each in codeBits bits: its
// lowest first, into the bytes from their lowest up, as DEFLATE does.
func (h FacHeader) pack(b []byte, codes Codes) []byte {
	width := h.codeBits()
	books := codes.books()
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

// empty returns codes of so many frames, all 0, and its books.
func (h FacHeader) empty(frames int) (codes Codes, books [][]int32) {
	for _, part := range []struct {
		to    *[][]int32
		books int
	}{{&codes.Prosody, h.ProsodyBooks}, {&codes.Content, h.ContentBooks}, {&codes.Residual, h.ResidualBooks}} {
		for range part.books {
			*part.to = append(*part.to, make([]int32, frames))
		}
	}
	return codes, codes.books()
}

// unpack reads blockBytes(frames) bytes. Codes past the codebook, and bits that
// are left over and not zero, are ErrFacCorrupt.
func (h FacHeader) unpack(b []byte, frames int) (Codes, error) {
	codes, books := h.empty(frames)
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
				return Codes{}, fmt.Errorf("%w: frame %d, book %d: code %d of a codebook of %d", ErrFacCorrupt, t, i, code, h.CodebookSize)
			}
			book[t] = code
		}
	}
	if bits != 0 {
		return Codes{}, fmt.Errorf("%w: bits after the last code", ErrFacCorrupt)
	}
	return codes, nil
}
