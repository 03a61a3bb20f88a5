package kernel

import "fmt"

// correlateLanes is how many lags are computed side by side.
const correlateLanes = 2 * Width

// A Correlation is the samples that a signal is compared at with itself, for every lag.
type Correlation struct {
	lags   int
	ranges []lagRange
	groups []lagGroup
	reach  int // samples of the signal that are read
}

// A lagRange are the lags from one to before another that sample i is compared at.
type lagRange struct{ sample, from, to int }

// A lagGroup is correlateLanes lags from one on.
type lagGroup struct {
	lag        int
	begin, end [correlateLanes]int32
	// All samples, and within them those that all lags have.
	from, inner, outer, to int
}

// NewCorrelation returns the correlation that compares, at each lag, the samples from
// begin[lag] to before end[lag] with the ones so much later. begin is not negative.
func NewCorrelation(begin, end []int) *Correlation {
	c := &Correlation{lags: len(begin)}
	most := 0
	for lag := range begin {
		if begin[lag] < 0 || end[lag] < begin[lag] {
			panic(fmt.Sprintf("kernel: samples %d to %d at lag %d", begin[lag], end[lag], lag))
		}
		most = max(most, end[lag])
	}
	for i := range most {
		open := false
		for lag := range begin {
			if i < begin[lag] || i >= end[lag] {
				open = false
				continue
			}
			if !open {
				c.ranges = append(c.ranges, lagRange{i, lag, lag})
				open = true
			}
			c.ranges[len(c.ranges)-1].to = lag + 1
		}
	}
	for lag := 0; lag < len(begin); lag += correlateLanes {
		g := lagGroup{lag: lag, from: begin[lag], inner: begin[lag], outer: end[lag], to: end[lag]}
		for n := range correlateLanes {
			l := min(lag+n, len(begin)-1) // what is behind the last lag is as the last
			b, e := begin[l], end[l]
			g.begin[n], g.end[n] = int32(b), int32(e)
			g.from, g.inner, g.outer, g.to = min(g.from, b), max(g.inner, b), min(g.outer, e), max(g.to, e)
		}
		if g.inner >= g.outer {
			g.inner, g.outer = g.to, g.to
		}
		c.groups = append(c.groups, g)
		c.reach = max(c.reach, g.to+lag+correlateLanes)
	}
	return c
}

// Reach returns how many samples Sums needs, more than what counts.
func (c *Correlation) Reach() int { return c.reach }

// Len returns how many sums Sums writes, more than there are lags; the rest have no meaning.
func (c *Correlation) Len() int { return len(c.groups) * correlateLanes }

// Sums computes
//
//	for lag := range lags {
//		sums[lag] = 0
//		for i := begin[lag]; i < end[lag]; i++ {
//			sums[lag] = fma(x[i], x[i+lag], sums[lag])
//		}
//	}
//
// It panics for fewer than Len sums or Reach samples.
func (c *Correlation) Sums(sums, x []float32) {
	if len(sums) < c.Len() || len(x) < c.reach {
		panic(fmt.Sprintf("kernel: %d sums of %d samples, %d of %d needed", len(sums), len(x), c.Len(), c.reach))
	}
	correlate(c, sums, x)
}

// correlateGeneric goes sample by sample, for all its lags side by side.
func correlateGeneric(c *Correlation, sums, x []float32) {
	sums = sums[:c.lags]
	clear(sums)
	for _, r := range c.ranges {
		addScaled(sums[r.from:r.to], x[r.sample+r.from:r.sample+r.to], x[r.sample])
	}
}
