package dsp

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/kernel"
)

// A PitchStream tracks the pitch of a signal that arrives in pieces: frame t is
// centered on sample t·Hop, and beyond its ends the signal is silent. Every
// piecewise division of a signal gives the same frames. Memory does not grow
// with the length. It is used by one goroutine at a time.
type PitchStream struct {
	*pitchAnalyzer
	path    pitchPath
	raw     []float32 // samples from position rawAt on
	rawAt   int       // negative at the start
	low     []float32 // filtered and decimated samples from position lowAt on
	lowAt   int
	passed  float64 // the last decimated sample before the high-pass
	before  float64 // and the last one behind it
	total   int     // samples seen
	next    int     // next frame to analyse
	loudest float64

	product  kernel.Product // of the low-pass
	filtered [filterRows * kernel.Width]float32
}

// filterRows is how many times kernel.Width samples are filtered at a time.
const filterRows = 24

// Stream returns a stream at the start of a signal.
func (p *Pitch) Stream() *PitchStream {
	s := &PitchStream{pitchAnalyzer: newPitchAnalyzer(p)}
	s.Reset()
	return s
}

// Track returns the frames of a whole signal, ceil(len(samples)/Hop).
func (p *Pitch) Track(samples []float32) []PitchFrame {
	frames := make([]PitchFrame, 0, (len(samples)+p.Hop-1)/p.Hop)
	p.Stream().Push(samples, true, func(f PitchFrame) { frames = append(frames, f) })
	return frames
}

// F0 returns the pitch in Hz of the frames of a whole signal, 0 where there is no
// voice. Beside the result it needs little memory, however long the signal.
func (p *Pitch) F0(samples []float32) []float32 {
	f0 := make([]float32, 0, (len(samples)+p.Hop-1)/p.Hop)
	p.Stream().Push(samples, true, func(f PitchFrame) { f0 = append(f0, float32(f.F0)) })
	return f0
}

// Reset returns to the start of a signal.
func (s *PitchStream) Reset() {
	s.path.reset()
	half := s.taps / 2
	s.total, s.next, s.loudest, s.passed, s.before = 0, 0, 0, 0, 0
	s.lowAt = -s.lead
	s.rawAt = s.lowAt*s.decimate - half
	s.low = s.low[:0]
	s.raw = append(s.raw[:0], make([]float32, -s.rawAt)...)
}

// Push adds samples and calls emit for each frame that is decided, in order. The
// path through the frames is decided once all that could follow agree, often at
// the next pause and after five seconds at the latest. With last the signal ends,
// and ceil(total/Hop) frames will have been emitted in all; Reset starts another.
func (s *PitchStream) Push(samples []float32, last bool, emit func(PitchFrame)) {
	const piece = 1 << 15 // what stays of a long signal is a piece of it
	for len(samples) > piece {
		s.push(samples[:piece], emit)
		samples = samples[piece:]
	}
	s.push(samples, emit)
	if !last || s.total == 0 {
		return
	}
	frames := (s.total + s.Hop - 1) / s.Hop
	end := ((frames-1)*s.Hop/s.decimate+s.span()-s.lead)*s.decimate + s.taps
	if missing := end - s.rawAt - len(s.raw); missing > 0 {
		s.raw = append(s.raw, make([]float32, missing)...)
	}
	s.filter()
	s.analyse(frames, emit)
	s.path.flush(emit)
}

func (s *PitchStream) push(samples []float32, emit func(PitchFrame)) {
	at := len(s.raw)
	s.raw = append(s.raw, samples...)
	for i, v := range s.raw[at:] {
		if v-v != 0 { // infinite, or not a number: it would never leave the high-pass
			s.raw[at+i] = 0
		}
	}
	s.total += len(samples)
	s.filter()
	// A frame exists if its center does.
	s.analyse((s.total+s.Hop-1)/s.Hop, emit)
}

// filter filters and decimates what can be.
func (s *PitchStream) filter() {
	at := (s.lowAt+len(s.low))*s.decimate - s.taps/2 - s.rawAt
	known, ready := len(s.raw), 0
	if at+s.taps <= known {
		ready = (known-s.taps-at)/s.decimate + 1
	}
	// Zeros in place of what the outputs behind the last one see.
	s.raw = slices.Grow(s.raw, kernel.Width*s.decimate)[:known+kernel.Width*s.decimate]
	clear(s.raw[known:])
	for ready > 0 {
		n := min(ready, len(s.filtered))
		s.product = kernel.Product{Dst: s.filtered[:], LdDst: kernel.Width, A: s.raw[at:], LdA: kernel.Width * s.decimate, W: s.lowPass}
		s.product.Run(0, (n+kernel.Width-1)/kernel.Width, 0, 1)
		for _, v := range s.filtered[:n] {
			passed := float64(v)
			s.before, s.passed = passed-s.passed+s.highPass*s.before, passed
			if math.Abs(s.before) < 1e-18 {
				s.before = 0 // products of a tail that are subnormal take ten times as long
			}
			s.low = append(s.low, float32(s.before))
		}
		ready -= n
		at += n * s.decimate
	}
	s.raw = s.raw[:known]
	drop := min(at, known)
	s.raw = slices.Delete(s.raw, 0, drop)
	s.rawAt += drop
}

// analyse extends the path by the frames before the given one that the decimated
// signal covers.
func (s *PitchStream) analyse(frames int, emit func(PitchFrame)) {
	for ; s.next < frames; s.next++ {
		at := s.next*s.Hop/s.decimate - s.lead - s.lowAt
		if at+s.span() > len(s.low) {
			break
		}
		s.frame(s.low[at:])
		s.path.decide(emit)
	}
	drop := min(max(0, s.next*s.Hop/s.decimate-s.lead-s.lowAt), len(s.low))
	s.low = slices.Delete(s.low, 0, drop)
	s.lowAt += drop
}

// frame analyses one frame and extends the path by it.
func (s *PitchStream) frame(x []float32) {
	level := s.begins(x)
	s.loudest = max(s.loudest, level)
	if level <= max(pitchFloor, pitchSilence*s.loudest) {
		s.path.begin(0)
		s.path.extend()
		return
	}
	s.correlate()
	voiced := s.voiced()
	s.path.begin(voiced)
	for i, w := range s.weights {
		s.path.candidate(min(max(s.rate/s.lags[i], s.Min), s.Max), w*voiced)
	}
	s.path.extend()
}
