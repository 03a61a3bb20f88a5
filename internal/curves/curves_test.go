package curves

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/plot"
)

// writeLog writes a log.jsonl with a value of each tag at each step.
func writeLog(t *testing.T, steps int64, values func(step float64) []eventlog.Scalar) string {
	t.Helper()
	dir := t.TempDir()
	log, err := eventlog.Open(dir, -1)
	if err != nil {
		t.Fatal(err)
	}
	for step := range steps {
		if err := log.Scalars(step, values(float64(step))); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, eventlog.FileName)
}

func read(t *testing.T, path string) *Run {
	t.Helper()
	r, err := Read(path, "a run", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), eventlog.FileName)
	text := `{"step":5,"time":1,"scalars":{"b":1,"a":"NaN"}}
{"step":5,"time":1,"scalars":{"b":2}}
{"step":7,"time":1,"scalars":{}}
{"step":9,"time":1,"scalars":{"b":"-Infinity","a":4}}
{"step":9,"ti`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r := read(t, path)
	if r.first != 5 || r.last != 9 || !reflect.DeepEqual(r.tags, []string{"b", "a"}) {
		t.Errorf("steps %v to %v of %q", r.first, r.last, r.tags)
	}
	if b := r.curves["b"]; !reflect.DeepEqual(b.points, []point{{5, 2}}) || !reflect.DeepEqual(b.lost, []float64{9}) || !math.IsInf(b.last, -1) {
		t.Errorf("b is %+v", b)
	}
	if a := r.curves["a"]; !reflect.DeepEqual(a.points, []point{{9, 4}}) || !reflect.DeepEqual(a.lost, []float64{5}) || a.last != 4 {
		t.Errorf("a is %+v", a)
	}
	if r, err := Read(path, "", 6, 9); err != nil || r.first != 9 || len(r.curves["b"].points) != 0 {
		t.Errorf("from 6: %+v, %v", r, err)
	}
	for _, c := range []struct {
		text     string
		from, to float64
		want     string
	}{
		{text, 10, 0, "ends at step 9, before 10"},
		{text, 6, 8, "no step from 6 to 8"},
		{"", 0, 0, "nothing is logged"},
		{`{"step":7,"time":1,"scalars":{}}`, 0, 0, "nothing is logged"},
		{`{"step":7,"ti`, 0, 0, "nothing is logged"},
		{"junk\n" + text, 0, 0, "line 1"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path, "", c.from, c.to); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q from %v to %v: %v, want %s", c.text, c.from, c.to, err, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ dirs, want []string }{
		{[]string{"runs/x"}, []string{"x"}},
		{[]string{"runs/x/", "runs/y"}, []string{"x", "y"}},
		{[]string{"/a/one/x", "/a/two/x", "/a/two/z"}, []string{"one/x", "two/x", "z"}},
		{[]string{"/a/x/1", "/b/x/1"}, []string{"a/x/1", "b/x/1"}},
		{[]string{"/a/x", "/a/x"}, []string{"a/x", "a/x"}},
	} {
		if got := Names(c.dirs); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q are %q, want %q", c.dirs, got, c.want)
		}
	}
}

// testCurves are some of a training's losses.
var testCurves = []Curve{
	{eventlog.MelLoss, "Reconstruction", "mel distance", "training"},
	{eventlog.WaveLoss, "Reconstruction", "waveform, L1", "training"},
	{eventlog.F0Loss, "Predictors, and those behind gradient reversal", "f0", "from prosody"},
	{eventlog.ReverseF0Loss, "Predictors, and those behind gradient reversal", "f0", "reversed"},
	{"train/new_loss", "New losses", "new", "training"},
}

// TestArrange: a tag is shown once, where it belongs.
func TestArrange(t *testing.T) {
	run := &Run{tags: []string{"loss", eventlog.ValidationMel, eventlog.PerplexityOf + "residual_1", "my/b", "other/c", "my/a",
		eventlog.MelLoss, eventlog.PerplexityOf + "content_1", eventlog.WaveLoss, eventlog.GradEncoder, "grad_norm/my_part", eventlog.F0Loss, "train/new_loss"}}
	text := func(groups []group) (s string) {
		for _, g := range groups {
			s += g.name + ":"
			for _, p := range g.panels {
				s += " [" + p.title
				for _, l := range p.lines {
					s += "|" + l.tag + "|" + l.label
				}
				s += "]"
			}
			s += "\n"
		}
		return s
	}
	one := `Reconstruction: [mel distance|train/mel_loss|training|val/mel_loss|held out] [waveform, L1|train/wav_loss|training]
Predictors, and those behind gradient reversal: [f0, from prosody|pred/f0_loss|from prosody]
Quantizers: [perplexity|codebook/perplexity_residual_1|residual 1|codebook/perplexity_content_1|content 1]
Optimisation: [gradient norms|grad_norm/encoder|encoder|grad_norm/my_part|my part]
New losses: [new|train/new_loss|training]
Others: [loss|loss|]
my: [b|my/b|] [a|my/a|]
other: [c|other/c|]
`
	if got := text(arrange(layoutWith(testCurves), []*Run{run})); got != one {
		t.Errorf("one run:\n%s", got)
	}
	several := `Reconstruction: [mel distance, training|train/mel_loss|training] [mel distance, held out|val/mel_loss|held out] [waveform, L1|train/wav_loss|training]
Predictors, and those behind gradient reversal: [f0, from prosody|pred/f0_loss|from prosody]
Quantizers: [perplexity, residual 1|codebook/perplexity_residual_1|residual 1] [perplexity, content 1|codebook/perplexity_content_1|content 1]
Optimisation: [gradient norms, encoder|grad_norm/encoder|encoder] [gradient norms, my part|grad_norm/my_part|my part]
New losses: [new|train/new_loss|training]
Others: [loss|loss|]
my: [b|my/b|] [a|my/a|]
other: [c|other/c|]
`
	if got := text(arrange(layoutWith(testCurves), []*Run{run, run})); got != several {
		t.Errorf("two runs:\n%s", got)
	}
	seen := map[string]bool{}
	for _, g := range layoutWith(testCurves) {
		for _, p := range g.panels {
			for _, l := range p.lines {
				if seen[l.tag] {
					t.Errorf("%s is in two places", l.tag)
				}
				seen[l.tag] = true
			}
		}
	}
}

func same(v float64) float64 { return v }

// TestTrace: what is behind a line holds all values, and few are not smoothed.
func TestTrace(t *testing.T) {
	var points []point
	sum := 0.0
	for i := range 1000 {
		v := math.Sin(float64(i)) * float64(i)
		points, sum = append(points, point{float64(i), v}), sum+v
	}
	trace := newTrace(points, same, 7, 20)
	weight, mean, low, high := 0.0, 0.0, 0.0, 0.0
	for i, b := range trace.raw {
		weight, mean = weight+b.weight, mean+b.weight*b.mean
		low, high = min(low, b.low), max(high, b.high)
		if i > 0 && b.step <= trace.raw[i-1].step {
			t.Fatalf("bin %d is at step %v", i, b.step)
		}
	}
	if weight != 1000 || math.Abs(mean-sum) > 1e-6*math.Abs(sum) || len(trace.raw) != 143 || len(trace.smooth) != 143 || trace.dots {
		t.Errorf("%d bins with %v points, sum %v of %v", len(trace.raw), weight, mean, sum)
	}
	for _, p := range points {
		if p.value < low || p.value > high {
			t.Errorf("%v is outside %v to %v", p.value, low, high)
		}
	}
	if trace := newTrace(points[:few], same, 7, 20); len(trace.raw) != few || trace.smooth != nil || !trace.dots {
		t.Errorf("%d bins of a few points", len(trace.raw))
	}
	if trace := newTrace(points, same, 7, 0); len(trace.raw) != 143 || trace.smooth != nil || trace.dots ||
		trace.raw[0].mean != points[6].value || trace.raw[142].step != 999 {
		t.Errorf("%d bins without smoothing", len(trace.raw))
	}
	if got := newTrace([]point{{1, 100}}, math.Log10, 7, 20).raw[0].mean; got != 2 {
		t.Errorf("on a logarithmic scale 100 is %v", got)
	}
}

// TestSmoothed: a constant stays, a line keeps its start, noise is less.
func TestSmoothed(t *testing.T) {
	bins := func(f func(x float64) float64) (b []bin) {
		for x := range 300 {
			b = append(b, bin{step: float64(x), mean: f(float64(x)), weight: 1})
		}
		return b
	}
	for i, p := range smoothed(bins(func(float64) float64 { return 3 }), 5) {
		if math.Abs(p.value-3) > 1e-12 || p.step != float64(i) {
			t.Fatalf("a constant is %v at %v", p.value, p.step)
		}
	}
	for _, p := range smoothed(bins(func(x float64) float64 { return 10 - x }), 5)[:250] {
		if math.Abs(p.value-(10-p.step)) > 1e-9 {
			t.Fatalf("a line is %v at %v", p.value, p.step)
		}
	}
	noise := smoothed(bins(func(x float64) float64 { return math.Mod(x, 2)*2 - 1 }), 5)
	for _, p := range noise[20:] {
		if math.Abs(p.value) > 0.2 {
			t.Errorf("noise of ±1 is %v at %v", p.value, p.step)
		}
	}
	if got := smoothed([]bin{{step: 4, mean: 2, weight: 3}}, 5); len(got) != 1 || got[0] != (point{4, 2}) {
		t.Errorf("one bin becomes %v", got)
	}
}

func TestWantsLog(t *testing.T) {
	decay := func(from, to float64) *curve {
		c := &curve{}
		for i := range 100 {
			c.points = append(c.points, point{float64(i), to + (from-to)*math.Exp(-float64(i)/3)})
		}
		return c
	}
	for _, c := range []struct {
		curves []*curve
		want   bool
	}{
		{[]*curve{decay(100, 1)}, true},
		{[]*curve{decay(3, 1)}, false},
		{[]*curve{decay(3, 1), decay(60, 40)}, true},
		{[]*curve{decay(100, 0)}, true},
		{[]*curve{decay(100, -1)}, false},
		{[]*curve{{points: []point{{0, 0}, {1, 100}}}}, false},
		{[]*curve{{}}, false},
		{nil, false},
	} {
		if got := wantsLog(c.curves); got != c.want {
			t.Errorf("%v", got)
		}
	}
}

// TestLimits: a panel holds its lines, and no rare spike presses them flat.
func TestLimits(t *testing.T) {
	limits := func(log bool, values ...float64) (float64, float64) {
		c := &cell{log: log, series: make([]series, 1)}
		for i, v := range values {
			c.series[0].trace.raw = append(c.series[0].trace.raw, bin{step: float64(i), mean: min(v, 2), low: v, high: v})
		}
		c.setLimits()
		return c.low, c.high
	}
	many := make([]float64, 1000)
	for i := range many {
		many[i] = 1 + float64(i%10)/10
	}
	many[500] = 1e6
	if low, high := limits(false, many...); low > 0.95 || high < 1.95 || high > 3 {
		t.Errorf("with a spike %v to %v", low, high)
	}
	for _, c := range []struct {
		log       bool
		values    []float64
		low, high float64
	}{
		{false, []float64{0.2, 2}, 0, 2.108},
		{false, []float64{1.5, 2}, 1.47, 2.03},
		{false, []float64{-1, 1}, -1.12, 1.12},
		{false, []float64{2, 2}, 0, 3.12}, // from zero on, as a size
		{false, []float64{0, 0}, -1.12, 1.12},
		{true, []float64{-3, 2}, -3.3, 2.3},
		{true, []float64{1, 1}, -0.12, 2.12},
		{false, nil, 0, 1},
	} {
		low, high := limits(c.log, c.values...)
		if math.Abs(low-c.low) > 1e-9 || math.Abs(high-c.high) > 1e-9 {
			t.Errorf("%v: %v to %v, want %v to %v", c.values, low, high, c.low, c.high)
		}
	}
}

func TestWithin(t *testing.T) {
	line := []plot.Point{{X: 0, Y: 5}, {X: 10, Y: 25}, {X: 20, Y: 15}, {X: 30, Y: -5}, {X: 40, Y: -5}, {X: 50, Y: 25}, {X: 60, Y: 30}}
	want := [][]plot.Point{
		{{X: 2.5, Y: 10}, {X: 7.5, Y: 20}},
		{{X: 15, Y: 20}, {X: 20, Y: 15}, {X: 22.5, Y: 10}},
		{{X: 45, Y: 10}, {X: 48.333333333333336, Y: 20}},
	}
	if got := within(line, 10, 20); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := within(line, -100, 100); len(got) != 1 || !reflect.DeepEqual(got[0], line) {
		t.Errorf("all of it: %v", got)
	}
	if got := within(line, 50, 60); got != nil {
		t.Errorf("none of it: %v", got)
	}
}

func TestTexts(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 2: "2", 0.1: "0.100", 0.0421: "0.0421", -1.5: "−1.50", 12.345: "12.3", 123.4: "123", 12345.6: "12346",
		8.52e-5: "8.52e−5", 1.5e7: "1.5e7", math.Inf(1): "∞", math.Inf(-1): "−∞", 9.999: "10.00",
	} {
		if got := value(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
	for _, c := range []struct {
		step, last float64
		want       string
	}{{0, 5, "0"}, {math.Copysign(0, -1), 5, "0"}, {500, 9999, "500"}, {5000, 20000, "5k"}, {2500, 20000, "2.5k"}, {1.5e6, 2e6, "1.5M"}} {
		if got := stepLabel(c.step, c.last); got != c.want {
			t.Errorf("step %v is %q, want %q", c.step, got, c.want)
		}
	}
	for n, want := range map[int64]string{0: "0", 1234: "1234", 12345: "12,345", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
}

// everything logs each tag that there is a place for, and one that has none.
func everything(scale float64) func(float64) []eventlog.Scalar {
	return func(step float64) (values []eventlog.Scalar) {
		for _, g := range layoutWith(testCurves) {
			for _, p := range g.panels {
				for _, l := range p.lines {
					tag := strings.Replace(l.tag, "*", "book_1", 1)
					values = append(values, eventlog.Scalar{Tag: tag, Value: scale * (1 + math.Exp(-step/10) + 0.1*math.Sin(step))})
				}
			}
		}
		return append(values, eventlog.Scalar{Tag: "mine", Value: math.NaN()})
	}
}

func encode(t *testing.T, c *plot.Canvas) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDraw: pictures of every curve, of the size that was asked for, the same each
// time.
func TestDraw(t *testing.T) {
	a, b := read(t, writeLog(t, 100, everything(1))), read(t, writeLog(t, 60, everything(2)))
	b.Name = "<b>"
	for name, c := range map[string]struct {
		runs          []*Run
		width, height int
		texts         []string
	}{
		"one":       {[]*Run{a}, 1200, 0, []string{"a run", "99 steps", "mel distance", "training 0.9", "held out 0.9", "Optimisation", "mine", "NaN", "training step", "80"}},
		"two":       {[]*Run{a, b}, 1200, 0, []string{"a run", "<b>", "59 steps", "mel distance, held out", "NaN"}},
		"narrow":    {[]*Run{a, b}, 2 * plot.MinSize, 0, []string{"learning rate"}},
		"of height": {[]*Run{a}, 1000, 1700, nil},
	} {
		draw := func(format plot.Format) *plot.Canvas {
			canvas, err := Draw(c.runs, Layout{Format: format, Width: c.width, Height: c.height, Title: "A title", Curves: testCurves})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return canvas
		}
		canvas := draw(plot.SVG)
		if canvas.Width != c.width || c.height > 0 && canvas.Height != c.height {
			t.Errorf("%s: %d x %d", name, canvas.Width, canvas.Height)
		}
		text := encode(t, canvas)
		if !bytes.Equal(text, encode(t, draw(plot.SVG))) {
			t.Errorf("%s: drawn again it is another", name)
		}
		words := map[string]bool{}
		for d := xml.NewDecoder(bytes.NewReader(text)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if s, ok := token.(xml.CharData); ok {
				words[string(s)] = true
			}
		}
		all := fmt.Sprint(words)
		for _, want := range append(c.texts, "A title") {
			if !strings.Contains(all, want) {
				t.Errorf("%s: does not say %q", name, want)
			}
		}
	}
	if _, err := Draw([]*Run{a}, Layout{Format: plot.PNG, Width: 1200, Height: 500}); err == nil || !strings.Contains(err.Error(), "at least") {
		t.Errorf("500 pixels: %v", err)
	}
	many := read(t, writeLog(t, 2, func(float64) (values []eventlog.Scalar) {
		for i := range 500 {
			values = append(values, eventlog.Scalar{Tag: fmt.Sprint("t/", i), Value: 1})
		}
		return values
	}))
	if _, err := Draw([]*Run{many}, Layout{Format: plot.PNG, Width: 400}); err == nil || !strings.Contains(err.Error(), "too many curves") {
		t.Errorf("500 panels below each other: %v", err)
	}
}

// TestWhere: a curve is where its values say, in its run's color.
func TestWhere(t *testing.T) {
	falling := read(t, writeLog(t, 101, func(step float64) []eventlog.Scalar { return []eventlog.Scalar{{Tag: "x", Value: 100 - step}} }))
	level := read(t, writeLog(t, 101, func(float64) []eventlog.Scalar { return []eventlog.Scalar{{Tag: "x", Value: 50}} }))
	canvas, err := Draw([]*Run{falling, level}, Layout{Format: plot.PNG, Width: 400, Height: 400})
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(encode(t, canvas)))
	if err != nil {
		t.Fatal(err)
	}
	rows := func(x int, want color.RGBA) (first, last int) {
		first = -1
		for y := 80; y < 345; y++ { // below the head, above the labels
			r, g, b, _ := img.At(x, y).RGBA()
			if d := math.Abs(float64(r>>8)-float64(want.R)) + math.Abs(float64(g>>8)-float64(want.G)) + math.Abs(float64(b>>8)-float64(want.B)); d < 60 {
				if first < 0 {
					first = y
				}
				last = y
			}
		}
		return first, last
	}
	left, right := margin+labelWidth, 400-margin
	at := func(share float64) int { return left + int(share*float64(right-left)) }
	blueLeft, _ := rows(at(0.1), plot.Category(0))
	blueRight, _ := rows(at(0.9), plot.Category(0))
	redLeft, _ := rows(at(0.1), plot.Category(1))
	redRight, _ := rows(at(0.9), plot.Category(1))
	if blueLeft < 0 || redLeft != redRight || !(blueLeft < redLeft && redRight < blueRight) {
		t.Fatalf("blue from %d to %d, red from %d to %d", blueLeft, blueRight, redLeft, redRight)
	}
	if above, below := redLeft-blueLeft, blueRight-redLeft; above < below-3 || above > below+3 {
		t.Errorf("the falling line is %d above and %d below the level one", above, below)
	}
}
