package facodec

import "github.com/facodec-go/facodec/internal/codec"

// An Encoder turns an utterance into codes as it arrives.
type Encoder struct {
	codec  *Codec
	stream codec.EncoderStream
	total  int
}

// NewEncoder starts an utterance.
func (c *Codec) NewEncoder() *Encoder {
	return &Encoder{codec: c, stream: c.model.NewEncoder(c.model.Pool)}
}

// Push adds samples, any number of them, and returns the codes of the frames
// that are complete. Frame t is complete once the signal is known to 25 ms past
// its start, the first ten together. Samples that are not finite are refused and
// none of the piece is taken.
func (e *Encoder) Push(samples []float32) (Codes, error) {
	if err := e.codec.model.Need(codec.Encoder); err != nil {
		return Codes{}, err
	}
	if err := codec.CheckSamples(samples); err != nil {
		return Codes{}, err
	}
	e.total += len(samples)
	return Codes(e.stream.Push(samples, false)), nil
}

// Flush ends the utterance and returns its last codes: in all, one frame for
// every hop of samples and one for what remains. The next Push starts another
// utterance.
func (e *Encoder) Flush() Codes {
	if e.total == 0 {
		return Codes{}
	}
	codes := Codes(e.stream.Push(nil, true))
	e.Reset()
	return codes
}

// Samples returns how many samples the utterance has so far.
func (e *Encoder) Samples() int { return e.total }

// Reset drops the utterance.
func (e *Encoder) Reset() {
	e.stream.Reset()
	e.total = 0
}
