package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func encode(t *testing.T, c *Canvas) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := c.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes of %d, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func pixels(t *testing.T, c *Canvas) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(encode(t, c)))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func rgba(c color.Color) color.RGBA { return color.RGBAModel.Convert(c).(color.RGBA) }

// drawing draws one of each thing.
func drawing(format Format) *Canvas {
	c := NewCanvas(format, 300, 200)
	c.Rect(10, 20, 30, 40, Blue)
	c.Line([]Point{{50.5, 10}, {50.5, 100}}, 1, Red)
	img := image.NewRGBA(image.Rect(0, 0, 2, 3))
	for i := range 6 {
		img.SetRGBA(i%2, i/2, Code(i))
	}
	c.Image(100, 50, img)
	c.Text(200, 100, `<"Ünicode" & Юрий 'x'>`+"\x00\xff\n", Center, Style{12, true, Ink})
	c.TextUp(280, 100, "up & <up>", Style{12, false, Gray})
	return c
}

// TestCanvasPixels: what is drawn at whole pixels covers these and no others.
func TestCanvasPixels(t *testing.T) {
	img := pixels(t, drawing(PNG))
	if got := img.Bounds().Size(); got != (image.Point{300, 200}) {
		t.Fatalf("%v", got)
	}
	white := color.RGBA{255, 255, 255, 255}
	for _, want := range []struct {
		x, y int
		c    color.RGBA
	}{
		{10, 20, Blue}, {39, 59, Blue}, {9, 20, white}, {40, 59, white}, {10, 19, white}, {39, 60, white},
		{50, 10, Red}, {50, 99, Red}, {49, 50, white}, {51, 50, white}, {50, 9, white}, {50, 100, white},
		{100, 50, Code(0)}, {101, 50, Code(1)}, {100, 52, Code(4)}, {101, 52, Code(5)}, {99, 50, white}, {102, 52, white}, {100, 53, white},
	} {
		if got := rgba(img.At(want.x, want.y)); got != want.c {
			t.Errorf("pixel %d, %d is %v, want %v", want.x, want.y, got, want.c)
		}
	}
	// The upward text is higher than wide, the other wider than high.
	for name, r := range map[string]image.Rectangle{"text": image.Rect(120, 80, 270, 120), "upward text": image.Rect(271, 40, 290, 160)} {
		var ink image.Rectangle
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				if rgba(img.At(x, y)).G < 160 {
					ink = ink.Union(image.Rect(x, y, x+1, y+1))
				}
			}
		}
		if up := ink.Dy() > ink.Dx(); ink.Empty() || up != (name == "upward text") {
			t.Errorf("%s: ink in %v", name, ink)
		}
		if middle := float64(ink.Min.Y+ink.Max.Y) / 2; math.Abs(middle-100) > 4 {
			t.Errorf("%s: around %v", name, middle)
		}
	}
}

func TestCanvasIsDeterministic(t *testing.T) {
	for _, format := range []Format{PNG, SVG} {
		if !bytes.Equal(encode(t, drawing(format)), encode(t, drawing(format))) {
			t.Errorf("%s: the same drawing gives other bytes", format)
		}
	}
}

// TestSVG: well-formed, of the right size, with images that browsers stretch and
// fonts that they find.
func TestSVG(t *testing.T) {
	text := encode(t, drawing(SVG))
	d := xml.NewDecoder(bytes.NewReader(text))
	count, words := map[string]int{}, ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, text)
		}
		switch e := token.(type) {
		case xml.CharData:
			words += string(e)
		case xml.StartElement:
			count[e.Name.Local]++
			for _, a := range e.Attr {
				count[e.Name.Local+" "+a.Name.Local+"="+a.Value]++
				if a.Name.Local == "href" && !strings.HasPrefix(a.Value, "data:image/png;base64,iVBOR") {
					t.Errorf("image is %.40s", a.Value)
				}
			}
		}
	}
	for _, want := range []string{"svg width=225pt", "svg height=150pt", "image", "image preserveAspectRatio=none"} {
		if count[want] != 1 {
			t.Errorf("%s: %d times", want, count[want])
		}
	}
	if count["text"] != 2 || !strings.Contains(words, `<"Ünicode" & Юрий 'x'>???`) {
		t.Errorf("%d texts, in all %q", count["text"], words)
	}
	if n := bytes.Count(text, []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;font-weight")); n != 2 {
		t.Errorf("%d texts with a font to fall back to, want 2:\n%s", n, text)
	}
}

func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	c := drawing(PNG)
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, encode(t, c)) {
		t.Errorf("another file than WriteTo writes, %v", err)
	}
	if err := c.Save(filepath.Join(path, "b.png")); err == nil {
		t.Error("saved below a file")
	}
	if err := c.Save(filepath.Join(t.TempDir(), "no", "b.png")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]Format{"a.png": PNG, "b.SVG": SVG, "c.d.PnG": PNG, "png": "", "a.jpg": "", "a.png.gz": ""} {
		got, err := FormatOf(path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestFit(t *testing.T) {
	s := Style{Size: 14}
	const name = "a_rather_long_name_of_a_recording_from_2026.flac"
	if got := Fit(name, s, 1000); got != name {
		t.Errorf("%q with much room", got)
	}
	got := Fit(name, s, 120)
	if TextWidth(got, s) > 120 || !strings.HasPrefix(got, "a_rat") || !strings.HasSuffix(got, ".flac") || !strings.Contains(got, "…") {
		t.Errorf("%q, %v pixels", got, TextWidth(got, s))
	}
}

func TestAxis(t *testing.T) {
	a := Axis{Min: 100, Max: 400, From: 200, To: 100, Scale: math.Log}
	for v, want := range map[float64]float64{100: 200, 200: 150, 400: 100} {
		if got := a.At(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v at %v, want %v", v, got, want)
		}
	}
	labels := func(ticks []Tick) (s []string) {
		for _, t := range ticks {
			s = append(s, t.Label)
		}
		return s
	}
	first := func(ticks []Tick, _ string) []Tick { return ticks }
	for name, c := range map[string]struct {
		got  []Tick
		want []string
	}{
		"chosen":        {a.Ticks([]float64{50, 100, 110, 200, 400, 600}, 20), []string{"100", "200", "400"}},
		"both signs":    {Axis{Min: -1.08, Max: 1.08, To: 100}.Round(20), []string{"−1.0", "−0.5", "0", "0.5", "1.0"}},
		"fine":          {Axis{Min: 0.52, Max: 0.55, To: 300}.Round(80), []string{"0.52", "0.53", "0.54", "0.55"}},
		"octaves":       {Axis{Min: 0.9, Max: 60, To: 300, Scale: math.Log10}.Decades(40), []string{"1", "2", "5", "10", "20", "50"}},
		"halves":        {Axis{Min: 0.02, Max: 4, To: 120, Scale: math.Log10}.Decades(24), []string{"0.03", "0.1", "0.3", "1", "3"}},
		"decades":       {Axis{Min: 1e-5, Max: 2, To: 120, Scale: math.Log10}.Decades(22), []string{"1e−05", "0.0001", "0.001", "0.01", "0.1", "1"}},
		"far decades":   {Axis{Min: 1e-5, Max: 1e4, To: 120, Scale: math.Log10}.Decades(30), []string{"0.001", "1", "1000"}},
		"one decade":    {Axis{Min: 2.1, Max: 4.5, To: 120, Scale: math.Log10}.Decades(40), []string{"3", "4"}},
		"no logarithm":  {Axis{Min: 0, Max: 1, To: 120, Scale: math.Log10}.Decades(40), nil},
		"empty":         {Axis{Min: 1, Max: 1, To: 300}.Round(80), nil},
		"seconds":       {first(Axis{Max: 2.1, To: 1000}.Time(200)), []string{"0", "0.5", "1.0", "1.5", "2.0"}},
		"minutes":       {first(Axis{Max: 200, To: 500}.Time(100)), []string{"0:00", "1:00", "2:00", "3:00"}},
		"minutes, fine": {first(Axis{Min: 600, Max: 600.2, To: 1000}.Time(60)), []string{"10:00"}},
		"hours":         {first(Axis{Max: 7500, To: 500}.Time(90)), []string{"0:00:00", "0:30:00", "1:00:00", "1:30:00", "2:00:00"}},
		"days":          {first(Axis{Max: 300000, To: 500}.Time(200)), []string{"0:00:00", "64:00:00"}},
	} {
		if got := labels(c.got); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestMagma: ever lighter, so that it also reads in grey.
func TestMagma(t *testing.T) {
	luma := func(c color.RGBA) float64 { return 0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B) }
	last := -1.0
	for i := range 101 { // coarser than the rounding to 8 bits
		l := luma(Magma(float64(i) / 100))
		if l <= last {
			t.Fatalf("step %d is no lighter than the one before", i)
		}
		last = l
	}
	for v, want := range map[float64]color.RGBA{-1: {0, 0, 4, 255}, math.Inf(-1): {0, 0, 4, 255}, math.NaN(): {0, 0, 4, 255}, 2: {0xfc, 0xfd, 0xbf, 255}} {
		if got := Magma(v); got != want {
			t.Errorf("%v: %v", v, got)
		}
	}
}

// TestCodeColors: neighbors and most pairs of codes are told apart by eye.
func TestCodeColors(t *testing.T) {
	distance := func(a, b color.RGBA) float64 {
		r, g, u := float64(a.R)-float64(b.R), float64(a.G)-float64(b.G), float64(a.B)-float64(b.B)
		return math.Sqrt(r*r + g*g + u*u)
	}
	seen := map[color.RGBA]bool{}
	for code := range 1024 {
		seen[Code(code)] = true
		for near := 1; near <= 3; near++ {
			if d := distance(Code(code), Code(code+near)); d < 25 {
				t.Errorf("codes %d and %d: %v and %v", code, code+near, Code(code), Code(code+near))
			}
		}
	}
	if len(seen) < 1000 {
		t.Errorf("%d colors for 1024 codes", len(seen))
	}
}

// TestCategories: no two of the colors that may meet in a picture are alike.
func TestCategories(t *testing.T) {
	for i := range 16 {
		for j := range i {
			a, b := Category(i), Category(j)
			r, g, u := float64(a.R)-float64(b.R), float64(a.G)-float64(b.G), float64(a.B)-float64(b.B)
			if d := math.Sqrt(r*r + g*g + u*u); d < 20 {
				t.Errorf("%d and %d: %v and %v", i, j, a, b)
			}
		}
	}
	c := NewCanvas(PNG, 200, 200)
	c.Rect(0, 0, 200, 200, Faint(Blue, 0.5))
	if got := rgba(pixels(t, c).At(100, 100)); got.B <= Blue.B || got.R <= Blue.R || got.R > 200 {
		t.Errorf("half as faint is %v", got)
	}
}
