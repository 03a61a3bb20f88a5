package dsp

// A MelStream computes the frames of a signal that arrives in pieces: frame t is
// centred on sample t·Hop, and the signal is continued at both ends by
// reflection. Every piecewise division of a signal gives the same frames.
type MelStream struct {
	mel     *Mel
	buf     []float32 // samples from position base on
	base    int       // position of buf[0]; negative at the start, before the signal
	total   int       // samples seen
	next    int       // next frame
	started bool
}

// Stream returns a stream at the start of a signal.
func (m *Mel) Stream() *MelStream { return &MelStream{mel: m} }

// Reset returns to the start of a signal.
func (s *MelStream) Reset() { *s = MelStream{mel: s.mel, buf: s.buf[:0]} }

// Push adds samples and calls emit for each frame that can be computed, in
// order; emit must not keep the slice. With last the signal ends, and
// ceil(total/Hop) frames will have been emitted in all.
func (s *MelStream) Push(samples []float32, last bool, emit func(frame []float32)) {
	s.buf = append(s.buf, samples...)
	s.total += len(samples)
	pad := s.mel.FFT / 2
	if !s.started {
		if s.total <= s.mel.lead() && !last {
			return // what is reflected before the first sample is not known yet
		}
		if s.total == 0 {
			return
		}
		s.start()
	}
	frames := s.ready(last)
	if last {
		s.reflectEnd(pad, frames)
	}
	row := make([]float32, s.mel.Mels)
	half := s.mel.lead()
	for ; s.next < frames; s.next++ {
		at := s.next*s.mel.Hop - half - s.base
		s.mel.Frame(row, s.buf[at:at+s.mel.Window])
		emit(row)
	}
	s.drop(s.next*s.mel.Hop - max(half, pad+1))
}

// start puts the reflected samples before the signal. A signal of at most half an
// FFT, for which reflection is not defined, is extended by zeros first, by the
// rule of the codec's convolutions (dac/model/encodec.py, pad1d).
func (s *MelStream) start() {
	at := func(i int) float32 {
		if i < s.total {
			return s.buf[i]
		}
		return 0
	}
	half := s.mel.lead()
	signal := make([]float32, half, half+len(s.buf))
	for i := range half {
		signal[i] = at(half - i)
	}
	s.buf = append(signal, s.buf...)
	s.base = -half
	s.started = true
}

// ready returns how many frames can be computed from what was seen.
func (s *MelStream) ready(last bool) int {
	hop := s.mel.Hop
	if last {
		return (s.total + hop - 1) / hop
	}
	if reach := s.total - (s.mel.Window - s.mel.lead()); reach >= 0 {
		return reach/hop + 1
	}
	return 0
}

// reflectEnd continues the signal as far as the last frame reaches.
func (s *MelStream) reflectEnd(pad, frames int) {
	extended := max(s.total, pad+1)
	end := (frames-1)*s.mel.Hop + s.mel.Window - s.mel.lead()
	for i := s.total; i < end; i++ {
		var v float32
		if from := 2*(extended-1) - i; i >= extended && from < s.total {
			v = s.buf[from-s.base]
		}
		s.buf = append(s.buf, v)
	}
}

// drop forgets samples before position from.
func (s *MelStream) drop(from int) {
	n := min(from-s.base, len(s.buf))
	if n <= 0 {
		return
	}
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	s.base += n
}
