package main

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/npz"
)

// TestPlot draws each kind of picture and looks at its size.
func TestPlot(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args          []string
		width, height int // 0: any
	}{
		"one.png":   {[]string{clip("en.flac")}, 1200, 0},
		"two.png":   {[]string{clip("en.flac"), clip("it.flac"), "--width", "640", "--height", "600", "--title", "Two", "--checkpoint-path", "none"}, 640, 600},
		"part.png":  {[]string{"--from", "0.5", "--to", "0.7", clip("ru.flac"), "--width=500"}, 500, 0},
		"codec.PNG": {[]string{clip("es.flac"), "--checkpoint_path", fixture("small.safetensors"), "--height", "480"}, 1200, 480},
	} {
		out := filepath.Join(dir, name)
		r := succeed(t, append([]string{"plot", "--output", out}, c.args...)...)
		if r.stdout != "" || !strings.Contains(r.stderr, out+": ") {
			t.Errorf("%s: prints %q and %q", name, r.stdout, r.stderr)
		}
		got, err := png.DecodeConfig(bytes.NewReader(read(t, out)))
		if err != nil || got.Width != c.width || c.height > 0 && got.Height != c.height {
			t.Errorf("%s: %d x %d, %v", name, got.Width, got.Height, err)
		}
	}
	checkFiles(t, dir, "codec.PNG", "one.png", "part.png", "two.png")

	svg := filepath.Join(dir, "one.svg")
	succeed(t, "plot", clip("en.flac"), "-o", svg, "--title", "<&>")
	d := xml.NewDecoder(bytes.NewReader(read(t, svg)))
	words := ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			words += string(text)
		}
	}
	for _, want := range []string{"<&>", "en.flac", "2.08 s · FLAC 16 kHz", "amplitude", "frequency (Hz)", "pitch (Hz)", "time (s)"} {
		if !strings.Contains(words, want) {
			t.Errorf("the picture does not say %q: %q", want, words)
		}
	}
}

// TestPlotCodes: the codes of a codec, of extract's file and of a .fac give the
// same picture to the byte, other codes another.
func TestPlotCodes(t *testing.T) {
	dir := t.TempDir()
	draw := func(args ...string) []byte {
		t.Helper()
		out := filepath.Join(dir, "x.png")
		succeed(t, append([]string{"plot", "-o", out, "--force", "--quiet", "--width", "500"}, args...)...)
		return read(t, out)
	}
	source := clip("en.flac")
	want := draw(source, "--checkpoint-path", fixture("small.safetensors"))
	succeed(t, "extract", "--source", source, "--output-dir", dir, "--checkpoint-path", fixture("small.safetensors"))
	extracted := filepath.Join(dir, "en.npz")
	if !bytes.Equal(draw(source, "--codes", extracted), want) {
		t.Error("the codes of extract give another picture than the codec's")
	}
	codec := open(t)
	tokens, err := codec.Encode(input(t, source))
	if err != nil {
		t.Fatal(err)
	}
	residual := codec.Books()[facodec.Residual]
	header, err := fac.HeaderFor(codec, residual)
	if err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	if err := fac.WriteTokens(&data, header, tokens); err != nil {
		t.Fatal(err)
	}
	compressed := filepath.Join(dir, "en.fac")
	write(t, compressed, data.Bytes())
	if !bytes.Equal(draw(source, "--codes", compressed), want) {
		t.Error("the codes of a .fac give another picture than the codec's")
	}
	if bytes.Equal(draw(source), want) {
		t.Error("without codes the picture is the same")
	}
	if bytes.Equal(draw("--codes", extracted), draw("--codes", extracted, "--from", "1")) {
		t.Error("part of the codes gives the picture of all")
	}
	r := succeed(t, "plot", clip("it.flac"), "-o", filepath.Join(dir, "other.png"), "--codes", extracted)
	if !strings.Contains(r.stderr, "another recording?") {
		t.Errorf("codes of another recording: %q", r.stderr)
	}
	write(t, compressed, data.Bytes()[:data.Len()-3])
	fail(t, "runs/gone: no such file or directory", "plot", "runs/gone")
	fail(t, compressed, "plot", source, "-o", filepath.Join(dir, "cut.png"), "--codes", compressed)
	absent(t, filepath.Join(dir, "cut.png"))
}

// TestPlotKeeps: without --force what exists is kept if it is what would be drawn, and an
// error otherwise.
func TestPlotKeeps(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.png")
	write(t, out, []byte("mine"))
	fail(t, "x.png: exists and is not what would be written; --force", "plot", clip("en.flac"), "-o", out)
	if string(read(t, out)) != "mine" {
		t.Error("overwritten without --force")
	}
	succeed(t, "plot", clip("en.flac"), "-o", out, "--force")
	drawn := read(t, out)
	if r := succeed(t, "plot", clip("en.flac"), "-o", out); !bytes.Equal(read(t, out), drawn) || !strings.Contains(r.stderr, "exists and is kept") {
		t.Errorf("not kept, or not said: %q", r.stderr)
	}
	fail(t, "is not what would be written", "plot", clip("it.flac"), "-o", out)
	onlyFile(t, out)
}

func TestPlotErrors(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "x.png")
	text := filepath.Join(dir, "text.wav")
	write(t, text, []byte("this is no audio at all"))
	write(t, filepath.Join(dir, "x.fac"), nil)
	arrays := func(name string, put func(w *npz.Writer) error) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w := npz.NewWriter(f)
		if err := put(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	floats := arrays("floats.npz", func(w *npz.Writer) error { return w.Write("codes_prosody", []int{1, 2}, []float32{1, 2}) })
	flat := arrays("flat.npz", func(w *npz.Writer) error { return w.Write("codes_prosody", []int{2}, []int32{1, 2}) })
	negative := arrays("negative.npz", func(w *npz.Writer) error { return w.Write("codes_content", []int{1, 2}, []int32{1, -2}) })
	none := arrays("none.npz", func(w *npz.Writer) error { return w.Write("timbre", []int{2}, []float32{1, 2}) })
	uneven := arrays("uneven.npz", func(w *npz.Writer) error {
		if err := w.Write("codes_prosody", []int{1, 2}, []int32{1, 2}); err != nil {
			return err
		}
		return w.Write("codes_content", []int{1, 3}, []int32{1, 2, 3})
	})
	en := clip("en.flac")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"nothing to draw", []string{"-o", out}},
		{"no --output", []string{en}},
		{"file extension", []string{en, "-o", filepath.Join(dir, "x.jpg")}},
		{"no such file", []string{filepath.Join(dir, "nix.wav"), "-o", out}},
		{text, []string{text, "-o", out}},
		{"x.fac: holds codes and no recording; --codes ", []string{filepath.Join(dir, "x.fac"), "-o", out}},
		{"none.npz: holds codes and no recording; --codes ", []string{en, none, "-o", out}},
		{"no audio files", []string{t.TempDir(), "-o", out}},
		{"--from -1", []string{en, "-o", out, "--from", "-1"}},
		{"--from NaN", []string{en, "-o", out, "--from", "nan"}},
		{"--to 1", []string{en, "-o", out, "--from", "1", "--to", "1"}},
		{"--to +Inf", []string{en, "-o", out, "--to", "inf"}},
		{"ends at 2.08 s", []string{en, "-o", out, "--from", "3"}},
		{"--width 10", []string{en, "-o", out, "--width", "10"}},
		{"--height 1000000", []string{en, "-o", out, "--height", "1000000"}},
		{"too low", []string{en, "-o", out, "--height", "200"}},
		{"no such file", []string{en, "-o", out, "--codes", filepath.Join(dir, "nix.npz")}},
		{"facodec extract", []string{en, "-o", out, "--codes", text}},
		{"1 recording and 2 files", []string{en, "-o", out, "--codes", floats, "--codes", flat}},
		{"leave one out", []string{en, "-o", out, "--codes", floats, "--checkpoint-path", "synthetic"}},
		{"nothing to draw", []string{"-o", out, "--checkpoint-path", "synthetic"}},
		{"want integers", []string{en, "-o", out, "--codes", floats}},
		{"want integers", []string{en, "-o", out, "--codes", flat}},
		{"-2 is no code", []string{en, "-o", out, "--codes", negative}},
		{"no codes in", []string{en, "-o", out, "--codes", none}},
		{"codes_content has 3 frames, codes_prosody 2", []string{en, "-o", out, "--codes", uneven}},
		{"is a source", []string{"--codes", floats, "-o", filepath.Join(dir, "same.png"), filepath.Join(dir, "same.png"), "--force"}},
		{"no such file", []string{en, "-o", filepath.Join(dir, "no", "x.png")}},
	} {
		if c.want == "is a source" {
			write(t, filepath.Join(dir, "same.png"), []byte("sound, whatever it is called"))
		}
		fail(t, c.want, append([]string{"plot"}, c.args...)...)
		absent(t, out)
	}
}
