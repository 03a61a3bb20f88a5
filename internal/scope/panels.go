package scope

import (
	"image"
	"math"

	"github.com/facodec-go/facodec/internal/plot"
)

// frame draws a panel's border and its value axis: labels, ticks and the name, in
// a shorter form where the panel is low.
func (f *figure) frame(top, height int, axis plot.Axis, ticks []plot.Tick, names ...string) {
	x, y, w, h := float64(f.left), float64(top), float64(f.right-f.left), float64(height)
	f.Line([]plot.Point{{X: x - 0.5, Y: y - 0.5}, {X: x + w + 0.5, Y: y - 0.5}, {X: x + w + 0.5, Y: y + h + 0.5},
		{X: x - 0.5, Y: y + h + 0.5}, {X: x - 0.5, Y: y - 1}}, 1, plot.Frame)
	for _, t := range ticks {
		at := math.Floor(axis.At(t.Value)) + 0.5
		f.Line([]plot.Point{{X: x - tickLength, Y: at}, {X: x, Y: at}}, 1, plot.Frame)
		f.Text(x-tickLength-3, at, t.Label, plot.Right, smallStyle)
	}
	for _, name := range names {
		if plot.TextWidth(name, labelStyle) <= h {
			f.TextUp(labelStyle.Size/2+5, y+h/2, name, labelStyle)
			break
		}
	}
}

// grid draws lines at the times that are labeled and at values.
func (f *figure) grid(top, height int, axis plot.Axis, ticks []plot.Tick) {
	times, _ := f.timeTicks()
	for _, t := range times {
		x := math.Round(f.time.At(t.Value)) + 0.5
		f.Line([]plot.Point{{X: x, Y: float64(top)}, {X: x, Y: float64(top + height)}}, 1, plot.Grid)
	}
	for _, t := range ticks {
		y := math.Floor(axis.At(t.Value)) + 0.5
		f.Line([]plot.Point{{X: float64(f.left), Y: y}, {X: float64(f.right), Y: y}}, 1, plot.Grid)
	}
}

// pixels calls do for each pixel column of a recording with the time it covers.
func (f *figure) pixels(r *Recording, do func(x int, from, to float64)) {
	step := (f.time.Max - f.time.Min) / float64(f.right-f.left)
	for x := range f.right - f.left {
		from := f.time.Min + float64(x)*step
		if middle := from + step/2; middle >= r.from && middle < r.to {
			do(x, from, from+step)
		}
	}
}

func (f *figure) drawWave(r *Recording, top, height int) {
	axis := plot.Axis{Min: -1.08 * f.loudest, Max: 1.08 * f.loudest, From: float64(top + height), To: float64(top)}
	ticks := axis.Round(17)
	f.grid(top, height, axis, ticks)
	shown := r.wave.within(r.from, r.to)
	if len(shown) < f.right-f.left {
		// Zoomed in so far that samples are apart: the line through them.
		var line []plot.Point
		for i, e := range r.wave.bins {
			at := f.time.At(r.wave.start + float64(i)*r.wave.step)
			line = append(line, plot.Point{X: at, Y: axis.At(float64(e.min+e.max) / 2)})
		}
		f.Line(line, 1.2, plot.Blue)
	} else {
		var upper, lower []plot.Point
		f.pixels(r, func(x int, from, to float64) {
			e := extentOf(r.wave.within(from, to))
			if e.empty() {
				return
			}
			at := float64(f.left+x) + 0.5
			high, low := axis.At(float64(e.max)), axis.At(float64(e.min))
			if low-high < 1 { // silence is a thin line and not nothing
				high, low = (high+low-1)/2, (high+low+1)/2
			}
			upper, lower = append(upper, plot.Point{X: at, Y: high}), append(lower, plot.Point{X: at, Y: low})
		})
		for i := len(lower) - 1; i >= 0; i-- {
			upper = append(upper, lower[i])
		}
		f.Polygon(upper, plot.Blue)
	}
	f.frame(top, height, axis, ticks, "amplitude", "amp.")
}

// decibels returns a band's mean power in dB.
func (s spectrum) decibels(band int) float64 {
	return 10 * math.Log10(s.power[band]/float64(s.frames))
}

// The range of the spectrogram's colors below the loudest of all.
const melRange = 80.0

func hzToMel(f float64) float64 { return 2595 * math.Log10(1+f/700) }

func (f *figure) drawMel(r *Recording, top, height int) {
	img := image.NewRGBA(image.Rect(0, 0, f.right-f.left, height))
	for i := range img.Pix {
		img.Pix[i] = 0xff // where a shorter recording has ended
	}
	column := make([]float64, melBands)
	f.pixels(r, func(x int, from, to float64) {
		r.melAt(column, from, to)
		for y := range height {
			// The middle of band i is the i+1st of melBands+2 edges.
			band := (1-(float64(y)+0.5)/float64(height))*(melBands+1) - 1
			band = min(max(band, 0), melBands-1)
			i := min(int(band), melBands-2)
			v := column[i] + (band-float64(i))*(column[i+1]-column[i])
			img.SetRGBA(x, y, plot.Magma(1+(v-f.top)/melRange))
		}
	})
	f.Image(f.left, top, img)
	axis := plot.Axis{Min: 0, Max: Rate / 2, From: float64(top + height), To: float64(top), Scale: hzToMel}
	ticks := axis.Ticks([]float64{0, 500, 1000, 2000, 4000, 8000}, 15)
	f.frame(top, height, axis, ticks, "frequency (Hz), mel scale", "frequency (Hz)", "Hz")
	f.drawColors(top, height)
}

// melAt fills a column with the spectrum in dB of a stretch of time: the mean of
// the bins there, or between two where they are wider.
func (r *Recording) melAt(column []float64, from, to float64) {
	bins := r.mel.bins
	if r.mel.step > to-from {
		at := ((from+to)/2-r.mel.start)/r.mel.step - 0.5
		at = min(max(at, 0), float64(len(bins)-1))
		i := min(int(at), max(len(bins)-2, 0))
		j := min(i+1, len(bins)-1)
		for band := range column {
			a, b := bins[i].decibels(band), bins[j].decibels(band)
			column[band] = a + (at-float64(i))*(b-a)
		}
		return
	}
	mean := spectrum{power: make([]float64, len(column))}
	for _, s := range r.mel.within(from, to) {
		mean = mean.with(s)
	}
	for band := range column {
		column[band] = mean.decibels(band)
	}
}

// drawColors draws the bar that tells what the spectrogram's colors mean.
func (f *figure) drawColors(top, height int) {
	const distance, width = 12, 10
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetRGBA(x, y, plot.Magma(1-(float64(y)+0.5)/float64(height)))
		}
	}
	x := f.right + distance
	f.Image(x, top, img)
	axis := plot.Axis{Min: -melRange, Max: 0, From: float64(top + height), To: float64(top)}
	for _, t := range axis.Ticks([]float64{-80, -60, -40, -20}, 15) {
		f.Text(float64(x+width+5), min(axis.At(t.Value), float64(top+height-4)), t.Label, plot.Left, smallStyle)
	}
	f.Text(float64(x+width+5), float64(top+5), "0 dB", plot.Left, smallStyle)
}

func (f *figure) drawPitch(r *Recording, top, height int) {
	axis := plot.Axis{Min: f.low, Max: f.high, From: float64(top + height), To: float64(top), Scale: math.Log}
	ticks := axis.Ticks([]float64{50, 75, 100, 150, 200, 300, 400, 600}, 16)
	f.grid(top, height, axis, ticks)
	if (f.time.Max-f.time.Min)/float64(f.right-f.left) > r.pitch.step {
		f.drawPitchRange(r, axis)
	} else {
		f.drawPitchLine(r, axis)
	}
	f.frame(top, height, axis, ticks, "pitch (Hz)", "Hz")
}

// drawPitchLine draws frame by frame, a line for each stretch with a voice.
func (f *figure) drawPitchLine(r *Recording, axis plot.Axis) {
	left, right := f.time.At(r.from), f.time.At(r.to)
	var line []plot.Point
	end := func() {
		if len(line) == 1 { // a single frame is a dash as long as it lasts
			half := (f.time.At(r.pitch.step) - f.time.At(0)) / 2
			line = []plot.Point{{X: line[0].X - half, Y: line[0].Y}, {X: line[0].X + half, Y: line[0].Y}}
		}
		f.Line(between(line, left, right), 2, plot.Red)
		line = nil
	}
	for i, v := range r.pitch.bins {
		if v.empty() {
			end()
			continue
		}
		at := r.pitch.start + (float64(i)+0.5)*r.pitch.step
		line = append(line, plot.Point{X: f.time.At(at), Y: axis.At(v.mean())})
	}
	end()
}

// drawPitchRange draws many frames in a pixel: their range, and in it the mean.
func (f *figure) drawPitchRange(r *Recording, axis plot.Axis) {
	f.pixels(r, func(x int, from, to float64) {
		v := voiceIn(r.pitch.within(from, to))
		if v.empty() {
			return
		}
		at := float64(f.left + x)
		low, high, mean := axis.At(float64(v.min)), axis.At(float64(v.max)), axis.At(v.mean())
		f.Rect(at, high, 1, low-high, plot.Pale)
		f.Rect(at, mean-1, 1, 2, plot.Red)
	})
}

// between cuts a line that runs to the right at two positions.
func between(line []plot.Point, left, right float64) (cut []plot.Point) {
	for i, p := range line {
		if i > 0 {
			before := line[i-1]
			for _, edge := range []float64{left, right} {
				if before.X < edge && edge < p.X {
					t := (edge - before.X) / (p.X - before.X)
					cut = append(cut, plot.Point{X: edge, Y: before.Y + t*(p.Y-before.Y)})
				}
			}
		}
		if p.X >= left && p.X <= right {
			cut = append(cut, p)
		}
	}
	return cut
}

// drawCodes draws a row for each book.
func (f *figure) drawCodes(r *Recording, top, height int) {
	img := image.NewRGBA(image.Rect(0, 0, f.right-f.left, height))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	rows := len(r.Codes.Rows)
	const gap = 2
	for i, row := range r.Codes.Rows {
		first := i * (height + gap) / rows
		last := (i+1)*(height+gap)/rows - gap
		f.pixels(r, func(x int, from, to float64) {
			frame := int((from + to) / 2 * r.Codes.Rate)
			if frame < 0 || frame >= len(row) {
				return
			}
			c := plot.Code(int(row[frame]))
			for y := first; y < last; y++ {
				img.SetRGBA(x, y, c)
			}
		})
		f.Text(float64(f.left-tickLength-3), float64(top)+float64(first+last)/2, r.Codes.Names[i], plot.Right, smallStyle)
	}
	f.Image(f.left, top, img)
}
