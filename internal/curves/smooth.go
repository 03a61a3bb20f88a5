package curves

import (
	"math"
	"sort"
)

// A trace is a curve as it is drawn: its values are those of the panel's scale,
// logarithms on a logarithmic one.
type trace struct {
	raw    []bin
	smooth []point // nil where raw is smooth enough
	dots   bool    // so few points that each is seen
}

// A bin is one or more points that are drawn at one place.
type bin struct {
	step, mean float64
	low, high  float64
	weight     float64 // how many
}

// few is how many points are drawn as such, each with a dot.
const few = 40

// newTrace returns what is drawn of points: one bin for each pixel of step, at
// most, and if there are more than a few a line through them that is smoothed over
// width steps. With width 0 there is none, and a bin is the last of its points.
func newTrace(points []point, scale func(float64) float64, step, width float64) trace {
	var t trace
	for _, p := range points {
		v := scale(p.value)
		n := len(t.raw) - 1
		if n >= 0 && step > 0 && len(points) > few && math.Floor(p.step/step) == math.Floor(t.raw[n].step/step) {
			b := &t.raw[n]
			if width == 0 {
				*b = bin{step: p.step, mean: v, low: v, high: v, weight: 1}
				continue
			}
			b.weight++
			b.step += (p.step - b.step) / b.weight
			b.mean += (v - b.mean) / b.weight
			b.low, b.high = min(b.low, v), max(b.high, v)
			continue
		}
		t.raw = append(t.raw, bin{step: p.step, mean: v, low: v, high: v, weight: 1})
	}
	t.dots = len(points) <= few
	if !t.dots && width > 0 {
		t.smooth = smoothed(t.raw, width)
	}
	return t
}

// smoothed returns the line of bins after averaging with Gaussian weights. Where
// more lies ahead than behind, at the start, the average is that of a line through
// the bins (local linear regression, Cleveland 1979): training falls fastest there,
// and a mean would cut the top off. At the end it is a mean, which is the steadier:
// its value is printed.
func smoothed(bins []bin, width float64) []point {
	out := make([]point, len(bins))
	const reach = 3
	for i, b := range bins {
		from := sort.Search(len(bins), func(j int) bool { return bins[j].step >= b.step-reach*width })
		var s0, s1, s2, v0, v1 float64
		for _, c := range bins[from:] {
			x := c.step - b.step
			if x > reach*width {
				break
			}
			w := c.weight * math.Exp(-x*x/(2*width*width))
			s0, s1, s2 = s0+w, s1+w*x, s2+w*x*x
			v0, v1 = v0+w*c.mean, v1+w*x*c.mean
		}
		out[i] = point{b.step, v0 / s0}
		if d := s0*s2 - s1*s1; s1 > 0 && d > 1e-9*s0*s2 { // not all in one place
			out[i].value = (s2*v0 - s1*v1) / d
		}
	}
	return out
}

// quantile returns the value below which a share of sorted values lies.
func quantile(sorted []float64, share float64) float64 {
	return sorted[int(math.Round(share*float64(len(sorted)-1)))]
}
