// Package plot draws pictures: a canvas in pixels that becomes PNG or SVG, axes
// with round ticks, color maps. It uses the vector graphics and fonts of
// gonum/plot, but not its plots, which have neither images nor shared axes.
package plot

import (
	"fmt"
	"image"
	"image/color"
	"path/filepath"
	"strings"
	"unicode"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Format is a picture's file format.
type Format string

// The formats.
const (
	PNG Format = "png"
	SVG Format = "svg"
)

// FormatOf returns the format that the file extension sets.
func FormatOf(path string) (Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png":
		return PNG, nil
	case ".svg":
		return SVG, nil
	}
	return "", fmt.Errorf("%s: the file extension names no picture format; use .png or .svg", path)
}

// MinSize and MaxSize bound a picture's width and height in pixels.
const (
	MinSize = 200
	MaxSize = 10000
)

// A pixel is 1/96 inch, as in CSS, so that an SVG is shown as large as the PNG.
const dpi = 96

// A Canvas is a white picture to draw on. Positions are in pixels from the top
// left corner; lines of whole pixels are crisp with centers at halves.
type Canvas struct {
	Width, Height int
	vg            vg.Canvas
	format        Format
}

// NewCanvas returns a canvas whose size is MinSize to MaxSize each way.
func NewCanvas(format Format, width, height int) *Canvas {
	c := &Canvas{Width: width, Height: height, format: format}
	w, h := length(float64(width)), length(float64(height))
	if format == SVG {
		c.vg = vgsvg.New(w, h)
		c.Rect(0, 0, float64(width), float64(height), color.White)
	} else {
		c.vg = vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(dpi))
	}
	return c
}

func length(px float64) vg.Length { return vg.Length(px) * vg.Inch / dpi }

func (c *Canvas) point(x, y float64) vg.Point {
	return vg.Point{X: length(x), Y: length(float64(c.Height) - y)}
}

// Rect fills a rectangle.
func (c *Canvas) Rect(x, y, w, h float64, fill color.Color) {
	c.Polygon([]Point{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, fill)
}

// A Point is a position on the canvas.
type Point struct{ X, Y float64 }

// Polygon fills the area within a line.
func (c *Canvas) Polygon(points []Point, fill color.Color) {
	if len(points) < 3 {
		return
	}
	path := c.path(points)
	path.Close()
	c.vg.SetColor(fill)
	c.vg.Fill(path)
}

// Line strokes a line through points.
func (c *Canvas) Line(points []Point, width float64, stroke color.Color) {
	if len(points) < 2 {
		return
	}
	c.vg.SetColor(stroke)
	c.vg.SetLineWidth(length(width))
	c.vg.Stroke(c.path(points))
}

func (c *Canvas) path(points []Point) vg.Path {
	var path vg.Path
	for i, p := range points {
		if i == 0 {
			path.Move(c.point(p.X, p.Y))
		} else {
			path.Line(c.point(p.X, p.Y))
		}
	}
	return path
}

// Image puts an image with its top left corner at x, y, one pixel a pixel.
func (c *Canvas) Image(x, y int, img image.Image) {
	size := img.Bounds().Size()
	c.vg.DrawImage(vg.Rectangle{
		Min: c.point(float64(x), float64(y+size.Y)),
		Max: c.point(float64(x+size.X), float64(y)),
	}, img)
}

// Align says which point of a text is at its position.
type Align int

// The alignments of a text.
const (
	Left Align = iota
	Center
	Right
)

// A Style is how a text looks. Size is that of its letters in pixels.
type Style struct {
	Size  float64
	Bold  bool
	Color color.Color
}

var fonts = font.NewCache(liberation.Collection())

func (s Style) face() font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if s.Bold {
		f.Weight = 3 // golang.org/x/image/font.WeightBold
	}
	return fonts.Lookup(f, length(s.Size))
}

// TextWidth returns how many pixels wide a text is.
func TextWidth(text string, s Style) float64 {
	face := s.face()
	return float64(face.Width(printable(text)) / vg.Inch * dpi)
}

// Text writes a line of text with the middle of its small letters at y.
func (c *Canvas) Text(x, y float64, text string, align Align, s Style) {
	text = printable(text)
	x -= float64(align) / 2 * TextWidth(text, s)
	c.vg.SetColor(s.Color)
	c.vg.FillString(s.face(), c.point(x, y+0.35*s.Size), text)
}

// TextUp writes a text that reads upwards, centered on a point.
func (c *Canvas) TextUp(x, y float64, text string, s Style) {
	text = printable(text)
	c.vg.Push()
	defer c.vg.Pop()
	c.vg.Translate(c.point(x+0.35*s.Size, y))
	c.vg.Rotate(rightAngle)
	c.vg.SetColor(s.Color)
	c.vg.FillString(s.face(), vg.Point{X: -length(TextWidth(text, s) / 2)}, text)
}

// Fit shortens a text in its middle to a width in pixels: names of files differ
// at both ends.
func Fit(text string, s Style, width float64) string {
	text = printable(text)
	letters := []rune(text)
	for keep := len(letters); TextWidth(text, s) > width && keep > 1; {
		keep--
		text = string(letters[:keep/2]) + "…" + string(letters[len(letters)-(keep-keep/2):])
	}
	return text
}

// printable keeps out of a picture what neither a font nor XML has: files may be
// called anything.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
