package audio

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/filterdesign"
	"github.com/facodec-go/facodec/internal/kernel"
)

// The design of the resampling filter. 96 zero crossings under this Kaiser window
// leave a transition of 0.1 of the lower Nyquist frequency around the cut-off:
// flat below 0.905, more than 140 dB down above 1.005.
const (
	zeroCrossings = 96
	rolloff       = 0.958
)

var kaiser = filterdesign.Kaiser(14.77)

const (
	// maxPhaseCoefs is the largest filter, in coefficients of all phases, that is
	// computed as products. All pairs of common rates need less than a tenth of it.
	maxPhaseCoefs = 1 << 19
	// tableDensity is the number of rows per zero crossing of a table that is
	// interpolated between rows. Straight lines between rows leave images
	// (1/(2*density))² down, about -150 dB, and the table takes 3.5 MB.
	tableDensity = 4096
)

// A filter is the sinc filter between two rates. Output j lies j·down/up input samples
// after input 0 and sees half input samples to each side.
//
// Rates with few phases have panels, the others an interpolated table.
type filter struct {
	up, down int     // the ratio to/from in lowest terms: phases per input sample, and the step of one output
	half     int     // input samples that an output sees to each side
	scale    float64 // the cut-off, relative to the input's Nyquist frequency
	period   int     // outputs after which everything repeats: a multiple of up

	panels []panel // of the outputs of a period

	// table holds a row of 2·half coefficients for each of rows phases of an input sample,
	// and one more, the end of the last interval. Row q is that of an output that lies
	// q/rows input samples after the center of its window.
	rows  int
	table []float32
}

// A panel is the coefficients of kernel.Width successive outputs over all the input that
// they see, zero where one does not see it.
//
// Sums of float32 lose least where they are short and where what is small is added first.
// The input is therefore cut into parts of partLen samples, one of which ends with the
// last main lobe; so many parts in a row are added, and the sums of these groups from the
// tails of the window inwards. Errors then lie more than 140 dB down.
type panel struct {
	first  int // its first input, relative to that of the period's first output
	groups [][]panelPart
}

const (
	partLen    = 12
	groupParts = 4
	panelBlock = 60 // periods that are summed at a time
)

// A panelPart is a range of a panel's input.
type panelPart struct {
	at      int // relative to panel.first
	weights *kernel.Panels
}

func newFilter(from, to int) *filter {
	up, down := filterdesign.Ratio(from, to)
	// A lower output rate stretches the filter, so that it cuts at the output's
	// Nyquist frequency instead of the input's.
	f := &filter{up: up, down: down, scale: rolloff * min(1, float64(to)/float64(from)), period: up}
	f.half = int(math.Ceil(zeroCrossings / f.scale))
	if up*2*f.half > maxPhaseCoefs {
		f.makeTable()
	} else {
		f.makePanels()
	}
	return f
}

// coef returns the filter at an input that lies t input samples after the output.
func (f *filter) coef(t float64) float64 {
	return f.scale * filterdesign.Sinc(f.scale*t) * kaiser(t*f.scale/zeroCrossings)
}

func (f *filter) makeTable() {
	f.rows = int(math.Ceil(tableDensity * f.scale))
	taps := 2 * f.half
	f.table = make([]float32, (f.rows+1)*taps)
	for q := range f.rows + 1 {
		for k := range taps {
			f.table[q*taps+k] = float32(f.coef(float64(k-f.half+1) - float64(q)/float64(f.rows)))
		}
	}
}

// makePanels makes the panels of a period that leaves few columns unused.
func (f *filter) makePanels() {
	unused := func(outputs int) float64 {
		columns := (outputs + kernel.Width - 1) / kernel.Width * kernel.Width
		return float64(columns-outputs) / float64(columns)
	}
	for n := f.up; n <= kernel.Width*f.up && n*2*f.half <= maxPhaseCoefs; n += f.up {
		if unused(n) < unused(f.period) {
			f.period = n
		}
		if unused(f.period) < 0.1 {
			break
		}
	}
	for j := 0; j < f.period; j += kernel.Width {
		f.panels = append(f.panels, f.newPanel(j))
	}
}

// newPanel makes the panel of the outputs of a period from the one at j on.
func (f *filter) newPanel(j int) panel {
	last := min(j+kernel.Width, f.period) - 1
	p := panel{first: f.before(j) - f.half + 1}
	span := f.before(last) + f.half + 1 - p.first // inputs that any of them sees
	var parts []panelPart
	lobe := f.before(last) + int(math.Ceil(1/f.scale)) + 1 - p.first
	for at, end := 0, lobe%partLen; at < span; at, end = end, min(end+partLen, span) {
		if at == end {
			continue
		}
		w := kernel.NewPanels(nil, 1, end-at, kernel.Width)
		for k := range w.K {
			for n := j; n <= last; n++ {
				if d := p.first + at + k - f.before(n); d > -f.half && d <= f.half {
					w.Data[w.Index(0, k, n-j)] = float32(f.coef(float64(d) - f.phase(n)))
				}
			}
		}
		parts = append(parts, panelPart{at, w})
	}
	p.groups = slices.Collect(slices.Chunk(parts, groupParts))
	slices.SortStableFunc(p.groups, func(a, b []panelPart) int {
		fromCenter := func(g []panelPart) int { return max(span-2*g[0].at, 2*g[0].at-span) }
		return fromCenter(b) - fromCenter(a)
	})
	return p
}

// phase returns how far an output of a period lies behind the input sample before it, in
// input samples.
func (f *filter) phase(j int) float64 {
	return float64(int64(j)*int64(f.down)%int64(f.up)) / float64(f.up)
}

// before returns the input sample at or before an output of a period, counted from that of
// its first.
func (f *filter) before(j int) int { return int(int64(j) * int64(f.down) / int64(f.up)) }

// bytes returns how much memory the coefficients take.
func (f *filter) bytes() int {
	n := 4 * len(f.table)
	for _, p := range f.panels {
		for _, part := range slices.Concat(p.groups...) {
			n += 4 * len(part.weights.Data)
		}
	}
	return n
}

// step is how many inputs a period takes.
func (f *filter) step() int { return f.before(f.period) }

// A filterScratch is the memory that a filter computes in.
type filterScratch struct {
	out              []float32                          // outputs, in rows of a period
	sum, group, part [panelBlock * kernel.Width]float32 // of a panel, in rows of kernel.Width
	product          kernel.Product
}

// apply appends outputs from to to, counted from the first of the period that begins at
// hist[origin]. hist holds the windows of these outputs and of those that share their
// panels (see reach); in place of what is not known yet it holds zeros.
func (f *filter) apply(dst, hist []float32, origin, from, to int, s *filterScratch) []float32 {
	if f.table != nil {
		for j := from; j < to; j++ {
			at := origin + f.before(j) - f.half + 1
			dst = append(dst, f.interpolated(hist[at:at+2*f.half], int64(j)*int64(f.down)%int64(f.up)))
		}
		return dst
	}
	columns := len(f.panels) * kernel.Width
	first, end := from/f.period, (to+f.period-1)/f.period
	s.out = slices.Grow(s.out[:0], (end-first)*columns)[:(end-first)*columns]
	for q := range f.panels {
		// Not all panels of the first and of the last period are wanted.
		a, b := first, end
		if a*f.period+(q+1)*kernel.Width <= from {
			a++
		}
		if (b-1)*f.period+q*kernel.Width >= to {
			b--
		}
		for ; a < b; a += panelBlock {
			n := min(panelBlock, b-a)
			f.sum(&f.panels[q], hist[origin+a*f.step()+f.panels[q].first:], n, s)
			for row := range n {
				copy(s.out[(a-first+row)*columns+q*kernel.Width:], s.sum[row*kernel.Width:][:kernel.Width])
			}
		}
	}
	for from < to {
		row, column := from/f.period-first, from%f.period
		n := min(to-from, f.period-column)
		dst = append(dst, s.out[row*columns+column:][:n]...)
		from += n
	}
	return dst
}

// sum computes a panel's outputs of up to panelBlock periods, the first of which has x for
// the panel's input: s.sum.
func (f *filter) sum(p *panel, x []float32, periods int, s *filterScratch) {
	n := periods * kernel.Width
	for g, parts := range p.groups {
		group := s.sum[:n]
		if g > 0 {
			group = s.group[:n]
		}
		for i, part := range parts {
			into := group
			if i > 0 {
				into = s.part[:n]
			}
			s.product = kernel.Product{Dst: into, LdDst: kernel.Width, A: x[part.at:], LdA: f.step(), W: part.weights}
			s.product.Run(0, periods, 0, 1)
			if i > 0 {
				kernel.Add(group, group, into)
			}
		}
		if g > 0 {
			kernel.Add(s.sum[:n], s.sum[:n], group)
		}
	}
}

// reach returns the position behind the input that output j and those of its panel see,
// counted as before.
func (f *filter) reach(j int) int {
	if f.table == nil {
		begin := j / f.period * f.period
		j = begin + min((j-begin)/kernel.Width*kernel.Width+kernel.Width, f.period) - 1
	}
	return f.before(j) + f.half + 1
}

// need returns the first input that output j and those of its panel see.
func (f *filter) need(j int) int { return f.before(j/kernel.Width*kernel.Width) - f.half + 1 }

// ready returns the number of outputs whose windows end before an input, counted as before.
func (f *filter) ready(end int) int {
	if end <= f.half {
		return 0
	}
	return int((int64(end-f.half)*int64(f.up) + int64(f.down) - 1) / int64(f.down))
}

// interpolated returns the output that lies phase/up input samples after the center,
// window[half-1], of its window.
func (f *filter) interpolated(window []float32, phase int64) float32 {
	taps := len(window)
	pos := phase * int64(f.rows)
	q := int(pos / int64(f.up))
	frac := float64(pos%int64(f.up)) / float64(f.up)
	a := kernel.Dot(f.table[q*taps:(q+1)*taps], window)
	b := kernel.Dot(f.table[(q+1)*taps:(q+2)*taps], window)
	return float32(a + frac*(b-a))
}
