package live

import (
	"math"
	"time"
)

// A playout plays a stream of samples a fixed time after they arrived. The device that
// plays has a clock of its own: which sample is due follows from the clocks of both
// devices, and the stream is resampled by the little that they differ. A sample that is
// not there when it is due is made up, and is dropped when it comes: the stream never
// drifts, whatever happens on the way.
//
// Positions are counted in samples of the stream; time is given.
type playout struct {
	rate    float64 // of the stream, Hz
	step    float64 // samples of the stream for one that is played, nominal
	delay   float64 // samples
	ahead   int     // samples past the one that is due that playing it needs
	oneTime bool    // one clock: what is played follows from what arrived, sample by sample

	in, out clockFilter
	drift   float64 // of the step, as it is now

	anchored bool
	position float64 // of the next sample to be played, exact
	next     int     // position of the next sample to fetch
	heard    bool    // something was fetched, since the anchor
	gap      bool    // the last sample was missing
	filter   *interpolator
	conceal  *concealer
	block    []float32

	late, resyncs int // times that samples were missing when due, and that the delay was set anew
	missing       int64
}

const (
	// tolerance is the error of the delay, in seconds, beyond which it is set anew: a
	// device was gone, or the computer slept. Less is resampled away.
	tolerance = 0.06
	// pull is in how many seconds an error of the delay is corrected, and maxPull how fast
	// at most: less than a hundredth of a semitone.
	pull    = 15.0
	maxPull = 0.0005
)

// newPlayout plays a stream of rate in Hz at playRate, behind by delay in seconds. With
// oneClock what is played has the clock of what arrives.
func newPlayout(rate, playRate int, delay float64, oneClock bool) *playout {
	p := &playout{
		rate: float64(rate), step: float64(rate) / float64(playRate),
		delay: math.Round(delay * float64(rate)), oneTime: oneClock,
		conceal: newConcealer(rate),
		in:      clockFilter{nominal: float64(rate)}, out: clockFilter{nominal: float64(playRate)},
	}
	if !oneClock || rate != playRate {
		p.filter = newInterpolator(p.step)
		p.ahead = p.filter.half
	}
	return p
}

// arrived tells of n samples of input, in samples of the stream.
func (p *playout) arrived(now time.Duration, n float64) { p.in.add(now, n) }

// A source is what a playout plays.
type source interface {
	// fetch moves the samples from a position on into dst, as many as there are, and forgets
	// those before. gone is how many of them were forgotten before: then n is 0.
	fetch(dst []float32, from int) (gone, n int)
}

// play fills dst with what is due.
func (p *playout) play(now time.Duration, dst []float32, src source) {
	if !p.oneTime {
		p.out.add(now, 0)
	}
	p.steer(now)
	step := p.step * (1 + p.drift)
	if p.filter == nil {
		p.fetch(dst, src)
	} else {
		n := p.filter.need(len(dst), step)
		if cap(p.block) < n {
			p.block = make([]float32, 2*n)
		}
		p.fetch(p.block[:n], src)
		p.filter.push(p.block[:n])
		p.filter.fill(dst, step)
	}
	p.position += step * float64(len(dst))
	p.out.count += float64(len(dst))
}

// steer decides which sample is due, and how fast the stream is read.
func (p *playout) steer(now time.Duration) {
	if p.oneTime {
		if !p.anchored {
			p.anchor(-p.delay)
		}
		return
	}
	if p.in.stopped(now) {
		p.drift = 0
		return
	}
	if !p.anchored {
		p.anchor(math.Round(p.in.now(now) - p.delay))
		return
	}
	err := p.err(now)
	if math.Abs(err) > tolerance*p.rate {
		p.anchor(math.Round(p.position + err))
		p.resyncs++
		return
	}
	p.drift = min(max(err/(pull*p.rate), -maxPull), maxPull)
	if p.in.settled() && p.out.settled() {
		p.drift += (1+p.in.drift())/(1+p.out.drift()) - 1
	}
}

// err returns by how many samples the delay is too long, without the jitter of the calls.
func (p *playout) err(now time.Duration) float64 {
	played := p.position + p.step*(p.out.now(now)-p.out.count)
	return p.in.now(now) - p.delay - played
}

// anchor makes position the next to be played.
func (p *playout) anchor(position float64) {
	p.position, p.anchored = position, true
	p.next = int(position)
	p.drift = 0
	if p.filter != nil {
		// The filter keeps what was played before; line[half-1] is the sample due next.
		p.next += len(p.filter.line) - p.filter.half + 1
		p.filter.frac = 0
	}
	if p.heard {
		p.conceal.splice()
	}
}

// fetch fills dst with the stream from next on. What is missing is concealed.
func (p *playout) fetch(dst []float32, src source) {
	for len(dst) > 0 {
		if p.next < 0 { // before the stream begins
			n := min(len(dst), -p.next)
			clear(dst[:n])
			p.next += n
			dst = dst[n:]
			continue
		}
		gone, n := src.fetch(dst, p.next)
		if gone = min(gone, len(dst)); gone > 0 {
			p.fill(dst[:gone])
			dst = dst[gone:]
			continue
		}
		if n == 0 {
			p.fill(dst)
			return
		}
		if p.heard || p.gap {
			p.conceal.good(dst[:n])
		} else {
			p.conceal.remember(dst[:n])
		}
		p.heard, p.gap = true, false
		p.next += n
		dst = dst[n:]
	}
}

// fill makes up samples that are missing.
func (p *playout) fill(dst []float32) {
	if p.heard && !p.gap {
		p.late++
	}
	p.gap = true
	p.conceal.fill(dst)
	if p.heard {
		p.missing += int64(len(dst))
	}
	p.next += len(dst)
}
