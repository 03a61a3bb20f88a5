package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// A Part is one of the three streams of codes that an utterance is split into
// (NaturalSpeech 3, section 3.2). It indexes arrays with one element per part.
type Part int

// The parts, in the order in which they are stored, logged and named.
const (
	Prosody  Part = iota // rhythm, pitch and energy
	Content              // what is said
	Residual             // acoustic detail that the other two miss
	NumParts             // how many there are
)

var partNames = [NumParts]string{"prosody", "content", "residual"}

// String returns "prosody", "content" or "residual".
func (p Part) String() string {
	if p < 0 || p >= NumParts {
		return fmt.Sprintf("part %d", int(p))
	}
	return partNames[p]
}

// ParsePart returns the part of a name.
func ParsePart(name string) (Part, error) {
	if i := slices.Index(partNames[:], name); i >= 0 {
		return Part(i), nil
	}
	return 0, fmt.Errorf("%q is not one of prosody, content, residual", name)
}

// ConversionParts are the parts that voice conversion decodes: all but the residual,
// which carries some of the source's voice.
var ConversionParts = []Part{Prosody, Content}

// BookCounts are the numbers of codebooks of the parts, as reports in JSON have them.
type BookCounts struct {
	ProsodyBooks  int `json:"prosody_books"`
	ContentBooks  int `json:"content_books"`
	ResidualBooks int `json:"residual_books"`
}

// CountsOf returns the numbers of books of each part for a report.
func CountsOf(books [NumParts]int) BookCounts {
	return BookCounts{books[Prosody], books[Content], books[Residual]}
}

// DescribeBooks names the numbers of books: "1 prosody, 2 content, 3 residual".
func DescribeBooks(books [NumParts]int) string {
	var list []string
	for part, n := range books {
		list = append(list, fmt.Sprintf("%d %v", n, Part(part)))
	}
	return strings.Join(list, ", ")
}

// Codes are the codes of some frames, [book][T] for each part. A part that is
// left out has no books.
type Codes [NumParts][][]int32

// Frames returns the number of frames.
func (c Codes) Frames() int {
	for _, books := range c {
		if len(books) > 0 {
			return len(books[0])
		}
	}
	return 0
}

// Append adds the frames of d to c.
func (c *Codes) Append(d Codes) {
	for part, books := range d {
		for i, codes := range books {
			c.appendBook(part, i, codes)
		}
	}
}

// appendBook adds codes to a book of a part, the next one of it at most.
func (c *Codes) appendBook(part, book int, codes []int32) {
	if book == len(c[part]) {
		c[part] = append(c[part], nil)
	}
	c[part][book] = append(c[part][book], codes...)
}

// Clear removes all frames of c and keeps their memory.
func (c *Codes) Clear() {
	for _, books := range c {
		for i := range books {
			books[i] = books[i][:0]
		}
	}
}

// Slice returns frames from to to.
func (c Codes) Slice(from, to int) (cut Codes) {
	for part, books := range c {
		for _, codes := range books {
			cut[part] = append(cut[part], codes[from:to])
		}
	}
	return cut
}

// Only returns the codes of some parts.
func (c Codes) Only(parts ...Part) (some Codes) {
	for _, part := range parts {
		some[part] = c[part]
	}
	return some
}

// Books returns the codes of all books in one list, part after part.
func (c Codes) Books() [][]int32 { return slices.Concat(c[:]...) }

// BookNames returns what the books of Codes.Books are called: "prosody_1",
// "content_1" and so on. books has the number of each part's.
func BookNames(books [NumParts]int) (names []string) {
	for part, n := range books {
		for i := range n {
			names = append(names, fmt.Sprintf("%v_%d", Part(part), i+1))
		}
	}
	return names
}

// Check returns an error unless codes are those of a model with so many books of each
// part, of size entries each. Books may be missing; the others must have one length.
func (c Codes) Check(books [NumParts]int, size int) error {
	frames := c.Frames()
	for part, list := range c {
		if len(list) > books[part] {
			return fmt.Errorf("%s of %v codes, there are %d", plural.Of(len(list), "book"), Part(part), books[part])
		}
		for i, book := range list {
			if len(book) != frames {
				return fmt.Errorf("%v book %d has %s, others %d", Part(part), i, plural.Of(len(book), "frame"), frames)
			}
			for t, code := range book {
				if code < 0 || int(code) >= size {
					return fmt.Errorf("%v book %d, frame %d: code %d of a codebook of %d", Part(part), i, t, code, size)
				}
			}
		}
	}
	return nil
}
