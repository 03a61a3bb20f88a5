package facodec

import "fmt"

// A Stream is an utterance that is spoken while it is heard: samples are written
// to it and samples, or codes, read from it. What comes out is the whole
// utterance's, bit for bit, however it is cut. It belongs to one goroutine at a
// time.
type Stream struct {
	encoder  *Encoder
	decoder  *Decoder // nil for codes only
	residual bool
	codes    Codes
	samples  []float32
	spoken   int // samples of the utterance that were decoded
	total    int // samples of the utterance; -1 while it goes on
}

// NewStream starts a stream of codes alone. SpeakWith makes it speak.
func (c *Codec) NewStream() *Stream { return &Stream{encoder: c.NewEncoder(), total: -1} }

// SpeakWith makes the stream speak through d, a decoder of the codec or of its
// redecoder: with the residual it reconstructs, which is for d in the speaker's
// own voice, without it converts. It is called before the first Write of an
// utterance, and returns s.
func (s *Stream) SpeakWith(d *Decoder, residual bool) *Stream {
	s.decoder, s.residual = d, residual
	return s
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
	return s.take(codes)
}

// Flush ends the utterance: everything of it can then be read, in samples exactly
// as many as were written.
func (s *Stream) Flush() error {
	s.total = s.encoder.Samples()
	if err := s.take(s.encoder.Flush()); err != nil {
		return err
	}
	if s.decoder != nil {
		s.speak(s.decoder.Flush())
	}
	s.spoken = 0
	return nil
}

func (s *Stream) take(codes Codes) error {
	if codes.Frames() == 0 {
		return nil
	}
	s.codes.Append(codes)
	if s.decoder == nil {
		return nil
	}
	if !s.residual {
		codes[Residual] = nil
	}
	samples, err := s.decoder.Push(codes)
	if err != nil {
		return fmt.Errorf("speak: %w", err)
	}
	s.speak(samples)
	return nil
}

// speak queues samples, but for those of the last frame past the utterance's end.
func (s *Stream) speak(samples []float32) {
	if s.total >= 0 {
		samples = samples[:min(len(samples), s.total-s.spoken)]
	}
	s.spoken += len(samples)
	s.samples = append(s.samples, samples...)
}

// Read moves samples that can be heard into dst and returns how many: 0 if there
// are none yet.
func (s *Stream) Read(dst []float32) int {
	n := copy(dst, s.samples)
	s.samples = s.samples[:copy(s.samples, s.samples[n:])]
	return n
}

// Buffered returns how many samples Read would give.
func (s *Stream) Buffered() int { return len(s.samples) }

// ReadCodes returns the codes of all frames since the last call.
func (s *Stream) ReadCodes() Codes {
	codes := s.codes
	s.codes = Codes{}
	return codes
}

// Reset drops the utterance and what was not read.
func (s *Stream) Reset() {
	s.encoder.Reset()
	if s.decoder != nil {
		s.decoder.Reset()
	}
	s.codes, s.samples, s.spoken, s.total = Codes{}, s.samples[:0], 0, -1
}
