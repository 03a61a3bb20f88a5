package curves

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/plot"
	"github.com/facodec-go/facodec/internal/plural"
)

// A Layout is how a picture is to look.
type Layout struct {
	Format        plot.Format
	Width, Height int     // pixels; Height 0 is what the panels like
	Title         string  // above all; "" for none
	Curves        []Curve // where losses are drawn
}

// The styles and distances in pixels.
var (
	titleStyle = plot.Style{Size: 17, Bold: true, Color: plot.Ink}
	runStyle   = plot.Style{Size: 14, Bold: true, Color: plot.Ink}
	groupStyle = plot.Style{Size: 13, Bold: true, Color: plot.Ink}
	nameStyle  = plot.Style{Size: 12, Color: plot.Ink}
	labelStyle = plot.Style{Size: 12, Color: plot.Gray}
	smallStyle = plot.Style{Size: 10.5, Color: plot.Gray}
	tinyStyle  = plot.Style{Size: 8.5, Color: plot.Gray}
)

const (
	margin      = 16
	titleHeight = 30
	runHeight   = 22 // a line of the runs' names
	groupHeight = 30
	lineHeight  = 16  // of a panel's head
	stepsHeight = 18  // below a panel
	nameHeight  = 26  // of the step axis, below all
	rowGap      = 12  // between rows
	labelWidth  = 42  // left of a panel
	columnGap   = 16  // between columns
	columnWidth = 262 // of a panel with its labels: what it likes
	plotHeight  = 128 // what it likes
	leastHeight = 48
)

// A figure is a picture while it is drawn.
type figure struct {
	*plot.Canvas
	runs    []*Run
	layout  []group
	steps   plot.Axis // From and To are those of a panel at 0
	ticks   []plot.Tick
	columns int
	width   float64 // of a cell, with its labels
}

// A row is panels beside each other.
type row struct {
	group string // above the first row of a group
	cells []*cell
	lines int // of the highest head
}

// Draw draws runs over each other. It refuses a picture that is too small.
func Draw(runs []*Run, o Layout) (*plot.Canvas, error) {
	f := newFigure(runs, o)
	names, namesHeight := f.nameRuns()
	rows := f.rows()
	fixed := float64(margin + nameHeight + namesHeight)
	if o.Title != "" {
		fixed += titleHeight
	}
	for i, r := range rows {
		fixed += float64(r.lines*lineHeight) + stepsHeight
		if r.group != "" {
			fixed += groupHeight
		} else if i > 0 {
			fixed += rowGap
		}
	}
	unit := float64(plotHeight)
	if o.Height == 0 {
		unit = math.Floor(min(unit, (plot.MaxSize-fixed)/float64(len(rows))))
		o.Height = max(int(fixed+unit*float64(len(rows))), plot.MinSize)
	} else {
		unit = math.Floor((float64(o.Height) - fixed) / float64(len(rows)))
	}
	if unit < leastHeight {
		need := int(fixed) + leastHeight*len(rows)
		if need > plot.MaxSize {
			return nil, errors.New("there are too many curves for a picture of this width")
		}
		return nil, fmt.Errorf("a picture %s high is too low for these curves; it takes at least %d", plural.Of(o.Height, "pixel"), need)
	}
	f.Canvas = plot.NewCanvas(o.Format, o.Width, o.Height)
	y := float64(margin)
	if o.Title != "" {
		f.Text(margin, y+8, plot.Fit(o.Title, titleStyle, float64(o.Width-2*margin)), plot.Left, titleStyle)
		y += titleHeight
	}
	for _, n := range names {
		n.draw(f, y)
	}
	y += float64(namesHeight)
	for i, r := range rows {
		if r.group != "" {
			f.drawGroup(r.group, y)
			y += groupHeight
		} else if i > 0 {
			y += rowGap
		}
		y += float64(r.lines * lineHeight)
		for column, c := range r.cells {
			c.draw(f, float64(margin)+float64(column)*(f.width+columnGap), y, unit)
		}
		y += unit + stepsHeight
	}
	f.Text(float64(o.Width)/2, y+10, "training step", plot.Center, labelStyle)
	return f.Canvas, nil
}

// newFigure finds the columns and the step axis.
func newFigure(runs []*Run, o Layout) *figure {
	room := float64(o.Width - 2*margin)
	f := &figure{runs: runs, layout: layoutWith(o.Curves), columns: max(1, int((room+columnGap)/(columnWidth+columnGap)))}
	f.width = math.Floor((room - columnGap*float64(f.columns-1)) / float64(f.columns))
	first, last, from := math.Inf(1), math.Inf(-1), 0.0
	for _, r := range runs {
		first, last, from = min(first, r.first), max(last, r.last), max(from, r.from)
	}
	switch {
	case first == last:
		first, last = first-1, last+1
	case from == 0 && first < last/10:
		first = 0
	}
	f.steps = plot.Axis{Min: first, Max: last, From: labelWidth, To: f.width}
	for _, t := range f.steps.Round(46) {
		if t.Value == math.Round(t.Value) && t.Value >= 0 {
			f.ticks = append(f.ticks, plot.Tick{Value: t.Value, Label: stepLabel(t.Value, last)})
		}
	}
	return f
}

// stepLabel prints a round step, in thousands or millions on a long axis.
func stepLabel(step, last float64) string {
	unit := ""
	switch {
	case step == 0:
		return "0" // and not -0
	case last >= 1e6:
		step, unit = step/1e6, "M"
	case last >= 1e4:
		step, unit = step/1e3, "k"
	}
	return strconv.FormatFloat(step, 'g', 6, 64) + unit
}

// A runName is a name in the picture's head, with its color where there are
// several.
type runName struct {
	x, y  float64
	text  string
	steps string
	color int // -1 for none
}

const (
	swatch   = 18 // a line of the color, before the name
	namesGap = 26
)

// nameRuns places the names of the runs in lines.
func (f *figure) nameRuns() (names []runName, height int) {
	right := float64(margin) + float64(f.columns)*(f.width+columnGap) - columnGap
	x, y := float64(margin), 0.0
	for i, r := range f.runs {
		n := runName{text: plot.Fit(r.Name, runStyle, (right-margin)*0.7), steps: stepsText(r), color: i}
		width := plot.TextWidth(n.text, runStyle) + 8 + plot.TextWidth(n.steps, smallStyle)
		if len(f.runs) == 1 {
			n.color = -1
		} else {
			width += swatch + 6
		}
		if x > margin && x+width > right {
			x, y = margin, y+runHeight
		}
		n.x, n.y = x, y
		x += width + namesGap
		names = append(names, n)
	}
	return names, int(y) + runHeight
}

// stepsText says how far a run is.
func stepsText(r *Run) string {
	last := thousands(int64(r.last))
	if r.first > r.last/10 && r.first > 0 {
		return "steps " + thousands(int64(r.first)) + " to " + last
	}
	if last == "1" {
		return "1 step"
	}
	return last + " steps"
}

// thousands prints a number with its digits in groups.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && len(digits) > 4 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func (n runName) draw(f *figure, top float64) {
	x, y := n.x, top+n.y+7
	if n.color >= 0 {
		f.Line([]plot.Point{{X: x, Y: y}, {X: x + swatch, Y: y}}, 3, plot.Category(n.color))
		x += swatch + 6
	}
	f.Text(x, y, n.text, plot.Left, runStyle)
	f.Text(x+plot.TextWidth(n.text, runStyle)+8, y, n.steps, plot.Left, smallStyle)
}

// drawGroup writes a group's name on a rule.
func (f *figure) drawGroup(name string, y float64) {
	right := float64(margin) + float64(f.columns)*(f.width+columnGap) - columnGap
	y = math.Round(y) + 17
	name = plot.Fit(name, groupStyle, right-margin)
	f.Text(margin, y, name, plot.Left, groupStyle)
	if from := margin + plot.TextWidth(name, groupStyle) + 10; from < right {
		f.Line([]plot.Point{{X: from, Y: y + 0.5}, {X: right, Y: y + 0.5}}, 1, plot.Frame)
	}
}

// rows fills rows with the panels of the groups.
func (f *figure) rows() (rows []row) {
	for _, g := range arrange(f.layout, f.runs) {
		for i := 0; i < len(g.panels); i += f.columns {
			var r row
			if i == 0 {
				r.group = g.name
			}
			for _, p := range g.panels[i:min(i+f.columns, len(g.panels))] {
				c := newCell(f, p)
				r.cells = append(r.cells, c)
				r.lines = max(r.lines, c.headLines())
			}
			rows = append(rows, r)
		}
	}
	return rows
}
