package audio

import (
	"math"
	"slices"
)

// A Resampler converts a stream of samples from one rate to another with a
// windowed sinc: 96 zero crossings to each side under a Kaiser window, cut off at
// 0.958 of the lower Nyquist frequency. Aliases and images are more than 120 dB
// down; from 44.1 to 24 kHz the pass band is flat to 10.8 kHz.
//
// There is no delay: output sample j is the signal at time j/to, input sample i
// at i/from, and what lies before the first and after the last input is silence.
// The output is the same to the bit however the input is cut into pieces, and within
// 140 dB of the exact sums. A Resampler serves one goroutine at a time.
type Resampler struct {
	from, to int
	filter   *filter // nil where the rates are equal and samples are copied

	// hist holds the input that outputs still to come can see. The period of the next
	// output begins at hist[origin], which may be gone, and the output is its next-th.
	hist    []float32
	origin  int
	next    int
	scratch *filterScratch // nil where filter is

	in, out int64 // samples taken and given so far
	ended   bool
}

// NewResampler returns a Resampler from one rate to another, both in Hz. A rate
// outside MinRate to MaxRate is ErrRate. Between any two rates it takes at most
// 16 MB of coefficients, which Resamplers for the same rates share.
func NewResampler(from, to int) (*Resampler, error) {
	for _, rate := range []int{from, to} {
		if err := checkRate(rate); err != nil {
			return nil, err
		}
	}
	r := &Resampler{from: from, to: to}
	if from != to {
		r.filter, r.scratch = filterFor(from, to), &filterScratch{}
	}
	r.Reset()
	return r, nil
}

// ResampledLen returns how many samples n samples become: n*to/from, rounded up.
// The rates are in Hz and positive; n may go to 2^45 (a thousand years at MaxRate
// are 2^43).
func ResampledLen(n int64, from, to int) int64 {
	return (n*int64(to) + int64(from) - 1) / int64(from)
}

// Period returns after how many inputs and outputs a Resampler computes the same again: one
// that begins so many inputs later, or a multiple of it, gives the same outputs to the bit
// from there on, once silence before its first input is out of sight (see Process).
func (r *Resampler) Period() (in, out int) {
	if r.filter == nil {
		return 1, 1
	}
	return r.filter.step(), r.filter.period
}

// Reset makes the Resampler ready for another stream.
func (r *Resampler) Reset() {
	r.in, r.out, r.origin, r.next, r.ended = 0, 0, 0, 0, false
	r.hist = r.hist[:0]
	if r.filter != nil {
		// The first output lies on the first input: before it, silence.
		r.origin = r.filter.half - 1
		r.pad(r.origin)
	}
}

// Process takes the samples of src and appends to dst every output that depends
// on no later input. The outputs of the last filter half-width of input (a few
// milliseconds) come with the samples that follow, or from Flush. After Flush it
// begins another stream. dst and src must not overlap.
func (r *Resampler) Process(dst, src []float32) []float32 {
	if r.ended {
		r.Reset()
	}
	r.in += int64(len(src))
	if r.filter == nil {
		r.out += int64(len(src))
		return append(dst, src...)
	}
	// In blocks, so that a whole file in one call does not make hist as long.
	for len(src) > 0 {
		n := min(len(src), blockFrames)
		r.hist = append(r.hist, src[:n]...)
		src = src[n:]
		dst = r.emit(dst, math.MaxInt)
	}
	return dst
}

// Flush ends the stream and appends the outputs that are left, so that the
// stream's n inputs have given ResampledLen(n, from, to) outputs in all. A second
// Flush appends nothing.
func (r *Resampler) Flush(dst []float32) []float32 {
	if r.filter != nil && !r.ended {
		// Behind the end lies silence, as much as the last window sees.
		r.pad(r.filter.half)
		dst = r.emit(dst, int(ResampledLen(r.in, r.from, r.to)-r.out))
	}
	r.ended = true
	return dst
}

func (r *Resampler) flushed() bool { return r.ended }

// pad appends n zeros to hist.
func (r *Resampler) pad(n int) {
	r.hist = slices.Grow(r.hist, n)[:len(r.hist)+n]
	clear(r.hist[len(r.hist)-n:])
}

// emit appends the outputs whose windows hist covers, at most limit of them, and forgets
// the input that no later window sees.
func (r *Resampler) emit(dst []float32, limit int) []float32 {
	f := r.filter
	known := len(r.hist)
	from, to := r.next, f.ready(known-r.origin)
	if to-from > limit {
		to = from + limit
	}
	if to <= from {
		return dst
	}
	r.pad(max(0, r.origin+f.reach(to-1)-known))
	dst = f.apply(dst, r.hist, r.origin, from, to, r.scratch)
	r.hist = r.hist[:known]
	r.out += int64(to - from)

	periods := to / f.period
	r.origin += periods * f.step()
	r.next = to - periods*f.period
	if drop := min(r.origin+f.need(r.next), known); drop > 0 {
		r.hist = r.hist[:copy(r.hist, r.hist[drop:])]
		r.origin -= drop
	}
	return dst
}
