package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// otherModel is a checkpoint with other weights.
func otherModel(t *testing.T) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), "other.pth")
	succeed(t, "weights", "random", "--seed", "7", "--config", fixture("small.json"), other)
	return other
}

// TestKept: outputs are kept if they are what the same command would make, and any other
// is an error that names --force, in every command; what is there stays as it is. Flags
// and checkpoint are checked also where nothing is left to do.
func TestKept(t *testing.T) {
	other := otherModel(t)
	redecoder := filepath.Join(t.TempDir(), "redecoder.safetensors")
	succeed(t, "weights", "random", "--seed", "9", "--config", fixture("redecoder.json"), redecoder)
	type change struct {
		want string
		args []string // added, of which a last --checkpoint-path counts
	}
	weights := []change{
		{"nowhere.pth", []string{"--checkpoint-path", "nowhere.pth"}},
		{"with other weights (and so 1 other output); --force", []string{"--checkpoint-path", other}},
	}
	sound := []change{
		{"made without --sample-format f32", []string{"--sample-format", "f32"}},
		{`"s12"`, []string{"--sample-format", "s12"}},
		{"made without --output-rate 48000", []string{"--output-rate", "48000"}},
		{"made with --precision fast", []string{"--precision", "exact"}},
		{`precision "single"`, []string{"--precision", "single"}},
	}
	normalize := change{"made without --normalize", []string{"--normalize"}}
	for _, c := range []struct {
		command string
		args    []string
		output  string
		changes []change
	}{
		{"reconstruct", nil, "reconstructed_a.wav", slices.Concat(weights, sound, []change{normalize})},
		{"reconstruct", []string{"--output-format", "flac"}, "reconstructed_a.flac", slices.Concat(weights, []change{normalize})},
		{"convert", []string{"--reference", clip("it.flac")}, "converted_a_to_it.wav", slices.Concat(weights, sound, []change{
			normalize,
			{"in another voice", []string{"--reference", clip("fr.flac")}},
			{"with other weights", []string{"--redecoder-checkpoint", fixture("redecoder.safetensors")}},
		})},
		{"convert", []string{"--reference", clip("it.flac"), "--redecoder-checkpoint", fixture("redecoder.safetensors")}, "converted_a_to_it.wav", []change{
			{"with other weights", []string{"--redecoder-checkpoint", redecoder}},
			{"nowhere", []string{"--redecoder-checkpoint", "nowhere"}},
		}},
		{"decode", nil, "a.wav", slices.Concat(sound, []change{
			{"nowhere.pth", []string{"--checkpoint-path", "nowhere.pth"}},
			{"with other weights (and so 1 other output); --force", []string{"--checkpoint-path", other}},
			{"made without --parts [content]", []string{"--parts", "content"}},
			{"in another voice", []string{"--reference", clip("fr.flac")}},
		})},
		{"encode", nil, "a.fac", slices.Concat(weights, []change{
			{"with --residual-books 3", []string{"--residual-books", "1"}},
			{"without --entropy-coding", []string{"--entropy-coding"}},
			{"with --precision fast, or by a version that kept none", []string{"--precision", "exact"}},
		})},
		{"encode", []string{"--precision", "bf16"}, "a.fac", []change{
			{"with --precision bf16", []string{"--precision", "fast"}},
			{"with --precision bf16", []string{"--precision", "int8"}},
		}},
		{"extract", nil, "a.npz", []change{
			{"nowhere.pth", []string{"--checkpoint-path", "nowhere.pth"}},
			{"by another model", []string{"--checkpoint-path", other}},
			{"with --what codes,timbre; give", []string{"--normalize"}},
			{"with --precision fast; give", []string{"--precision", "exact"}},
		}},
		{"extract", []string{"--format", "jsonl"}, "codes.jsonl", []change{
			{"by another model", []string{"--checkpoint-path", other}},
			{"with --what codes,timbre; give", []string{"--what", "codes"}},
		}},
	} {
		t.Run(c.command+" "+c.output, func(t *testing.T) {
			in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
			a, b := short(t, filepath.Join(in, "a.wav")), wav(t, filepath.Join(in, "b.wav"), 24000, 1, tone(3000, 16000))
			if c.command == "decode" {
				facs := t.TempDir()
				succeed(t, small("encode", in, "--output-dir", facs)...)
				in, a, b = facs, filepath.Join(facs, "a.fac"), filepath.Join(facs, "b.fac")
			}
			args := slices.Concat([]string{c.command, "--source", in, "--output-dir", out, "--checkpoint-path", fixture("small.safetensors")}, c.args)
			if r := reported(t, 0, args...); len(r.Files) != 2 {
				t.Fatalf("report %+v", r)
			}
			output := filepath.Join(out, c.output)
			made := read(t, output)
			check := func(what string) {
				t.Helper()
				if !bytes.Equal(read(t, output), made) {
					t.Errorf("%s: the output is another", what)
				}
			}
			if r := reported(t, 0, args...); len(r.Files) != 0 || r.Totals.Skipped != 2 {
				t.Errorf("again: %+v", r)
			}
			for _, change := range c.changes {
				fail(t, change.want, append(args, change.args...)...)
				check(strings.Join(change.args, " "))
			}
			// A source that was copied is the same; one that has changed is not.
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(a, old, old); err != nil {
				t.Fatal(err)
			}
			if r := reported(t, 0, args...); r.Totals.Skipped != 2 {
				t.Errorf("of a source with another time: %+v", r)
			}
			data := read(t, a)
			write(t, a, read(t, b))
			fail(t, " of another recording than "+a+" is now", args...)
			check("of a source that has changed")
			if r := reported(t, 0, append(args, "--force")...); len(r.Files) != 2 || bytes.Equal(read(t, output), made) {
				t.Errorf("with --force: %+v", r)
			}
			write(t, a, data)
			if c.command == "extract" {
				return
			}
			// Nothing says what another program has made.
			write(t, output, []byte("RIFF of another program"))
			made = read(t, output)
			r := run(t, args...)
			if r.code != exitFailed || !strings.Contains(r.stderr, "--force") {
				t.Errorf("over a file of another program: %d, %s", r.code, r.stderr)
			}
			check("of another program")
		})
	}
}

// TestKeptOfAnEarlierVersion: a WAV without a record is not kept.
func TestKeptOfAnEarlierVersion(t *testing.T) {
	out := t.TempDir()
	args := small("reconstruct", clip("en.flac"), "--output-dir", out)
	succeed(t, args...)
	output := filepath.Join(out, "reconstructed_en.wav")
	write(t, output, bare(read(t, output)))
	fail(t, "nothing in it says what it was made with", args...)
	fail(t, "cannot be compared with what comes from standard input", small("encode", "-", "-o", output)...)
}
