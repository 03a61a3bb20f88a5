package facodec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
)

// Codes are the codes of some frames, [books][frames] for each part. A part
// without books is left out when decoding.
type Codes struct {
	Prosody  [][]int32 // rhythm, pitch and energy
	Content  [][]int32 // what is said; Content[0] has the least timbre in it
	Residual [][]int32 // the detail that the others miss, some of the voice in it
}

// Frames returns the number of frames.
func (c Codes) Frames() int { return model.Codes(c).Frames() }

// Slice returns frames from to to, sharing memory.
func (c Codes) Slice(from, to int) Codes { return Codes(model.Codes(c).Slice(from, to)) }

// Append adds frames to c; a part that one side has and the other has not may
// only be added to an empty c.
func (c *Codes) Append(frames Codes) { (*model.Codes)(c).Append(model.Codes(frames)) }

// Tokens are all that a decoder needs of an utterance.
type Tokens struct {
	Codes
	Timbre  []float32 // [latent]
	Samples int       // the utterance's length; the frames hold up to a hop more
}

// checkCodes refuses what Decode would read past its tables for.
func (c *Codec) checkCodes(codes Codes) error {
	frames := codes.Frames()
	if frames == 0 {
		return fmt.Errorf("no frames: %w", ErrEmpty)
	}
	prosody, content, residual := c.Books()
	for _, part := range []struct {
		name  string
		codes [][]int32
		books int
	}{{"prosody", codes.Prosody, prosody}, {"content", codes.Content, content}, {"residual", codes.Residual, residual}} {
		if len(part.codes) > part.books {
			return fmt.Errorf("%d books of %s codes, the codec has %d: %w", len(part.codes), part.name, part.books, ErrTokens)
		}
		for i, book := range part.codes {
			if len(book) != frames {
				return fmt.Errorf("%s book %d has %d frames, others %d: %w", part.name, i, len(book), frames, ErrTokens)
			}
			for t, code := range book {
				if code < 0 || int(code) >= c.CodebookSize() {
					return fmt.Errorf("%s book %d, frame %d: code %d of a codebook of %d: %w",
						part.name, i, t, code, c.CodebookSize(), ErrTokens)
				}
			}
		}
	}
	return nil
}
