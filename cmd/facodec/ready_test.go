package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNoPlaceForOutputs: that an output cannot be written is said before anything is done for it,
// even before a model that is not there is missed.
func TestNoPlaceForOutputs(t *testing.T) {
	dir := t.TempDir()
	compressed := filepath.Join(dir, "en.fac")
	succeed(t, small("encode", clip("en.flac"), "-o", compressed)...)
	missing := func(name string) string { return filepath.Join(dir, "missing", name) }
	const nobody = "/proc/self" // a folder in which root can make no file
	none := filepath.Join(dir, "none.safetensors")
	for _, test := range []struct{ args, output string }{
		{"reconstruct --source EN --output-dir " + nobody, nobody + "/reconstructed_en.wav"},
		{"convert --source EN --reference EN --output-dir " + nobody, nobody + "/converted_en_to_en.wav"},
		{"encode EN -o " + nobody + "/x.fac", nobody + "/x.fac"},
		{"decode FAC --output-dir " + nobody, nobody + "/en.wav"},
		{"extract --source EN --output-dir " + nobody, nobody + "/en.npz"},
		{"extract --source EN --format jsonl --output-dir " + nobody, nobody + "/codes.jsonl"},
		{"extract --source EN --format webdataset --output-dir " + nobody, nobody + "/codes.tar"},
		{"eval --source EN --output-dir " + nobody, nobody + "/reconstructed_en.wav"},
		{"voice enroll --source EN -o " + missing("en.voice"), missing("en.voice")},
		{"plot EN -o " + missing("en.png"), missing("en.png")},
		{"live --simulate EN --reference EN -o " + missing("en.wav"), missing("en.wav")},
		{"weights convert NONE " + missing("x.pth"), missing("x.pth")},
		{"weights export NONE " + missing("x.pth"), missing("x.pth")},
		{"weights random " + missing("x.pth"), missing("x.pth")},
	} {
		if _, err := os.Stat(nobody); err != nil && strings.Contains(test.args, nobody) {
			continue
		}
		args := strings.Fields(test.args)
		for i, arg := range args {
			if file, ok := map[string]string{"EN": clip("en.flac"), "FAC": compressed, "NONE": none}[arg]; ok {
				args[i] = file
			}
		}
		if args[0] != "weights" {
			args = append(args, "--checkpoint-path", none)
		}
		r := run(t, args...)
		if r.code != exitFailed || r.stderr != fmt.Sprintf("facodec: write %s: no such file or directory\n", test.output) {
			t.Errorf("%s: exit %d: %s", test.args, r.code, r.stderr)
		}
	}
}

// TestSomePlaceForOutputs: outputs that can be written are, beside a folder that takes none, and
// what is there already is kept in such a folder.
func TestSomePlaceForOutputs(t *testing.T) {
	const nobody = "/proc/self"
	if _, err := os.Stat(nobody); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	for _, name := range []string{"a/x.wav", "b/y.wav", "z.wav"} {
		short(t, filepath.Join(in, filepath.FromSlash(name)))
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(nobody, filepath.Join(out, "a")); err != nil {
		t.Skip(err)
	}
	for _, command := range []string{"reconstruct", "eval"} {
		r := run(t, small(command, "--source", in, "--output-dir", out)...)
		if r.code != exitFailed || strings.Count(r.stderr, "write "+filepath.Join(out, "a", "reconstructed_x.wav")+": ") != 1 {
			t.Errorf("%s: exit %d: %s", command, r.code, r.stderr)
		}
		for _, name := range []string{filepath.Join("b", "reconstructed_y.wav"), "reconstructed_z.wav"} {
			if err := os.Remove(filepath.Join(out, name)); err != nil {
				t.Errorf("%s: %v", command, err)
			}
		}
	}
}

// TestGain: outputs are scaled by the decibels asked for, in every command that writes samples; a
// gain above 0 clips, and the one that the warning names does not.
func TestGain(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	source := short(t, in("a.wav"))
	succeed(t, small("encode", source, "-o", in("a.fac"))...)
	for _, args := range [][]string{
		{"reconstruct", "--source", source},
		{"convert", "--source", source, "--reference", source},
		{"decode", in("a.fac")},
	} {
		args = small(args...)
		plain, low := in(args[0]+".wav"), in(args[0]+"-low.wav")
		succeed(t, append(args, "--sample-format", "f32", "-o", plain)...)
		succeed(t, append(args, "--sample-format", "f32", "-o", low, "--gain", "-6")...)
		fail(t, "--gain -6", append(args, "--sample-format", "f32", "-o", low, "--gain", "-7")...)
		want, _ := samplesOf(t, plain)
		peak := 0.0
		for i, x := range want {
			peak = max(peak, math.Abs(float64(x)))
			want[i] = x * float32(math.Pow(10, -6./20))
		}
		if got, _ := samplesOf(t, low); !slices.Equal(got, want) {
			t.Errorf("%s: %d samples, not those of -6 dB", args[0], len(got))
		}
		for _, extension := range []string{".wav", ".flac"} {
			loud := in(args[0] + "-loud" + extension)
			gain := fmt.Sprintf("%.2f", 3-20*math.Log10(peak)) // 3 dB too much
			r := succeed(t, append(args, "-o", loud, "--gain", gain)...)
			match := regexp.MustCompile(`by up to 3\.0 dB, and are clipped; --gain (\S+) lowers`).FindStringSubmatch(r.stderr)
			if match == nil || strings.Contains(r.stderr, "--sample-format f32") != (extension == ".wav") {
				t.Fatalf("%s to %s: %s", args[0], extension, r.stderr)
			}
			r = succeed(t, append(args, "-o", loud, "--gain", match[1], "--force")...)
			if strings.Contains(r.stderr, "clipped") {
				t.Errorf("%s at %s: %s", args[0], match[1], r.stderr)
			}
			got, _ := samplesOf(t, loud)
			top := 0.0
			for _, x := range got {
				top = max(top, math.Abs(float64(x)))
			}
			if top < 0.98 {
				t.Errorf("%s at %s: lower than it need be: peak %g", args[0], match[1], top)
			}
		}
	}
	r := piped(t, bytes.NewReader(read(t, in("a.fac"))), small("decode", "-", "-o", "-", "--sample-format", "f32", "--gain", "-6")...)
	write(t, in("piped.wav"), []byte(r.stdout))
	got, _ := samplesOf(t, in("piped.wav"))
	if want, _ := samplesOf(t, in("decode-low.wav")); !slices.Equal(got, want) {
		t.Errorf("to a pipe: %d samples, not those of -6 dB: %s", len(got), r.stderr)
	}
}
