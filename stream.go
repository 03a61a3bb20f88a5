package facodec

import "fmt"

// A Stream converts or reconstructs an utterance while it arrives: samples are written
// to it and read from it. The result is bit-identical to that of the whole utterance,
// for chunks of any size. Memory does not grow as long as the output is read. It belongs
// to one goroutine at a time. For codes alone use Encoder.
type Stream struct {
	encoder *Encoder
	decoder *Decoder
	parts   []Part
	ready   []float32
	decoded int // samples of the utterance
	total   int // samples of the utterance; -1 while it goes on
}

// NewStream starts a stream through d, a decoder of the codec or of its redecoder, which
// must not be used otherwise. parts are the parts to decode: Prosody and Content for a
// conversion; without any, all, which is a reconstruction if d has the speaker's own
// timbre.
func (c *Codec) NewStream(d *Decoder, parts ...Part) *Stream {
	if len(parts) == 0 {
		for part := range NumParts {
			parts = append(parts, part)
		}
	}
	return &Stream{encoder: c.NewEncoder(), decoder: d, parts: parts, total: -1}
}

// Write adds samples to the utterance. Samples that are not finite are refused
// and none of the piece is taken. After Flush, Write starts another utterance;
// what was not read of the last one stays to be read first.
func (s *Stream) Write(samples []float32) error {
	codes, err := s.encoder.Push(samples)
	if err != nil {
		return err
	}
	s.total = -1
	return s.decode(codes)
}

// Flush ends the utterance: everything of it can then be read, exactly as many
// samples as were written.
func (s *Stream) Flush() error {
	s.total = s.encoder.total
	codes, err := s.encoder.Flush()
	if err != nil {
		return err
	}
	if err := s.decode(codes); err != nil {
		return err
	}
	samples, err := s.decoder.Flush()
	if err != nil {
		return err
	}
	s.add(samples)
	s.decoded = 0
	return nil
}

func (s *Stream) decode(codes Codes) error {
	samples, err := s.decoder.Push(codes.Only(s.parts...))
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	s.add(samples)
	return nil
}

// add queues samples, but for those of the last frame past the utterance's end.
func (s *Stream) add(samples []float32) {
	if s.total >= 0 {
		samples = samples[:min(len(samples), s.total-s.decoded)]
	}
	s.decoded += len(samples)
	s.ready = append(s.ready, samples...)
}

// Read moves samples that are ready into dst and returns how many: 0 if there are
// none yet.
func (s *Stream) Read(dst []float32) int {
	n := copy(dst, s.ready)
	s.ready = s.ready[:copy(s.ready, s.ready[n:])]
	return n
}

// Buffered returns how many samples Read would give.
func (s *Stream) Buffered() int { return len(s.ready) }

// Reset drops the utterance and what was not read.
func (s *Stream) Reset() {
	s.encoder.Reset()
	s.decoder.Reset()
	s.ready, s.decoded, s.total = s.ready[:0], 0, -1
}
