package dsp

// A Framing cuts a signal into overlapping frames: frame t is the Window samples
// from sample t·Hop - Lead on.
type Framing struct {
	Window, Hop, Lead int
	// Pad is how far the signal is continued by reflection at both ends. A signal of
	// at most Pad samples is extended by zeros to one more before it is reflected, by
	// the rule of the codec's convolutions (dac/model/encodec.py, pad1d).
	Pad int
}

// A FrameStream cuts a signal that arrives in pieces into frames, the same ones
// whatever the pieces.
type FrameStream struct {
	Framing
	buf     []float32 // samples from position base on
	base    int       // position of buf[0]; negative at the start, before the signal
	total   int       // samples seen
	next    int       // next frame
	started bool
}

// Stream returns a stream at the start of a signal.
func (f Framing) Stream() *FrameStream { return &FrameStream{Framing: f} }

// Reset returns to the start of a signal.
func (s *FrameStream) Reset() { *s = FrameStream{Framing: s.Framing, buf: s.buf[:0]} }

// Push adds samples and calls emit for each frame that is complete, in order; emit
// must not keep the slice. With last the signal ends, and ceil(total/Hop) frames
// will have been emitted in all.
func (s *FrameStream) Push(samples []float32, last bool, emit func(frame []float32)) {
	s.buf = append(s.buf, samples...)
	s.total += len(samples)
	if !s.started {
		if s.total <= s.Lead && !last {
			return // what is reflected before the first sample is not known yet
		}
		if s.total == 0 {
			return
		}
		s.start()
	}
	frames := s.ready(last)
	if last {
		s.reflectEnd(frames)
	}
	for ; s.next < frames; s.next++ {
		at := s.next*s.Hop - s.Lead - s.base
		emit(s.buf[at : at+s.Window])
	}
	s.drop(s.next*s.Hop - max(s.Lead, s.Pad+1))
}

// start puts the reflected samples before the signal.
func (s *FrameStream) start() {
	at := func(i int) float32 {
		if i < s.total {
			return s.buf[i]
		}
		return 0
	}
	signal := make([]float32, s.Lead, s.Lead+len(s.buf))
	for i := range signal {
		signal[i] = at(s.Lead - i)
	}
	s.buf = append(signal, s.buf...)
	s.base = -s.Lead
	s.started = true
}

// ready returns how many frames can be computed from what was seen.
func (s *FrameStream) ready(last bool) int {
	if last {
		return (s.total + s.Hop - 1) / s.Hop
	}
	if reach := s.total - (s.Window - s.Lead); reach >= 0 {
		return reach/s.Hop + 1
	}
	return 0
}

// reflectEnd continues the signal as far as the last frame reaches.
func (s *FrameStream) reflectEnd(frames int) {
	extended := max(s.total, s.Pad+1)
	end := (frames-1)*s.Hop + s.Window - s.Lead
	for i := s.total; i < end; i++ {
		var v float32
		if from := 2*(extended-1) - i; i >= extended && from < s.total {
			v = s.buf[from-s.base]
		}
		s.buf = append(s.buf, v)
	}
}

// drop forgets samples before position from.
func (s *FrameStream) drop(from int) {
	n := min(from-s.base, len(s.buf))
	if n <= 0 {
		return
	}
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	s.base += n
}

// A MelStream computes the log-mel frames of a signal that arrives in pieces: frame
// t is centered on sample t·Hop, and the signal is continued at both ends by
// reflection.
type MelStream struct {
	*FrameStream
	mel *Mel
	row []float32 // of one frame
}

// Stream returns a stream at the start of a signal.
func (m *Mel) Stream() *MelStream {
	return &MelStream{Framing{Window: m.Window, Hop: m.Hop, Lead: m.lead(), Pad: m.FFT / 2}.Stream(), m, make([]float32, m.Mels)}
}

// Push adds samples and emits the log-mel of each complete frame, like
// FrameStream.Push.
func (s *MelStream) Push(samples []float32, last bool, emit func(frame []float32)) {
	s.FrameStream.Push(samples, last, func(frame []float32) {
		s.mel.Frame(s.row, frame)
		emit(s.row)
	})
}
