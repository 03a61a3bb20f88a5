package live

import "math"

// A concealer makes up what is missing in a stream: it repeats the last period of the
// voice, fading out, as ITU-T G.711 Appendix I does, and fades from there into what comes
// after the gap.
type concealer struct {
	history []float32 // the last samples that were good, or made up
	period  []float32 // what is repeated, its end joined to its start
	at      int       // in the period, of the next sample
	gap     bool      // the last sample was made up
	age     int       // of the repetition, in samples
	back    int       // of the samples after a gap, how many have been faded in; == blend outside

	shortest, longest, match int // of the period and of the piece that is compared, in samples
	hold, fade, blend        int // samples at full level, to silence, and back
}

func newConcealer(rate int) *concealer {
	ms := func(x float64) int { return max(1, int(x*float64(rate)/1000)) }
	c := &concealer{
		shortest: ms(2.5), longest: ms(15), match: ms(10),
		hold: ms(10), fade: ms(50), blend: ms(5),
	}
	c.history = make([]float32, c.longest+c.match+c.longest/4)
	c.period = make([]float32, 0, c.longest)
	c.back = c.blend
	return c
}

// good passes samples that are not missing, in place: only those after a gap are changed.
func (c *concealer) good(samples []float32) {
	if c.gap {
		c.gap, c.back = false, 0
	}
	for i := 0; c.back < c.blend && i < len(samples); i++ {
		g := smooth(float64(c.back+1) / float64(c.blend+1))
		samples[i] = samples[i]*g + c.next()*(1-g)
		c.back++
	}
	c.remember(samples)
}

// fill makes up samples.
func (c *concealer) fill(samples []float32) {
	c.splice()
	for i := range samples {
		samples[i] = c.next()
	}
	c.remember(samples)
}

// splice joins what comes next, from another place of the stream, to what was last.
func (c *concealer) splice() {
	if !c.gap {
		c.begin()
		c.gap, c.age = true, 0
	}
}

// next returns the next sample of a gap.
func (c *concealer) next() float32 {
	gain := 1 - float32(c.age-c.hold)/float32(c.fade)
	c.age++
	if len(c.period) == 0 || gain <= 0 {
		return 0
	}
	v := c.period[c.at]
	if c.at++; c.at == len(c.period) {
		c.at = 0
	}
	return v * min(gain, 1)
}

// begin finds the period to repeat.
func (c *concealer) begin() {
	n := len(c.history)
	last := c.history[n-c.match:]
	best, period := math.Inf(-1), c.longest
	for lag := c.shortest; lag <= c.longest; lag++ {
		earlier := c.history[n-c.match-lag : n-lag]
		var product, energy float64
		for i, v := range last {
			product += float64(v * earlier[i])
			energy += float64(earlier[i] * earlier[i])
		}
		if score := product / math.Sqrt(energy+1e-9); score > best {
			best, period = score, lag
		}
	}
	c.period = append(c.period[:0], c.history[n-period:]...)
	// The end leads into the start of the repetition as the signal once did.
	join := max(1, period/4)
	for i := range join {
		g := smooth(float64(i+1) / float64(join+1))
		p := &c.period[period-join+i]
		*p = *p*(1-g) + c.history[n-period-join+i]*g
	}
	c.at = 0
}

func (c *concealer) remember(samples []float32) {
	if n := len(c.history); len(samples) >= n {
		copy(c.history, samples[len(samples)-n:])
		return
	}
	kept := copy(c.history, c.history[len(samples):])
	copy(c.history[kept:], samples)
}

// smooth is a rise from 0 to 1 whose slope is 0 at both ends.
func smooth(x float64) float32 { return float32(x * x * (3 - 2*x)) }
