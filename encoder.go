package facodec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/codec"
)

// An Encoder turns an utterance into codes as it arrives.
type Encoder struct {
	codec    *Codec
	stream   codec.EncoderStream
	analyzer codec.Analyzer // the stream, if it finds timbres
	timbre   []float32      // of the utterance that was flushed
	total    int
}

// NewEncoder starts an utterance.
func (c *Codec) NewEncoder() *Encoder {
	e := &Encoder{codec: c}
	if c.gate.enter() == nil {
		e.stream = c.model.NewEncoder(c.model.Pool)
		c.gate.leave()
	}
	return e
}

// NewAnalyzer starts an utterance whose timbre is also computed, in the same pass.
func (c *Codec) NewAnalyzer() *Encoder {
	e := &Encoder{codec: c}
	if c.gate.enter() == nil {
		e.analyzer = c.model.NewAnalyzer(c.model.Pool)
		e.stream = e.analyzer
		c.gate.leave()
	}
	return e
}

// Timbre returns the timbre of the last flushed utterance, TimbreLen values. The encoder
// must be one of NewAnalyzer.
func (e *Encoder) Timbre() ([]float32, error) {
	if e.timbre == nil {
		return nil, fmt.Errorf("no samples were flushed, or the encoder finds no timbres: %w", ErrEmpty)
	}
	return e.timbre, nil
}

// Push adds samples, any number of them, and returns the codes of the frames
// that are complete. Of an FAcodec, frame t is complete once the signal is known to
// 25 ms past its start, the first ten together; of the family NaturalSpeech3, once it is
// known to 330 ms past it, and of its version 2 at the end of the utterance, or past a
// minute within 90 seconds. Samples that are not finite are refused and
// none of the piece is taken.
func (e *Encoder) Push(samples []float32) (Codes, error) {
	if err := e.codec.model.Need(codec.Encoder); err != nil {
		return Codes{}, err
	}
	if err := codec.CheckSamples(samples); err != nil {
		return Codes{}, err
	}
	if err := e.codec.gate.enter(); err != nil {
		return Codes{}, err
	}
	defer e.codec.gate.leave()
	e.total += len(samples)
	return Codes(e.stream.Push(samples, false)), nil
}

// Flush ends the utterance and returns its last codes: in all, one frame for
// every hop of samples and one for what remains. The next Push starts another
// utterance.
func (e *Encoder) Flush() (Codes, error) {
	if err := e.codec.gate.enter(); err != nil {
		return Codes{}, err
	}
	defer e.codec.gate.leave()
	if e.total == 0 {
		return Codes{}, nil
	}
	codes := Codes(e.stream.Push(nil, true))
	if e.analyzer != nil {
		e.timbre = e.analyzer.Timbre()
	}
	e.reset()
	return codes, nil
}

// Samples returns how many samples the utterance has so far.
func (e *Encoder) Samples() int { return e.total }

// Reset drops the utterance.
func (e *Encoder) Reset() {
	if e.codec.gate.enter() == nil {
		defer e.codec.gate.leave()
		e.reset()
	}
}

func (e *Encoder) reset() {
	e.stream.Reset()
	e.total = 0
}
