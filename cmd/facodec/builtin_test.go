package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/defaultmodel"
)

// builtinCodec opens the built-in model through the library.
func builtinCodec(t *testing.T) *facodec.Codec {
	t.Helper()
	c, err := defaultmodel.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestBuiltin: without a checkpoint the built-in model works, and a notice says which that
// is; under its name it does without a notice.
func TestBuiltin(t *testing.T) {
	want, err := builtinCodec(t).Reconstruct(input(t, clip("en.flac")))
	if err != nil {
		t.Fatal(err)
	}
	notice := "facodec: notice: the built-in model " + defaultmodel.Title + "; --checkpoint-path names another\n"
	for _, c := range []struct {
		args   []string
		notice bool
	}{{nil, true}, {[]string{"--checkpoint-path", "default"}, false}, {[]string{"--quiet"}, false}} {
		out := t.TempDir()
		r := succeed(t, append([]string{"reconstruct", "--source", clip("en.flac"), "--output-dir", out, "--sample-format", "f32"}, c.args...)...)
		checkSamples(t, filepath.Join(out, "reconstructed_en.wav"), want)
		if strings.Contains(r.stderr, notice) != c.notice {
			t.Errorf("%q: stderr %q", c.args, r.stderr)
		}
	}
	// One notice, however many files.
	r := succeed(t, "extract", "--source", clip("en.flac"), clip("it.flac"), "--output-dir", t.TempDir())
	if strings.Count(r.stderr, notice) != 1 {
		t.Errorf("stderr %q", r.stderr)
	}
}

// TestBuiltinFiles: what the built-in model made is used as it is, and what another model
// made is an error that says which checkpoint cures it.
func TestBuiltinFiles(t *testing.T) {
	dir := t.TempDir()
	small := []string{"--checkpoint-path", fixture("small.safetensors")}
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, with := range map[string][]string{"own": nil, "other": small} {
		succeed(t, append(with, "encode", clip("en.flac"), "-o", path(name+".fac"))...)
		succeed(t, append(with, "voice", "enroll", "--source", clip("it.flac"), "-o", path(name+".voice"))...)
	}
	if text := succeed(t, "info", path("own.fac")).stdout; strings.Count(text, " ("+defaultmodel.Title+")\n") != 2 {
		t.Errorf("info of the file:\n%s", text)
	}
	if text := succeed(t, "info", path("own.voice")).stdout; !strings.Contains(text, " ("+defaultmodel.Title+")\n") {
		t.Errorf("info of the voice:\n%s", text)
	}
	out := []string{"--output-dir", path("out")}
	succeed(t, append(out, "decode", path("own.fac"), "--reference", path("own.voice"))...)
	succeed(t, append(out, "convert", "--source", clip("fr.flac"), "--reference", path("own.voice"))...)
	const isDefault, another = "; --checkpoint-path default is that model", "--checkpoint-path names another"
	decode := append([]string{"decode", path("own.fac"), "--force"}, out...)
	failWith(t, exitSomeFailed, isDefault, append(decode, small...)...)
	decode[1] = path("other.fac")
	failWith(t, exitSomeFailed, "this is the built-in model "+defaultmodel.Title+", and "+another, decode...)
	convert := append([]string{"convert", "--source", clip("es.flac"), "--reference", path("own.voice")}, out...)
	fail(t, isDefault, append(convert, small...)...)
	convert[4] = path("other.voice")
	fail(t, another, convert...)
	// A bad file is one with any model.
	write(t, path("cut.fac"), read(t, path("own.fac"))[:100])
	r := run(t, append([]string{"decode", path("cut.fac")}, out...)...)
	if r.code != exitSomeFailed || !strings.Contains(r.stderr, "cut.fac") || strings.Contains(r.stderr, another) {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

// TestBuiltinCheckpoint: it is described, and written to a file that is the same model.
func TestBuiltinCheckpoint(t *testing.T) {
	text := succeed(t, "info", "default").stdout
	card := defaultmodel.ReadCard()
	for _, want := range []string{"name           facodec " + defaultmodel.Title, card.Architecture, card.Data, card.Training, "licence        " + defaultmodel.License} {
		if !strings.Contains(text, want) {
			t.Errorf("info default has no %q:\n%s", want, text)
		}
	}
	var d struct {
		Card        defaultmodel.Card
		Description struct{ Parameters int64 }
	}
	if err := json.Unmarshal([]byte(succeed(t, "info", "default", "--json").stdout), &d); err != nil {
		t.Fatal(err)
	}
	if d.Card.Name != defaultmodel.Name || d.Description.Parameters != card.Parameters || card.Parameters == 0 {
		t.Errorf("%+v", d)
	}
	output := filepath.Join(t.TempDir(), "kept.safetensors")
	succeed(t, "weights", "export", "--dtype", "int8", "default", output)
	kept, err := facodec.Open(output)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if a, b := kept.TokensFingerprint(), builtinCodec(t).TokensFingerprint(); a != b {
		t.Errorf("kept %s, built in %s", a, b)
	}
	if n := len(read(t, output)); n > 12e6 {
		t.Errorf("kept in %d bytes", n)
	}
}

// TestBuiltinPlot: the built-in model's codes are drawn, none's are not.
func TestBuiltinPlot(t *testing.T) {
	dir := t.TempDir()
	draw := func(name string, args ...string) []byte {
		out := filepath.Join(dir, name)
		succeed(t, append([]string{"plot", clip("en.flac"), "-o", out, "--quiet"}, args...)...)
		return read(t, out)
	}
	usual, named, none := draw("a.svg"), draw("b.svg", "--checkpoint-path", "default"), draw("c.svg", "--checkpoint-path", "none")
	if !slices.Equal(usual, named) || !strings.Contains(string(usual), "prosody") || strings.Contains(string(none), "prosody") {
		t.Errorf("%d, %d and %d bytes", len(usual), len(named), len(none))
	}
}

// TestBuiltinConverts: whatever converts says what the built-in model cannot do yet, and what
// does not convert says nothing.
func TestBuiltinConverts(t *testing.T) {
	dir := t.TempDir()
	compressed := filepath.Join(dir, "en.fac")
	succeed(t, "encode", clip("en.flac"), "-o", compressed)
	for _, test := range []struct {
		args []string
		want bool
	}{
		{[]string{"convert", "--source", clip("en.flac"), "--reference", clip("it.flac"), "--output-dir", dir}, true},
		{[]string{"decode", compressed, "--reference", clip("it.flac"), "-o", filepath.Join(dir, "it.wav")}, true},
		{[]string{"decode", compressed, "-o", filepath.Join(dir, "en.wav")}, false},
	} {
		r := succeed(t, test.args...)
		if strings.Contains(r.stderr, "facodec: notice: "+builtinConverts+"\n") != test.want {
			t.Errorf("%v: stderr: %s", test.args, r.stderr)
		}
	}
}
