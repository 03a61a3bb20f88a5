package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// small ends a command line with the small codec.
func small(args ...string) []string {
	return append(args, "--checkpoint-path", fixture("small.safetensors"))
}

// piped runs a command with something on stdin.
func piped(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := executeWith(t.Context(), args, stdin, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// reconstructed returns what reconstruct makes of a source: a whole WAV file.
func reconstructed(t *testing.T, source string, more ...string) []byte {
	t.Helper()
	out := t.TempDir()
	succeed(t, append(small("reconstruct", source, "--output-dir", out), more...)...)
	return bare(read(t, filepath.Join(out, files(t, out)[0])))
}

// TestEncodeDecode: by files, by folders and by pipes, the WAV file is the one
// that reconstruct writes, byte by byte but for the record of what it was made of.
func TestEncodeDecode(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	want := reconstructed(t, clip("en.flac"))

	r := succeed(t, small("encode", clip("en.flac"), "-o", in("x.fac"))...)
	fac := read(t, in("x.fac"))
	if !strings.HasPrefix(r.stderr, in("x.fac")+": 2.08 s of audio in ") && !strings.Contains(r.stderr, " bytes\n") {
		t.Errorf("stderr: %s", r.stderr)
	}
	succeed(t, small("decode", in("x.fac"), "-o", in("y.wav"))...)
	if !bytes.Equal(bare(read(t, in("y.wav"))), want) {
		t.Error("decoded to another file than reconstructed")
	}

	r = piped(t, bytes.NewReader(read(t, clip("en.flac"))), small("encode", "-", "-o", "-")...)
	if r.code != 0 || r.stdout != string(fac) || !strings.Contains(r.stderr, "standard output: 2.08 s of audio") {
		t.Errorf("encoded in a pipe: exit code %d, %d bytes: %s", r.code, len(r.stdout), r.stderr)
	}
	r = piped(t, strings.NewReader(r.stdout), small("decode", "--source", "-", "--output", "-", "--quiet")...)
	if r.code != 0 || r.stdout != string(want) || r.stderr != "" {
		t.Errorf("decoded in a pipe: exit code %d, %d bytes: %s", r.code, len(r.stdout), r.stderr)
	}
	succeed(t, small("decode", in("x.fac"), "-o", in("f32.wav"), "--sample-format", "f32")...)
	if !bytes.Equal(bare(read(t, in("f32.wav"))), reconstructed(t, clip("en.flac"), "--sample-format", "f32")) {
		t.Error("decoded to other floats than reconstructed")
	}

	// Fewer bytes, the same sound.
	succeed(t, small("encode", clip("en.flac"), "-o", in("coded.fac"), "--entropy-coding")...)
	succeed(t, small("decode", in("coded.fac"), "-o", in("coded.wav"))...)
	if len(read(t, in("coded.fac"))) >= len(fac) || !bytes.Equal(bare(read(t, in("coded.wav"))), want) {
		t.Errorf("entropy coded: %d bytes, otherwise %d; or another file than reconstructed", len(read(t, in("coded.fac"))), len(fac))
	}

	// A folder, whose tree is kept.
	short(t, in("src/a.wav"))
	short(t, in("src/b/c.wav"))
	write(t, in("src/b/notes.txt"), nil)
	report := reported(t, 0, small("encode", in("src"), "--output-dir", in("facs"))...)
	checkFiles(t, in("facs"), "a.fac", "b/c.fac")
	if f := report.Files[1]; report.Command != "encode" || f.Bytes != int64(len(read(t, in("facs/b/c.fac")))) || f.Samples != 6000 || f.Frames != 20 || f.Format != "wav pcm_f32" {
		t.Errorf("report %+v", report)
	}
	report = reported(t, 0, small("decode", in("facs"), "--output-dir", in("wavs"))...)
	checkFiles(t, in("wavs"), "a.wav", "b/c.wav")
	if f := report.Files[0]; f.Format != "fac 6 books" || f.Samples != 6000 || f.SampleRate != 24000 || f.Channels != 1 || f.Bytes != 0 {
		t.Errorf("report %+v", report)
	}
	if !bytes.Equal(bare(read(t, in("wavs/b/c.wav"))), reconstructed(t, in("src/b/c.wav"))) {
		t.Error("decoded to another file than reconstructed")
	}
	// Outputs that exist are kept.
	for _, args := range [][]string{{"decode", in("facs"), "--output-dir", in("wavs")}, {"encode", clip("en.flac"), "-o", in("x.fac")}} {
		if r := reported(t, 0, small(args...)...); len(r.Files) != 0 || len(r.Skipped) == 0 {
			t.Errorf("again: %+v", r)
		}
	}
	if !bytes.Equal(read(t, in("x.fac")), fac) {
		t.Error("an output that exists was replaced")
	}
	succeed(t, small("encode", in("src/a.wav"), "-o", in("x.fac"), "--force")...)
	if bytes.Equal(read(t, in("x.fac")), fac) {
		t.Error("an output was not replaced with --force")
	}
}

// TestDecodeChoices: books, parts and voices reach the library; another voice is
// what convert gives.
func TestDecodeChoices(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	sizes := map[string]int{}
	for _, books := range []string{"0", "1", "3"} {
		succeed(t, small("encode", clip("es.flac"), "-o", in(books+".fac"), "--residual-books", books)...)
		sizes[books] = len(read(t, in(books+".fac")))
	}
	if sizes["0"] >= sizes["1"] || sizes["1"] >= sizes["3"] {
		t.Errorf("sizes %v", sizes)
	}
	out := t.TempDir()
	succeed(t, small("convert", "--source", clip("es.flac"), "--reference", clip("it.flac"), clip("fr.flac"), "--output-dir", out)...)
	want := bare(read(t, filepath.Join(out, files(t, out)[0])))
	for _, books := range []string{"0", "3"} {
		succeed(t, small("decode", in(books+".fac"), "--reference", clip("it.flac"), clip("fr.flac"), "-o", in("y.wav"), "--force")...)
		if !bytes.Equal(bare(read(t, in("y.wav"))), want) {
			t.Errorf("%s books under another voice: not what convert gives", books)
		}
	}
	r := piped(t, bytes.NewReader(read(t, in("3.fac"))), small("decode", "-", "--reference", clip("it.flac"), clip("fr.flac"), "-o", "-")...)
	if len(r.stdout) != len(want) || r.stdout[44:] != string(want[44:]) || r.stdout[40:44] != "\xff\xff\xff\xff" {
		t.Errorf("as it comes: %d bytes, %d wanted: %s", len(r.stdout), len(want), r.stderr)
	}
	seen := map[string]string{string(want): "convert"}
	for _, parts := range []string{"prosody", "content", "residual", "prosody,content", "residual,content,prosody"} {
		r := succeed(t, small("decode", in("3.fac"), "-o", "-", "--parts", parts)...)
		if other, ok := seen[r.stdout]; ok {
			t.Errorf("%s sounds as %s does", parts, other)
		}
		seen[r.stdout] = parts
	}
	if seen[string(reconstructed(t, clip("es.flac")))] != "residual,content,prosody" {
		t.Error("all parts are not what reconstruct gives")
	}
	failWith(t, exitSomeFailed, in("0.fac")+": holds no residual codes", small("decode", in("0.fac"), "-o", in("n.wav"), "--parts", "residual")...)
	absent(t, in("n.wav"))
}

// TestDecodeArrays: what extract writes is decoded as the recording is reconstructed, exactly as
// long where the format tells the length, and without a timbre in the voice of a reference.
func TestDecodeArrays(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	want := reconstructed(t, clip("es.flac"))
	for _, format := range []string{"npz", "safetensors"} {
		succeed(t, small("extract", "--source", clip("es.flac"), "--output-dir", in(format), "--what", "codes,timbre", "--format", format)...)
		report := reported(t, 0, small("decode", in(format), "--output-dir", in("wavs-"+format))...)
		if f := report.Files[0]; f.Format != format+" 6 books" {
			t.Errorf("%s: report %+v", format, report)
		}
		got := bare(read(t, in("wavs-"+format+"/es.wav")))
		if format == "npz" { // up to a frame longer
			if len(got) < len(want) || len(got) >= len(want)+2*300 {
				t.Fatalf("%s: %d bytes for %d", format, len(got), len(want))
			}
			got = append(want[:44:44], got[44:len(want)]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: other samples than those of reconstruct", format)
		}
	}
	succeed(t, small("extract", "--source", clip("es.flac"), "--output-dir", in("codes"), "--what", "codes", "--format", "safetensors")...)
	failWith(t, exitSomeFailed, in("codes/es.safetensors")+": has no timbre: add one, an array of 40 floats, or name a voice with --reference",
		small("decode", in("codes/es.safetensors"), "-o", in("n.wav"))...)
	absent(t, in("n.wav"))
	succeed(t, small("convert", "--source", clip("es.flac"), "--reference", clip("it.flac"), "-o", in("converted.wav"))...)
	succeed(t, small("decode", in("codes/es.safetensors"), "--reference", clip("it.flac"), "-o", in("decoded.wav"))...)
	if !bytes.Equal(bare(read(t, in("decoded.wav"))), bare(read(t, in("converted.wav")))) {
		t.Error("in another voice: not what convert gives")
	}
	// Of a folder, weights are passed over; whoever names them is told.
	if err := os.WriteFile(in("safetensors/model.safetensors"), read(t, fixture("small.safetensors")), 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, small("decode", in("safetensors"), "--output-dir", in("again"))...)
	checkFiles(t, in("again"), "es.wav")
	if r := piped(t, bytes.NewReader(read(t, in("npz/es.npz"))), small("decode", "-", "-o", in("n.wav"))...); !strings.Contains(r.stderr, "not a .fac file, but a zip archive") {
		t.Errorf("arrays from standard input: %s", r.stderr)
	}
	failWith(t, exitSomeFailed, fixture("small.safetensors")+": no codes in this file", small("decode", fixture("small.safetensors"), "-o", in("n.wav"))...)
}

// TestFacUsage: mistakes are named before anything is made.
func TestFacUsage(t *testing.T) {
	dir := t.TempDir()
	x, y := short(t, filepath.Join(dir, "x.wav")), short(t, filepath.Join(dir, "y.wav"))
	out := filepath.Join(dir, "out")
	fac := filepath.Join(dir, "x.fac")
	succeed(t, small("encode", x, "-o", fac)...)
	for want, args := range map[string][]string{
		"no source: name audio files":                     {"encode", "-o", out},
		"no source: name compressed files":                {"decode", "-o", out + ".wav"},
		"all names after --reference are references":      {"decode", "-o", out + ".wav", "--reference", x, fac},
		"no output: name a file with -o":                  {"encode", x},
		"both -o and --output-dir":                        {"encode", x, "-o", out, "--output-dir", out},
		"-o - and --json":                                 {"encode", x, "-o", "-", "--json"},
		"standard input has no name":                      {"decode", "-", "--output-dir", out},
		"for 2 sources: name a folder with --output-dir":  {"encode", x, y, "-o", out},
		"a source is empty":                               {"encode", "", "-o", out},
		x + " is the source, and the output":              {"encode", x, "-o", filepath.Join(dir, ".", "x.wav"), "--force"},
		"--residual-books 4: the codec has 0 to 3":        {"encode", x, "-o", out, "--residual-books", "4"},
		"--residual-books -1":                             {"encode", x, "-o", out, "--residual-books=-1"},
		`--parts: "noise" is not one of`:                  {"decode", fac, "-o", out + ".wav", "--parts", "noise"},
		"--parts is empty: give it a value":               {"decode", fac, "-o", out + ".wav", "--parts", ""},
		"no compressed files in this folder; looked for ": {"decode", dir + "/..", "-o", out + ".wav"},
		"read " + x + ": not a .fac file":                 {"decode", x, "-o", out + ".wav"},
		"missing.fac: no such file":                       {"decode", filepath.Join(dir, "missing.fac"), "-o", out + ".wav"},
		"missing.wav: no such file":                       {"decode", fac, "-o", out + ".wav", "--reference", filepath.Join(dir, "missing.wav")},
		"read standard input: ":                           {"encode", "-", "-o", out},
		"is a directory":                                  {"encode", x, "-o", dir},
	} {
		if strings.HasPrefix(want, "no compressed") {
			empty := filepath.Join(dir, "empty")
			os.MkdirAll(empty, 0o755)
			args[1] = empty
		}
		code := exitFailed
		switch want {
		case "read " + x + ": not a .fac file", "missing.fac: no such file", "no compressed files in this folder; looked for ", "read standard input: ":
			code = exitSomeFailed // of one
		}
		failWith(t, code, want, small(args...)...)
		absent(t, out)
		absent(t, out+".wav")
	}
}

// TestFacDamaged: one line that names the file, the others done, nothing
// half-written.
func TestFacDamaged(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	x := short(t, in("x.wav"))
	succeed(t, small("encode", x, "-o", in("facs/good.fac"))...)
	file := read(t, in("facs/good.fac"))
	flipped := bytes.Clone(file)
	flipped[100] ^= 4
	write(t, in("facs/cut.fac"), file[:len(file)-2])
	write(t, in("facs/flipped.fac"), flipped)
	r := run(t, small("decode", in("facs"), "--output-dir", in("out"))...)
	if r.code != exitSomeFailed || !strings.Contains(r.stderr, "facodec: read "+in("facs/cut.fac")+": cut short: ends in the trailer\n") ||
		!strings.Contains(r.stderr, "facodec: read "+in("facs/flipped.fac")+": corrupt: wrong checksum of block 0\n") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	checkFiles(t, in("out"), "good.wav")
	r = piped(t, bytes.NewReader(file[:200]), small("decode", "-", "-o", "-")...)
	if r.code != exitSomeFailed || r.stdout != "" {
		t.Errorf("cut in a pipe: exit code %d, %d bytes", r.code, len(r.stdout))
	}
	checkLine(t, r.stderr, "facodec: read standard input: cut short")

	// Another codec's: of the same kind with other weights, and of another shape.
	other := in("other.safetensors")
	write(t, in("other.json"), []byte(strings.ReplaceAll(smallConfig, `"codebook_size": 50`, `"codebook_size": 60`)))
	succeed(t, "weights", "random", "--config", in("other.json"), other)
	failWith(t, exitSomeFailed, "read "+in("facs/good.fac")+": for a codec of 24000 Hz, hop 300, 1+2+3 books of 50 entries",
		"decode", in("facs/good.fac"), "-o", in("n.wav"), "--checkpoint-path", other)
	absent(t, in("n.wav"))
	tampered := bytes.Clone(read(t, fixture("small.safetensors")))
	tampered[len(tampered)-1] ^= 1 // of the last tensor's last value
	write(t, in("tampered.safetensors"), tampered)
	r = run(t, "decode", in("facs/good.fac"), "-o", in("t.wav"), "--checkpoint-path", in("tampered.safetensors"))
	if r.code == 0 && !strings.Contains(r.stderr, "facodec: warning: "+in("facs/good.fac")+": encoded with another decoder") ||
		r.code != 0 && !strings.Contains(r.stderr, "encoded with another quantizer") {
		t.Errorf("another codec: exit code %d: %s", r.code, r.stderr)
	}
}

// TestPipeInterrupted: waiting for a pipe ends when the command is interrupted.
func TestPipeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, feed := io.Pipe()
	defer feed.Close()
	go func() {
		feed.Write(read(t, clip("en.flac"))[:20000])
		cancel()
	}()
	out := filepath.Join(t.TempDir(), "out")
	var stdout, stderr bytes.Buffer
	code := executeWith(ctx, small("encode", "-", "-o", filepath.Join(out, "x.fac")), in, &stdout, &stderr)
	if code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	absent(t, out)
}
