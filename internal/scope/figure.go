package scope

import (
	"fmt"
	"math"
	"strings"

	"github.com/facodec-go/facodec/internal/plot"
	"github.com/facodec-go/facodec/internal/plural"
)

// A Layout is how a picture is to look.
type Layout struct {
	Format        plot.Format
	Width, Height int    // pixels; Height 0 is what the panels like
	Title         string // above all; "" for none
}

// The styles and distances in pixels.
var (
	titleStyle = plot.Style{Size: 17, Bold: true, Color: plot.Ink}
	nameStyle  = plot.Style{Size: 14, Bold: true, Color: plot.Ink}
	labelStyle = plot.Style{Size: 12, Color: plot.Gray}
	smallStyle = plot.Style{Size: 11, Color: plot.Gray}
)

const (
	marginTop    = 14
	marginRight  = 64 // the color bar and its labels are there
	marginBottom = 48
	titleHeight  = 30
	nameHeight   = 26
	panelGap     = 10
	groupGap     = 22
	tickLength   = 4
)

// A figure is a picture while it is drawn. Everything that is compared shares its
// scale: time, amplitude, power, pitch.
type figure struct {
	*plot.Canvas
	left, right int // of the panels
	time        plot.Axis
	loudest     float64 // amplitude
	top         float64 // power in dB
	low, high   float64 // pitch in Hz
}

// A panel is a part of a recording's group.
type panel struct {
	weight, least float64 // share of the height, and the least pixels
	draw          func(f *figure, r *Recording, top, height int)
}

var soundPanels = []panel{
	{1, 36, (*figure).drawWave},
	{2.4, 70, (*figure).drawMel},
	{1.1, 44, (*figure).drawPitch},
}

func (r *Recording) panels() (panels []panel) {
	if r.sound {
		panels = append(panels, soundPanels...)
	}
	if r.Codes != nil {
		rows := float64(len(r.Codes.Rows))
		panels = append(panels, panel{0.2 * rows, 9 * rows, (*figure).drawCodes})
	}
	return panels
}

// Draw draws recordings under each other. It refuses a picture that is too small
// for them.
func Draw(recordings []*Recording, o Layout) (*plot.Canvas, error) {
	weight, fixed, least := 0.0, float64(marginTop+marginBottom), 0.0
	if o.Title != "" {
		fixed += titleHeight
	}
	for i, r := range recordings {
		fixed += nameHeight
		if i > 0 {
			fixed += groupGap
		}
		for j, p := range r.panels() {
			weight += p.weight
			least = max(least, p.least/p.weight)
			if j > 0 {
				fixed += panelGap
			}
		}
	}
	unit := 0.0 // pixels of a panel of weight 1
	if o.Height == 0 {
		// One recording fills a screen; several are drawn smaller, since they are
		// looked at together.
		unit = max(least, 100-12*float64(min(len(recordings), 4)-1))
		unit = min(unit, (plot.MaxSize-fixed)/weight)
		o.Height = int(fixed + weight*unit)
	} else {
		unit = (float64(o.Height) - fixed) / weight
	}
	if unit < least {
		return nil, fmt.Errorf("a picture %s high is too low for %s; it takes at least %d",
			plural.Of(o.Height, "pixel"), recordingsText(len(recordings)), int(math.Ceil(fixed+weight*least)))
	}
	f := newFigure(recordings, o)
	y := float64(marginTop)
	if o.Title != "" {
		f.Text(float64(f.left), y+8, plot.Fit(o.Title, titleStyle, float64(o.Width-f.left-10)), plot.Left, titleStyle)
		y += titleHeight
	}
	for i, r := range recordings {
		if i > 0 {
			y += groupGap
		}
		f.drawName(r, int(y))
		y += nameHeight
		for j, p := range r.panels() {
			if j > 0 {
				y += panelGap
			}
			top := int(math.Round(y))
			y += p.weight * unit
			p.draw(f, r, top, int(math.Round(y))-top)
		}
	}
	f.drawTime(int(math.Round(y)))
	return f.Canvas, nil
}

func recordingsText(n int) string {
	if n == 1 {
		return "one recording"
	}
	return plural.Of(n, "recording")
}

// newFigure finds the scales.
func newFigure(recordings []*Recording, o Layout) *figure {
	f := &figure{Canvas: plot.NewCanvas(o.Format, o.Width, o.Height), low: math.Inf(1), top: -20}
	from, to := math.Inf(1), 0.0
	labels := plot.TextWidth("8000", smallStyle) + labelStyle.Size + 10
	for _, r := range recordings {
		from, to = min(from, r.from), max(to, r.to)
		e := extentOf(r.wave.within(r.from, r.to))
		if !e.empty() {
			f.loudest = max(f.loudest, float64(e.max), -float64(e.min))
		}
		for _, s := range r.mel.bins {
			for band := range s.power {
				f.top = max(f.top, s.decibels(band))
			}
		}
		if e := voiceIn(r.pitch.within(r.from, r.to)); !e.empty() {
			f.low, f.high = min(f.low, float64(e.min)), max(f.high, float64(e.max))
		}
		if r.Codes != nil {
			for _, name := range r.Codes.Names {
				labels = max(labels, plot.TextWidth(name, smallStyle))
			}
		}
	}
	f.left, f.right = int(labels)+18, o.Width-marginRight
	if f.loudest == 0 {
		f.loudest = 1
	}
	if f.high == 0 {
		f.low, f.high = 80, 320
	}
	// Some room around the pitch, and at least an octave and a half: a voice that
	// hardly moves shall not look as if it did.
	f.low, f.high = f.low/1.1, f.high*1.1
	for f.high/f.low < 2.8 {
		f.low, f.high = f.low/1.05, f.high*1.05
	}
	f.time = plot.Axis{Min: from, Max: to, From: float64(f.left), To: float64(f.right)}
	return f
}

// drawName writes what a group shows: its name, and the file's form to the right.
func (f *figure) drawName(r *Recording, y int) {
	details := fmt.Sprintf("%.2f s", r.to-r.from)
	if r.to-r.from < r.whole-0.005 {
		details = fmt.Sprintf("%.2f to %.2f s", r.from, r.to)
	}
	if r.sound {
		details += fmt.Sprintf(" · %s %g kHz", strings.ToUpper(r.Info.Format), float64(r.Info.SampleRate)/1000)
	}
	middle := float64(y) + nameHeight/2 - 3
	room := float64(f.right - f.left)
	if width := plot.TextWidth(details, smallStyle); width < room/2 {
		f.Text(float64(f.right), middle, details, plot.Right, smallStyle)
		room -= width + 16
	}
	f.Text(float64(f.left), middle, plot.Fit(r.Name, nameStyle, room), plot.Left, nameStyle)
}

// drawTime draws the axis below everything.
func (f *figure) drawTime(y int) {
	ticks, name := f.timeTicks()
	bottom := float64(y) + 0.5
	for _, t := range ticks {
		x := math.Round(f.time.At(t.Value)) + 0.5
		f.Line([]plot.Point{{X: x, Y: bottom}, {X: x, Y: bottom + tickLength}}, 1, plot.Frame)
		f.Text(x, bottom+13, t.Label, plot.Center, smallStyle)
	}
	f.Text(float64(f.left+f.right)/2, bottom+32, name, plot.Center, labelStyle)
}

func (f *figure) timeTicks() ([]plot.Tick, string) {
	gap := 64.0
	if f.time.Max >= 3600 {
		gap = 80
	}
	return f.time.Time(gap)
}
