package audio

import "slices"

// channelResampler converts interleaved channels from one rate to another, each by a
// Resampler of its own.
type channelResampler struct {
	each      []*Resampler
	one, made []float32 // one channel, and what becomes of it
	out       []float32
}

func newChannelResampler(channels, from, to int) (*channelResampler, error) {
	r := &channelResampler{}
	for range channels {
		one, err := NewResampler(from, to)
		if err != nil {
			return nil, err
		}
		r.each = append(r.each, one)
	}
	return r, nil
}

// process returns what has become of the samples, until the next call.
func (r *channelResampler) process(in []float32) []float32 {
	return r.convert(in, (*Resampler).Process)
}

// flush returns what is left at the end.
func (r *channelResampler) flush() []float32 {
	return r.convert(nil, func(s *Resampler, dst, _ []float32) []float32 { return s.Flush(dst) })
}

func (r *channelResampler) flushed() bool { return r.each[0].flushed() }

func (r *channelResampler) convert(in []float32, step func(s *Resampler, dst, src []float32) []float32) []float32 {
	r.out = r.out[:0]
	width := len(r.each)
	if width == 1 {
		r.out = step(r.each[0], r.out, in)
		return r.out
	}
	for c, s := range r.each {
		r.one = r.one[:0]
		for i := c; i < len(in); i += width {
			r.one = append(r.one, in[i])
		}
		r.made = step(s, r.made[:0], r.one)
		if c == 0 {
			n := len(r.made) * width
			r.out = slices.Grow(r.out, n)[:n]
		}
		for i, x := range r.made {
			r.out[i*width+c] = x
		}
	}
	return r.out
}
