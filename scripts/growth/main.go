// Growth draws docs/growth.png of docs/growth.csv: CPU time and peak memory of
// reconstruct over the length of a recording.
//
//	go run ./scripts/growth docs/growth.csv docs/growth.png
//
// A line of the table is a name, the seconds of sound, the seconds of CPU time and the peak
// memory in MB, as `/usr/bin/time -f '%U %S %M' facodec reconstruct` measures them.
package main

import (
	"encoding/csv"
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/facodec-go/facodec/internal/plot"
)

// A series is the measurements of one model.
type series struct {
	name                 string
	seconds, cpu, memory []float64
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("growth: ")
	if len(os.Args) != 3 {
		log.Fatal("usage: growth TABLE.csv PICTURE.png")
	}
	all, err := read(os.Args[1])
	if err == nil {
		err = draw(all, os.Args[2])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func read(path string) (all []series, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment, r.FieldsPerRecord = '#', 4
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, row := range rows {
		var v [3]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(row[1+i], 64); err != nil || v[i] <= 0 {
				return nil, fmt.Errorf("%s: %q is no positive number", path, row[1+i])
			}
		}
		i := slices.IndexFunc(all, func(s series) bool { return s.name == row[0] })
		if i < 0 {
			i, all = len(all), append(all, series{name: row[0]})
		}
		s := &all[i]
		s.seconds, s.cpu, s.memory = append(s.seconds, v[0]), append(s.cpu, v[1]), append(s.memory, v[2])
	}
	return all, nil
}

// The picture, in pixels.
const (
	width, height       = 900, 380
	left, right         = 70, 20 // of a panel
	top, bottom         = 50, 60
	panelWidth          = width / 2
	small, letters, gap = 12, 14, 40
)

func draw(all []series, path string) error {
	format, err := plot.FormatOf(path)
	if err != nil {
		return err
	}
	c := plot.NewCanvas(format, width, height)
	panel(c, 0, all, "CPU time (s)", math.Log10, func(s series) []float64 { return s.cpu })
	panel(c, panelWidth, all, "peak memory (MB)", nil, func(s series) []float64 { return s.memory })
	return c.Save(path)
}

// panel draws one value of all series, from pixel x0 on.
func panel(c *plot.Canvas, x0 float64, all []series, title string, scale func(float64) float64, of func(series) []float64) {
	label := plot.Style{Size: small, Color: plot.Gray}
	x := plot.Axis{Min: 1, Max: 3600, From: x0 + left, To: x0 + panelWidth - right, Scale: math.Log10}
	y := plot.Axis{From: height - bottom, To: top, Scale: scale}
	if scale != nil {
		y.Min = math.Inf(1)
	}
	for _, s := range all {
		y.Max = max(y.Max, 1.1*slices.Max(of(s)))
		if scale != nil {
			y.Min = min(y.Min, 0.8*slices.Min(of(s)))
		}
	}
	ticks := y.Round(gap)
	if scale != nil {
		ticks = y.Decades(gap)
	}
	for _, t := range ticks {
		at := y.At(t.Value)
		c.Line([]plot.Point{{X: x.From, Y: at}, {X: x.To, Y: at}}, 1, plot.Grid)
		c.Text(x.From-8, at, t.Label, plot.Right, label)
	}
	for _, t := range []struct {
		seconds float64
		label   string
	}{{1, "1 s"}, {10, "10 s"}, {60, "1 min"}, {600, "10 min"}, {3600, "1 h"}} {
		at := x.At(t.seconds)
		c.Line([]plot.Point{{X: at, Y: y.From}, {X: at, Y: y.To}}, 1, plot.Grid)
		c.Text(at, y.From+16, t.label, plot.Center, label)
	}
	c.Line([]plot.Point{{X: x.From, Y: y.To}, {X: x.From, Y: y.From}, {X: x.To, Y: y.From}}, 1, plot.Frame)
	c.Text(x.From, top-22, title, plot.Left, plot.Style{Size: letters, Bold: true, Color: plot.Ink})
	c.Text((x.From+x.To)/2, y.From+38, "length of the recording", plot.Center, label)
	for i, s := range all {
		var line []plot.Point
		for j, seconds := range s.seconds {
			p := plot.Point{X: x.At(seconds), Y: y.At(of(s)[j])}
			c.Rect(p.X-3, p.Y-3, 6, 6, plot.Category(i))
			line = append(line, p)
		}
		c.Line(line, 1.5, plot.Category(i))
		name := plot.Style{Size: small, Bold: true, Color: plot.Category(i)}
		c.Text(x.To, y.To+16*float64(i)-22, s.name, plot.Right, name)
	}
}
