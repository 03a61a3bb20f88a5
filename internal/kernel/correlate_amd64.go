//go:build !noasm

package kernel

func correlateAVX512(c *Correlation, sums, x []float32) {
	for i := range c.groups {
		g := &c.groups[i]
		correlateLagsAVX512(&sums[g.lag], &x[0], &x[g.lag], &g.begin[0], &g.end[0], g.from, g.inner, g.outer, g.to)
	}
}
