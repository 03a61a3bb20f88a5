package facodec

import "github.com/facodec-go/facodec/internal/model"

// A Part is one of the three streams of codes that an utterance is split into. It
// indexes Codes and other arrays with one element per part.
type Part int

// The parts.
const (
	Prosody  Part = iota // rhythm, pitch and energy
	Content              // what is said; the first book has the least speaker information
	Residual             // acoustic detail, which includes some of the voice
	NumParts             // how many there are
)

// String returns "prosody", "content" or "residual".
func (p Part) String() string { return model.Part(p).String() }

// ParsePart returns the part of a name.
func ParsePart(name string) (Part, error) {
	p, err := model.ParsePart(name)
	return Part(p), err
}

// conversionParts are the parts that voice conversion decodes.
var conversionParts = partsOf(model.ConversionParts)

func partsOf(list []model.Part) (parts []Part) {
	for _, part := range list {
		parts = append(parts, Part(part))
	}
	return parts
}

// Codes are the codes of some frames, [book][frame] for each part. A part without
// books is left out when decoding.
type Codes [NumParts][][]int32

// Frames returns the number of frames.
func (c Codes) Frames() int { return model.Codes(c).Frames() }

// Slice returns frames from to to, sharing memory.
func (c Codes) Slice(from, to int) Codes { return Codes(model.Codes(c).Slice(from, to)) }

// Append adds frames to c; a part that one side has and the other has not may
// only be added to an empty c.
func (c *Codes) Append(frames Codes) { (*model.Codes)(c).Append(model.Codes(frames)) }

// Only returns the codes of some parts, sharing memory: Prosody and Content for a
// conversion.
func (c Codes) Only(parts ...Part) (some Codes) {
	for _, part := range parts {
		some[part] = c[part]
	}
	return some
}

// Tokens are all that a decoder needs of an utterance.
type Tokens struct {
	Codes
	Timbre  []float32 // TimbreLen values
	Samples int       // the utterance's length; the frames hold up to a hop more
}

// Features are the tokens of an utterance and its quantized frames, as input of other
// models.
type Features struct {
	Tokens
	// Quantized has each part's quantized frames, [latent][frames], row-major: nil for a
	// part without books. Their sum is the decoder's input before the norm.
	Quantized [NumParts][]float32
}
