package curves

import (
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/plot"
)

// A cell is a panel with its curves, ready to be drawn.
type cell struct {
	title     string
	series    []series
	legend    [][]entry // lines of it
	beside    bool      // the legend is right of the title and not below
	scale     func(float64) float64
	log       bool
	low, high float64 // of the panel, on the scale
	power     int     // the values of the axis are in units of 10 to this
}

// A series is a curve of a cell.
type series struct {
	label string
	color color.RGBA
	trace trace
	lost  []float64
	value string // the last one
}

// An entry is one of a legend.
type entry struct {
	x    float64 // from the panel's left
	text string
	of   *series
}

// The width of the smoothing as a share of the panel's, and the ratio of highest to
// lowest from which a logarithmic scale shows more.
const (
	smoothing = 0.018
	logRatio  = 8
)

func newCell(f *figure, p panel) *cell {
	c := &cell{title: p.title, scale: func(v float64) float64 { return v }}
	var curves []*curve
	for _, l := range p.lines {
		for i, r := range f.runs {
			if found := r.curves[l.tag]; found != nil {
				n := i
				if len(f.runs) == 1 {
					n = len(curves)
				}
				curves = append(curves, found)
				c.series = append(c.series, series{label: l.label, color: plot.Category(n), lost: found.lost})
			}
		}
	}
	if p.kind == positive && wantsLog(curves) {
		c.log, c.scale = true, math.Log10
	}
	pixel := (f.steps.Max - f.steps.Min) / (f.steps.To - f.steps.From)
	width := smoothing * (f.steps.Max - f.steps.Min)
	if p.kind == exact {
		width = 0
	}
	for i, curve := range curves {
		s := &c.series[i]
		s.trace = newTrace(curve.points, c.scale, pixel, width)
		s.value = s.lastValue(curve, c.log)
	}
	c.setLimits()
	c.setLegend(f.width-labelWidth, len(f.runs) == 1)
	return c
}

// wantsLog says whether curves are better seen on a logarithmic scale: all are
// positive and they, or a start that is soon left, are orders of magnitude apart.
func wantsLog(curves []*curve) bool {
	low, high := math.Inf(1), 0.0
	for _, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		values := c.sorted()
		if values[0] <= 0 {
			return false
		}
		low = min(low, quantile(values, 0.01))
		high = max(high, quantile(values, 0.99), c.points[0].value)
	}
	return high/low > logRatio
}

func (c *curve) sorted() []float64 {
	values := make([]float64, len(c.points))
	for i, p := range c.points {
		values[i] = p.value
	}
	slices.Sort(values)
	return values
}

// lastValue prints where a curve ends: the smooth line, since a single step says
// little.
func (s *series) lastValue(c *curve, log bool) string {
	n := len(s.trace.smooth)
	switch {
	case math.IsNaN(c.last):
		return "NaN"
	case math.IsInf(c.last, 0) || n == 0:
		return value(c.last)
	case log:
		return value(math.Pow(10, s.trace.smooth[n-1].value))
	}
	return value(s.trace.smooth[n-1].value)
}

// value prints a number to three digits; a whole one, a count say, as it is.
func value(v float64) string {
	var s string
	switch a := math.Abs(v); {
	case math.IsInf(v, 1):
		return "∞"
	case math.IsInf(v, -1):
		return "−∞"
	case a >= 1e6, a < 1e-3 && a > 0:
		s = strconv.FormatFloat(v, 'g', 3, 64)
	case v == math.Round(v) || a >= 100:
		s = strconv.FormatFloat(math.Round(v)+0, 'f', 0, 64) // +0: no -0
	default:
		s = strconv.FormatFloat(v, 'f', 2-int(math.Floor(math.Log10(a))), 64)
	}
	return strings.NewReplacer("e+0", "e", "e+", "e", "e-0", "e−", "-", "−").Replace(s)
}

// setLimits finds the panel's range: all of the lines, and of what is behind them
// all but the rare spikes, which would press everything else flat.
func (c *cell) setLimits() {
	low, high := math.Inf(1), math.Inf(-1)
	var behind []float64
	for _, s := range c.series {
		for _, p := range s.trace.line() {
			low, high = min(low, p.value), max(high, p.value)
		}
		for _, b := range s.trace.raw {
			behind = append(behind, b.low, b.high)
		}
	}
	if len(behind) == 0 {
		c.low, c.high = 0, 1 // nothing finite
		return
	}
	slices.Sort(behind)
	low, high = min(low, quantile(behind, 0.005)), max(high, quantile(behind, 0.995))
	if high-low <= 0.002*max(math.Abs(low), math.Abs(high)) { // a constant lies in the middle
		room := 0.5 * math.Abs(low)
		if c.log || room == 0 {
			room = 1
		}
		low, high = low-room, high+room
	}
	room := 0.06 * (high - low)
	c.low, c.high = low-room, high+room
	if !c.log && low >= 0 && low < 0.4*high {
		c.low = min(0, low) // how large something is shows best from zero on
	}
	if a := max(math.Abs(c.low), math.Abs(c.high)); !c.log && (a < 0.01 || a >= 1e5) {
		c.power = int(math.Floor(math.Log10(a)))
	}
}

// setLegend places what is in the panel's head beside its title: the last values
// right of the title; or below it, with the curves' names if a panel of one run
// has several, or where there is no room.
func (c *cell) setLegend(width float64, one bool) {
	const gap = 10
	named := one && len(c.series) > 1
	x := 0.0
	var line []entry
	for i := range c.series {
		s := &c.series[i]
		text := s.value
		if named {
			text = s.label + " " + text
		}
		w := plot.TextWidth(text, valueStyle(s))
		if len(line) > 0 && x+w > width {
			c.legend, line, x = append(c.legend, line), nil, 0
		}
		line = append(line, entry{x, text, s})
		x += w + gap
	}
	c.legend = append(c.legend, line)
	if title := c.titleWidth(); !named && len(c.legend) == 1 && title+x <= width {
		for i := range line {
			line[i].x += width - x + gap
		}
		c.beside = true
	}
}

func valueStyle(s *series) plot.Style {
	return plot.Style{Size: smallStyle.Size, Bold: true, Color: s.color}
}

func (c *cell) headLines() int {
	if c.beside {
		return 1
	}
	return 1 + len(c.legend)
}

// draw draws the cell with its left at x and its panel from top down.
func (c *cell) draw(f *figure, x, top, height float64) {
	left, right := math.Round(x)+labelWidth, math.Round(x)+f.width
	top = math.Round(top)
	steps := f.steps
	steps.From, steps.To = left, right
	axis := plot.Axis{Min: c.low, Max: c.high, From: top + height, To: top}
	c.drawHead(f, left, right, top)
	for _, t := range f.ticks {
		at := math.Round(steps.At(t.Value)) + 0.5
		f.Line([]plot.Point{{X: at, Y: top}, {X: at, Y: top + height}}, 1, plot.Grid)
		f.Text(at, top+height+10, t.Label, plot.Center, smallStyle)
	}
	for _, t := range c.ticks(axis) {
		at := math.Round(axis.At(t.Value)) + 0.5
		f.Line([]plot.Point{{X: left, Y: at}, {X: right, Y: at}}, 1, plot.Grid)
		f.Text(left-5, at, t.Label, plot.Right, smallStyle)
	}
	f.Line([]plot.Point{{X: left - 0.5, Y: top}, {X: left - 0.5, Y: top + height + 0.5}, {X: right, Y: top + height + 0.5}}, 1, plot.Frame)
	for _, s := range c.series {
		s.drawBehind(f, steps, axis)
	}
	for _, s := range c.series {
		s.drawLine(f, steps, axis)
	}
	for _, s := range c.series {
		s.drawLost(f, steps, top)
	}
}

// ticks returns those of the value axis, as values of the scale.
func (c *cell) ticks(axis plot.Axis) []plot.Tick {
	const gap = 26
	if !c.log {
		unit := math.Pow(10, float64(c.power))
		axis.Min, axis.Max = axis.Min/unit, axis.Max/unit
		ticks := axis.Round(gap)
		for i := range ticks {
			ticks[i].Value *= unit
		}
		return ticks
	}
	real := axis
	real.Min, real.Max, real.Scale = math.Pow(10, axis.Min), math.Pow(10, axis.Max), math.Log10
	ticks := real.Decades(gap)
	for i := range ticks {
		ticks[i].Value = math.Log10(ticks[i].Value)
	}
	return ticks
}

// times is what a title ends with where the axis has another unit than 1.
const times = "  ×10"

func (c *cell) titleWidth() float64 {
	w := plot.TextWidth(c.title, nameStyle)
	if c.power != 0 {
		w += plot.TextWidth(times, smallStyle) + plot.TextWidth("−10", tinyStyle)
	}
	return w
}

// drawHead writes the title and the legend.
func (c *cell) drawHead(f *figure, left, right, top float64) {
	y := top - 8 - float64((c.headLines()-1)*lineHeight)
	title := plot.Fit(c.title, nameStyle, right-left)
	f.Text(left, y, title, plot.Left, nameStyle)
	if c.power != 0 { // the font has no raised minus
		x := left + plot.TextWidth(title, nameStyle)
		f.Text(x, y, times, plot.Left, smallStyle)
		f.Text(x+plot.TextWidth(times, smallStyle), y-4, plot.Number(float64(c.power)), plot.Left, tinyStyle)
	}
	for i, line := range c.legend {
		if !c.beside {
			i++
		}
		for _, e := range line {
			f.Text(left+e.x, y+float64(i*lineHeight)-1, e.text, plot.Left, valueStyle(e.of))
		}
	}
}

// line is what is drawn strong.
func (t trace) line() []point {
	if t.smooth != nil {
		return t.smooth
	}
	line := make([]point, len(t.raw))
	for i, b := range t.raw {
		line[i] = point{b.step, b.mean}
	}
	return line
}

// drawBehind draws what was logged, faint, where the line is a smoothed one.
func (s *series) drawBehind(f *figure, steps, axis plot.Axis) {
	if s.trace.smooth == nil {
		return
	}
	ground := 0.22
	if len(f.runs) > 1 { // over each other
		ground = 0.15
	}
	var upper, lower, middle []plot.Point
	wide := false
	for _, b := range s.trace.raw {
		x := steps.At(b.step)
		wide = wide || b.weight > 1
		low, high := min(max(b.low, axis.Min), axis.Max), min(max(b.high, axis.Min), axis.Max)
		upper = append(upper, plot.Point{X: x, Y: axis.At(high) - 0.5})
		lower = append(lower, plot.Point{X: x, Y: axis.At(low) + 0.5})
		middle = append(middle, plot.Point{X: x, Y: axis.At(b.mean)})
	}
	if wide {
		slices.Reverse(lower)
		f.Polygon(append(upper, lower...), plot.Faint(s.color, ground))
		return
	}
	for _, part := range within(middle, axis.To, axis.From) {
		f.Line(part, 1, plot.Faint(s.color, 1.6*ground))
	}
}

func (s *series) drawLine(f *figure, steps, axis plot.Axis) {
	var line []plot.Point
	for _, p := range s.trace.line() {
		line = append(line, plot.Point{X: steps.At(p.step), Y: axis.At(p.value)})
	}
	f.Line(line, 1.7, s.color)
	if s.trace.dots {
		for _, p := range line {
			f.Polygon(disc(p, 2.2), s.color)
		}
	}
}

// drawLost marks values that are no numbers with crosses above the panel.
func (s *series) drawLost(f *figure, steps plot.Axis, top float64) {
	const arm, apart = 2.5, 6
	last := math.Inf(-1)
	for _, step := range s.lost {
		x, y := steps.At(step), top+arm+1
		if x-last < apart {
			continue
		}
		last = x
		f.Line([]plot.Point{{X: x - arm, Y: y - arm}, {X: x + arm, Y: y + arm}}, 1.5, s.color)
		f.Line([]plot.Point{{X: x - arm, Y: y + arm}, {X: x + arm, Y: y - arm}}, 1.5, s.color)
	}
}

// disc returns a circle.
func disc(center plot.Point, radius float64) (circle []plot.Point) {
	const corners = 16
	for i := range corners {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		circle = append(circle, plot.Point{X: center.X + radius*cos, Y: center.Y + radius*sin})
	}
	return circle
}

// within returns the parts of a line between two heights.
func within(line []plot.Point, top, bottom float64) (parts [][]plot.Point) {
	var part []plot.Point
	end := func() {
		if len(part) > 1 {
			parts = append(parts, part)
		}
		part = nil
	}
	for i := 1; i < len(line); i++ {
		a, b := line[i-1], line[i]
		// The stretch of a..b that is inside, from t to u.
		t, u := 0.0, 1.0
		for _, edge := range []struct{ a, b float64 }{{a.Y - top, b.Y - top}, {bottom - a.Y, bottom - b.Y}} {
			switch {
			case edge.a < 0 && edge.b < 0:
				t = 2
			case edge.a < 0:
				t = max(t, edge.a/(edge.a-edge.b))
			case edge.b < 0:
				u = min(u, edge.a/(edge.a-edge.b))
			}
		}
		if t > u {
			end()
			continue
		}
		at := func(t float64) plot.Point { return plot.Point{X: a.X + t*(b.X-a.X), Y: a.Y + t*(b.Y-a.Y)} }
		if len(part) == 0 {
			part = append(part, at(t))
		}
		part = append(part, at(u))
		if u < 1 {
			end()
		}
	}
	end()
	return parts
}
