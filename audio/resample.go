package audio

// A Resampler converts a stream of samples from one rate to another with a
// windowed sinc: 96 zero crossings to each side under a Kaiser window, cut off at
// 0.958 of the lower Nyquist frequency. Aliases and images are more than 120 dB
// down; from 44.1 to 24 kHz the pass band is flat to 10.8 kHz.
//
// There is no delay: output sample j is the signal at time j/to, input sample i
// at i/from, and what lies before the first and after the last input is silence.
// The output is the same to the bit however the input is cut into pieces. A
// Resampler serves one goroutine at a time.
type Resampler struct {
	from, to int
	filter   *filter // nil where the rates are equal and samples are copied

	// hist holds the input that outputs still to come can see; the window of the
	// next output begins at hist[next], and phase/filter.up is how far the output
	// lies behind its window's center, in input samples.
	hist  []float64
	next  int
	phase int

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
		r.filter = filterFor(from, to)
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

// Reset makes the Resampler ready for another stream.
func (r *Resampler) Reset() {
	r.in, r.out, r.next, r.phase, r.ended = 0, 0, 0, 0, false
	r.hist = r.hist[:0]
	if r.filter != nil {
		// The first output lies on the first input: before it, silence.
		r.hist = append(r.hist, make([]float64, r.filter.half-1)...)
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
		for _, x := range src[:n] {
			r.hist = append(r.hist, float64(x))
		}
		src = src[n:]
		dst = r.emit(dst, -1)
	}
	return dst
}

// Flush ends the stream and appends the outputs that are left, so that the
// stream's n inputs have given ResampledLen(n, from, to) outputs in all. A second
// Flush appends nothing.
func (r *Resampler) Flush(dst []float32) []float32 {
	if r.filter != nil && !r.ended {
		want := ResampledLen(r.in, r.from, r.to)
		for r.out < want {
			// Silence after the end, as much as one window can see at a time.
			r.hist = append(r.hist, make([]float64, r.filter.half)...)
			dst = r.emit(dst, want-r.out)
		}
	}
	r.ended = true
	return dst
}

func (r *Resampler) flushed() bool { return r.ended }

// emit appends the outputs whose windows hist covers, at most limit of them if
// limit is not negative, and forgets the input that no later window sees.
func (r *Resampler) emit(dst []float32, limit int64) []float32 {
	f := r.filter
	taps := 2 * f.half
	for r.next+taps <= len(r.hist) && limit != 0 {
		dst = append(dst, float32(f.at(r.hist[r.next:r.next+taps], r.phase)))
		limit--
		r.out++
		r.phase += f.down
		r.next += r.phase / f.up
		r.phase %= f.up
	}
	drop := min(r.next, len(r.hist))
	r.hist = r.hist[:copy(r.hist, r.hist[drop:])]
	r.next -= drop
	return dst
}
