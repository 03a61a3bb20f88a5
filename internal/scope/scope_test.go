package scope

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/plot"
)

const testWidth = 450

// record writes a signal of t in seconds to a file.
func record(t *testing.T, seconds float64, signal func(t float64) float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.wav")
	w, err := audio.Create(path, Rate, audio.F32)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	x := make([]float32, int(math.Round(seconds*Rate)))
	for i := range x {
		x[i] = float32(signal(float64(i) / Rate))
	}
	if err := w.Write(x); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return path
}

func tone(f, amplitude float64) func(float64) float64 {
	return func(t float64) float64 { return amplitude * math.Sin(2*math.Pi*f*t) }
}

func measure(t *testing.T, path string, o Options) *Recording {
	t.Helper()
	o.Width = testWidth
	r, err := Measure(t.Context(), path, "x.wav", o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// draw draws recordings and finds their panels, by the frames around them: from
// top to bottom, without the frames.
func draw(t *testing.T, recordings ...*Recording) (img image.Image, panels []image.Rectangle) {
	t.Helper()
	canvas, err := Draw(recordings, Layout{Format: plot.PNG, Width: testWidth})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if img, err = png.Decode(&b); err != nil {
		t.Fatal(err)
	}
	f := newFigure(recordings, Layout{Format: plot.PNG, Width: testWidth, Height: canvas.Height})
	edge := -1
	for y := range canvas.Height {
		row := true
		for x := f.left; x < f.right && row; x++ {
			row = at(img, x, y) == plot.Frame
		}
		switch {
		case row && edge >= 0:
			panels = append(panels, image.Rect(f.left, edge+1, f.right, y))
			edge = -1
		case row:
			edge = y
		}
	}
	return img, panels
}

func at(img image.Image, x, y int) color.RGBA {
	return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
}

func luma(c color.RGBA) float64 {
	return 0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B)
}

// rows returns the first and the last row of a column that has a color.
func rows(img image.Image, r image.Rectangle, x int, c color.RGBA) (first, last int) {
	first, last = -1, -1
	for y := r.Min.Y; y < r.Max.Y; y++ {
		if at(img, x, y) == c {
			if first < 0 {
				first = y
			}
			last = y
		}
	}
	return first, last
}

// TestToneInPicture: a tone's row is the brightest of the spectrogram and at its
// frequency, the waveform as high as its amplitude, the pitch at its height.
func TestToneInPicture(t *testing.T) {
	for _, f := range []float64{300, 450, 3000} {
		r := measure(t, record(t, 1, tone(f, 0.5)), Options{})
		img, panels := draw(t, r)
		if len(panels) != 3 {
			t.Fatalf("%v Hz: panels %v", f, panels)
		}
		wave, mel, pitch := panels[0], panels[1], panels[2]
		for _, x := range []int{wave.Min.X + 60, (wave.Min.X + wave.Max.X) / 2, wave.Max.X - 60} {
			first, last := rows(img, wave, x, plot.Blue)
			if share := float64(last-first) / float64(wave.Dy()); math.Abs(share-1/1.08) > 0.03 {
				t.Errorf("%v Hz: the waveform covers %.2f of its panel", f, share)
			}
			brightest, light := 0, -1.0
			for y := mel.Min.Y; y < mel.Max.Y; y++ {
				if l := luma(at(img, x, y)); l > light {
					brightest, light = y, l
				}
			}
			height := float64(mel.Max.Y-brightest) / float64(mel.Dy())
			if want := hzToMel(f) / hzToMel(Rate/2); math.Abs(height-want) > 1.2/melBands {
				t.Errorf("%v Hz: brightest at %.3f of the spectrogram's height, want %.3f", f, height, want)
			}
			first, last = rows(img, pitch, x, plot.Red)
			if f > 600 {
				if first >= 0 {
					t.Errorf("%v Hz: a pitch is drawn", f)
				}
				continue
			}
			// The axis is the pitch's own, the tone in its middle.
			if middle := float64(first+last+1) / 2; first < 0 || math.Abs(middle-float64(pitch.Min.Y+pitch.Max.Y)/2) > 2 {
				t.Errorf("%v Hz: pitch in rows %d to %d of %v", f, first, last, pitch)
			}
		}
	}
}

// TestSharedScales: what is compared has one scale of amplitude, power and time.
func TestSharedScales(t *testing.T) {
	loud := measure(t, record(t, 2, tone(1000, 0.8)), Options{})
	quiet := measure(t, record(t, 1, tone(1000, 0.08)), Options{})
	img, panels := draw(t, loud, quiet)
	if len(panels) != 6 {
		t.Fatalf("panels %v", panels)
	}
	x := panels[0].Min.X + panels[0].Dx()/4
	height := func(i, x int) float64 {
		first, last := rows(img, panels[i], x, plot.Blue)
		return float64(last-first+1) / float64(panels[i].Dy())
	}
	if a, b := height(0, x), height(3, x); b > a/6 || b < a/14 {
		t.Errorf("waveforms cover %.2f and %.2f of their panels, want 10 to 1", a, b)
	}
	lightest := func(i int) (light float64) {
		for y := panels[i].Min.Y; y < panels[i].Max.Y; y++ {
			light = max(light, luma(at(img, x, y)))
		}
		return light
	}
	if a, b := lightest(1), lightest(4); math.Abs(b-luma(plot.Magma(0.75))) > 12 || a < luma(plot.Magma(0.97)) {
		t.Errorf("a tone 20 dB lower is %.0f light, the other %.0f", b, a)
	}
	end := panels[4].Min.X + panels[4].Dx()/2
	white := color.RGBA{255, 255, 255, 255}
	if y := panels[4].Min.Y + 20; at(img, end+2, y) != white || at(img, end-3, y) == white {
		t.Error("the shorter recording does not end in the middle")
	}
}

// TestPartOfRecording: a part looks as in the whole.
func TestPartOfRecording(t *testing.T) {
	sweep := func(t float64) float64 { return 0.3 * math.Sin(2*math.Pi*(100*t+10*t*t)) }
	path := record(t, 6, sweep)
	whole, part := measure(t, path, Options{}), measure(t, path, Options{From: 3.3, To: 3.9})
	if part.from != 3.3 || part.to != 3.9 || whole.to != 6 || whole.Seconds() != 6 {
		t.Fatalf("from %v to %v, whole %v", part.from, part.to, whole.Seconds())
	}
	a, b := make([]float64, melBands), make([]float64, melBands)
	for _, at := range []float64{3.31, 3.5, 3.89} {
		whole.melAt(a, at, at+1e-9)
		part.melAt(b, at, at+1e-9)
		for band := range a {
			if a[band] > -30 && math.Abs(a[band]-b[band]) > 1.5 {
				t.Errorf("at %v s, band %d: %.1f dB in the part, %.1f in the whole", at, band, b[band], a[band])
			}
		}
		f := 100 + 20*at
		for name, r := range map[string]*Recording{"whole": whole, "part": part} {
			if v := voiceIn(r.pitch.within(at, at+1e-9)); v.empty() || math.Abs(v.mean()/f-1) > 0.01 {
				t.Errorf("%s at %v s: pitch %v, want %v", name, at, v.mean(), f)
			}
			e := extentOf(r.wave.within(at-0.01, at+0.01))
			if at-0.01 > 3.3 && at+0.01 < 3.9 && (e.max < 0.29 || e.min > -0.29) {
				t.Errorf("%s at %v s: amplitude %v", name, at, e)
			}
		}
	}
	_, err := Measure(t.Context(), path, "x", Options{Width: testWidth, From: 6.5})
	var past *ErrPastEnd
	if !errors.As(err, &past) || past.Seconds != 6 || !strings.HasPrefix(err.Error(), path) {
		t.Errorf("from past the end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Measure(ctx, path, "x", Options{Width: testWidth}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// TestFlatMemory: what a long recording leaves does not grow with it.
func TestFlatMemory(t *testing.T) {
	m := NewMeter(Options{Width: 50}, -1)
	x := make([]float32, Rate)
	x[100] = 1
	for range 40 {
		m.Push(x)
	}
	m.flush()
	if len(m.wave.all) > 200 || len(m.pitch.all) > 100 || len(m.mel.all) > 100 || len(m.wave.all) < 100 {
		t.Errorf("%d, %d and %d bins for a picture 50 pixels wide", len(m.wave.all), len(m.pitch.all), len(m.mel.all))
	}
	if e := extentOf(m.wave.all); e.max != 1 || e.min != 0 {
		t.Errorf("the click is lost: %v", e)
	}
	frames := 0
	for _, s := range m.mel.all {
		frames += s.frames
	}
	if frames != 3200 {
		t.Errorf("%d frames of the spectrogram, want 3200", frames)
	}
}

func TestBins(t *testing.T) {
	for n := range 70 {
		b := newBins(8, func(a, b []int) []int { return slices.Concat(a, b) })
		for i := range n {
			b.add([]int{i})
		}
		s := b.series(10, 0.5)
		if len(s.bins) > 8 || n >= 8 && len(s.bins) < 4 {
			t.Errorf("%d values in %d bins", n, len(s.bins))
		}
		next := 0
		for i, bin := range s.bins {
			for _, v := range bin {
				if v != next {
					t.Fatalf("%d values: %v", n, s.bins)
				}
				next++
			}
			start := 10 + float64(bin[0])/2
			if got := s.within(start+0.01, start+0.02); len(got) != 1 || !slices.Equal(got[0], bin) {
				t.Errorf("%d values: bin %d is not at its time %v: %v", n, i, start, got)
			}
		}
		if next != n || s.within(0, 9) != nil || s.within(100, 200) != nil {
			t.Errorf("%d values: %d in %v", n, next, s.bins)
		}
	}
}

// TestCodesInPicture: each frame has the color of its code, where it is.
func TestCodesInPicture(t *testing.T) {
	codes := &Codes{Names: []string{"a", "b"}, Rows: [][]int32{{1, 2, 3, 3, 1}, {0, 1023, 5, 7, 9}}, Rate: 80}
	r, err := Silent("codes.npz", codes, Options{})
	if err != nil {
		t.Fatal(err)
	}
	canvas, err := Draw([]*Recording{r}, Layout{Format: plot.PNG, Width: testWidth, Height: 240, Title: "Codes"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	f := newFigure([]*Recording{r}, Layout{Format: plot.PNG, Width: testWidth, Height: 240})
	top := marginTop + titleHeight + nameHeight
	height := 240 - marginBottom - top
	for i, row := range codes.Rows {
		for frame, code := range row {
			width := float64(f.right-f.left) / 5
			for _, within := range []float64{0.05, 0.95} {
				x := f.left + int((float64(frame)+within)*width)
				if got := at(img, x, top+height/4+i*height/2); got != plot.Code(int(code)) {
					t.Errorf("row %d, frame %d is %v, want %v", i, frame, got, plot.Code(int(code)))
				}
			}
		}
	}
	if _, err := Silent("x", codes, Options{From: 1}); err == nil {
		t.Error("a part past the end is taken")
	}
}

func TestTooLow(t *testing.T) {
	r := measure(t, record(t, 0.5, tone(200, 0.5)), Options{})
	_, err := Draw([]*Recording{r, r, r}, Layout{Format: plot.PNG, Width: testWidth, Height: 300})
	if err == nil || !strings.Contains(err.Error(), "3 recordings") {
		t.Fatalf("%v", err)
	}
	words := strings.Fields(err.Error())
	least := 0
	for _, digit := range words[len(words)-1] {
		least = 10*least + int(digit-'0')
	}
	if _, err := Draw([]*Recording{r, r, r}, Layout{Format: plot.PNG, Width: testWidth, Height: least}); err != nil {
		t.Errorf("%d pixels, as said: %v", least, err)
	}
	if _, err := Draw([]*Recording{r, r, r}, Layout{Format: plot.PNG, Width: testWidth, Height: least - 1}); err == nil {
		t.Errorf("%d pixels are enough", least-1)
	}
	canvas, err := Draw(slices.Repeat([]*Recording{r}, 30), Layout{Format: plot.PNG, Width: testWidth})
	if err == nil && canvas.Height > plot.MaxSize {
		t.Errorf("%d pixels high", canvas.Height)
	}
}

// TestOddRecordings: one sample, silence, parts of a sample: no panic, a picture.
func TestOddRecordings(t *testing.T) {
	for name, c := range map[string]struct {
		seconds float64
		signal  func(float64) float64
		o       Options
	}{
		"one sample":       {1.0 / Rate, tone(200, 1), Options{}},
		"silence":          {1, tone(0, 0), Options{}},
		"between samples":  {1, tone(200, 1), Options{From: 0.50001, To: 0.50002}},
		"the last instant": {1, tone(200, 1), Options{From: 0.99999, To: 3}},
		"beyond scale":     {0.3, tone(200, 1e6), Options{}},
		"faint":            {0.3, tone(200, 1e-6), Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, panels := draw(t, measure(t, record(t, c.seconds, c.signal), c.o)); len(panels) != 3 {
				t.Errorf("panels %v", panels)
			}
		})
	}
}
