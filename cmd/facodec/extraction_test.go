package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/corpus"
	"github.com/facodec-go/facodec/internal/extract"
	"github.com/facodec-go/facodec/internal/weights"
)

// recordings makes a folder of n short sounds of several lengths, in two folders.
func recordings(t *testing.T, n int) (dir string, paths []string) {
	t.Helper()
	dir = t.TempDir()
	for i := range n {
		path := fmt.Sprintf("%c/%02d.wav", 'a'+rune(i%2), i)
		wav(t, filepath.Join(dir, filepath.FromSlash(path)), 24000, 1, tone(400+1700*(i%3), 24000+10*i))
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return dir, paths
}

// entries reads a manifest and checks it against the outputs.
func entries(t *testing.T, manifest string) (all []corpus.Entry) {
	t.Helper()
	for line := range bytes.Lines(read(t, manifest)) {
		var e corpus.Entry
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%s: %v in %s", manifest, err, line)
		}
		data := read(t, filepath.Join(filepath.Dir(manifest), filepath.FromSlash(e.Output)))[e.Offset:][:e.Bytes]
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != e.SHA256 || e.Frames != int(e.Samples+299)/300 || e.Seconds != float64(e.Samples)/24000 {
			t.Errorf("%s is wrong about its output: %+v", manifest, e)
		}
		all = append(all, e)
	}
	return all
}

func pathsOf(all []corpus.Entry) (paths []string) {
	for _, e := range all {
		paths = append(paths, e.Path)
	}
	return paths
}

// TestExtractResumes: in each format, several at a time or not, the manifest lists
// the sources in order and what is in it is kept, and nothing else.
func TestExtractResumes(t *testing.T) {
	in, paths := recordings(t, 9)
	for format, second := range map[string]string{"npz": "a/02.npz", "safetensors": "a/02.safetensors", "jsonl": ""} {
		whole := map[string]string{}
		for _, threads := range []string{"1", "3"} {
			out := filepath.Join(t.TempDir(), "out")
			args := []string{"extract", in, "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--format", format, "--threads", threads}
			r := reported(t, 0, args...)
			manifest := filepath.Join(out, "manifest.jsonl")
			if got := pathsOf(entries(t, manifest)); len(r.Files) != 9 || !slices.Equal(got, paths) {
				t.Fatalf("%s, %s threads: %v in the manifest", format, threads, got)
			}
			for _, name := range files(t, out) {
				data := string(read(t, filepath.Join(out, filepath.FromSlash(name))))
				if whole[name] == "" {
					whole[name] = data
				}
				if data != whole[name] {
					t.Errorf("%s: with %s threads %s is another", format, threads, name)
				}
			}
			if r := reported(t, 0, args...); len(r.Files) != 0 || r.Totals.Skipped != 9 {
				t.Errorf("%s: a second run made %d and kept %d", format, len(r.Files), r.Totals.Skipped)
			}
			// A kill left the manifest without its last entries, and half a line.
			lines := bytes.SplitAfter(read(t, manifest), []byte("\n"))
			write(t, manifest, append(bytes.Join(lines[:6], nil), lines[6][:20]...))
			want := 3
			if second != "" {
				if err := os.Remove(filepath.Join(out, filepath.FromSlash(second))); err != nil {
					t.Fatal(err)
				}
				want++
			}
			if r := reported(t, 0, args...); len(r.Files) != want || r.Totals.Skipped != 9-want {
				t.Errorf("%s: after a kill %d were made and %d kept", format, len(r.Files), r.Totals.Skipped)
			}
			if all := entries(t, manifest); len(all) != 9 {
				t.Errorf("%s: %d entries after a kill", format, len(all))
			}
			if r := reported(t, 0, append(args, "--force")...); len(r.Files) != 9 {
				t.Errorf("%s: --force made %d", format, len(r.Files))
			}
			for name, data := range whole {
				if string(read(t, filepath.Join(out, filepath.FromSlash(name)))) != data {
					t.Errorf("%s: %s is not what it was", format, name)
				}
			}
		}
	}
}

// TestExtractLines compares the lines with the library's.
func TestExtractLines(t *testing.T) {
	codec, out := open(t), t.TempDir()
	succeed(t, "extract", clip("en.flac"), clip("fr.flac"), "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--format", "jsonl")
	checkFiles(t, out, "codes.jsonl", "manifest.jsonl")
	lines := bytes.SplitAfter(read(t, filepath.Join(out, "codes.jsonl")), []byte("\n"))
	for i, name := range []string{"en.flac", "fr.flac"} {
		var got struct {
			Path    string    `json:"path"`
			Content [][]int32 `json:"codes_content"`
			Timbre  []float32 `json:"timbre"`
		}
		if err := json.Unmarshal(lines[i], &got); err != nil {
			t.Fatal(err)
		}
		want, err := codec.Encode(input(t, clip(name)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Path != name || !slices.Equal(got.Content[1], want.Codes[facodec.Content][1]) || !slices.Equal(got.Timbre, want.Timbre) {
			t.Errorf("line %d is of %s, or has other values", i, got.Path)
		}
	}
}

func TestExtractSafetensors(t *testing.T) {
	codec, out := open(t), t.TempDir()
	succeed(t, "extract", clip("it.flac"), "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--format", "safetensors", "--what", "float16,timbre,codes")
	f, err := weights.Open(filepath.Join(out, "it.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := codec.Encode(input(t, clip("it.flac")))
	if err != nil {
		t.Fatal(err)
	}
	x, ok := f.Lookup("codes_residual")
	if !ok || x.DType != weights.I32 || !slices.Equal(x.Shape, []int{3, want.Frames()}) {
		t.Fatalf("codes_residual: %+v", x)
	}
	got, err := x.Float32()
	for i, code := range slices.Concat(want.Codes[facodec.Residual]...) {
		if err != nil || got[i] != float32(code) {
			t.Fatalf("code %d: %v", i, err)
		}
	}
	if x, ok := f.Lookup("timbre"); !ok || x.DType != weights.F16 || f.Metadata()["samples"] != fmt.Sprint(want.Samples) {
		t.Errorf("timbre %+v, metadata %v", x, f.Metadata())
	}
	if e := entries(t, filepath.Join(out, "manifest.jsonl")); e[0].What != "codes,timbre,float16" || e[0].Model != codec.TokensFingerprint().String() {
		t.Errorf("manifest %+v", e)
	}
}

// TestShards: the shards of a corpus, however they are told, are all of it and each
// recording once; done in another division, nothing is done again.
func TestShards(t *testing.T) {
	in, paths := recordings(t, 12)
	for _, format := range []string{"npz", "jsonl"} {
		out := t.TempDir()
		args := []string{"extract", in, "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--format", format}
		var got []string
		for i := range 3 {
			var r report
			switch i {
			case 0: // the flag is stronger than the environment
				t.Setenv("SLURM_ARRAY_TASK_ID", "2")
				t.Setenv("SLURM_ARRAY_TASK_COUNT", "3")
				r = reported(t, 0, append(args, "--shard", "0/3")...)
			case 1:
				t.Setenv("JOB_COMPLETION_INDEX", "1")
				t.Setenv("JOB_COMPLETIONS", "3")
				r = reported(t, 0, args...)
			case 2:
				t.Setenv("JOB_COMPLETION_INDEX", "")
				r = reported(t, 0, args...)
			}
			all := entries(t, filepath.Join(out, fmt.Sprintf("manifest-%05d-of-00003.jsonl", i)))
			if len(r.Files) != len(all) || len(all) == 12 {
				t.Errorf("shard %d did %d, and lists %d", i, len(r.Files), len(all))
			}
			got = append(got, pathsOf(all)...)
		}
		slices.Sort(got)
		if !slices.Equal(got, paths) {
			t.Errorf("the shards hold %v", got)
		}
		t.Setenv("SLURM_ARRAY_TASK_ID", "")
		if r := reported(t, 0, args...); len(r.Files) != 0 || r.Totals.Skipped != 12 {
			t.Errorf("undivided, %d are made anew", len(r.Files))
		}
		fail(t, "was made by a run with another number of shards", append(args, "--force")...)
	}
}

// TestExtractSettings: outputs that do not go together are not mixed.
func TestExtractSettings(t *testing.T) {
	in, _ := recordings(t, 2)
	for _, format := range []string{"npz", "jsonl"} {
		out := t.TempDir()
		args := []string{"extract", filepath.Join(in, "a"), "--output-dir", out, "--checkpoint-path", fixture("small.pth"), "--format", format}
		succeed(t, args...)
		fail(t, "was extracted with --what codes,timbre;", append(args, "--what", "codes")...)
		fail(t, "was extracted with --what codes,timbre;", append(args, "--normalize")...)
		other := filepath.Join(t.TempDir(), "other.pth")
		succeed(t, "weights", "random", "--seed", "7", "--config", fixture("small.json"), other)
		args[5] = other
		fail(t, "by another model", args...) // also where nothing is left to do
		short(t, filepath.Join(in, "a", "more-"+format+".wav"))
		before := read(t, filepath.Join(out, "manifest.jsonl"))
		fail(t, "by another model", args...)
		if !bytes.Equal(read(t, filepath.Join(out, "manifest.jsonl")), before) {
			t.Error("the manifest was changed")
		}
		if r := reported(t, 0, append(args, "--force")...); r.Totals.Skipped != 0 || len(r.Files) != len(files(t, filepath.Join(in, "a"))) {
			t.Errorf("--force made %d", len(r.Files))
		}
	}
}

// TestSkippedSources: bad files are reported, the others done, and the code is 2;
// the next run tries them again.
func TestSkippedSources(t *testing.T) {
	in, _ := recordings(t, 6)
	bad := filepath.Join(in, "a", "bad.wav")
	write(t, bad, []byte("no audio"))
	for _, format := range []string{"npz", "jsonl"} {
		out := t.TempDir()
		args := []string{"extract", in, filepath.Join(in, "gone.wav"), "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--format", format, "--threads", "2"}
		r := reported(t, exitSomeFailed, args...)
		if len(r.Files) != 6 || len(r.Failed) != 2 || len(entries(t, filepath.Join(out, "manifest.jsonl"))) != 6 {
			t.Errorf("report %+v", r)
		}
		if r := reported(t, exitSomeFailed, args...); len(r.Files) != 0 || len(r.Failed) != 2 || r.Totals.Skipped != 6 {
			t.Errorf("again: %+v", r)
		}
	}
}

func TestExtractUsage(t *testing.T) {
	end := []string{"--output-dir", t.TempDir(), "--checkpoint-path", fixture("small.pth")}
	for want, args := range map[string][]string{
		`--format: "csv" is not one of`:           {"--format", "csv"},
		"--what: float16 says how":                {"--what", "codes,float16"},
		"--what: quantized frames, 1 MB a second": {"--format", "jsonl", "--what", "quantized"},
		"--shard: there is no shard 4":            {"--shard", "4/4"},
		`--shard: "4" is not a shard`:             {"--shard", "4"},
	} {
		fail(t, want, slices.Concat([]string{"extract", clip("en.flac")}, args, end)...)
	}
	t.Setenv("JOB_COMPLETION_INDEX", "0")
	fail(t, "JOB_COMPLETIONS is not", append([]string{"extract", clip("en.flac")}, end...)...)
	in := t.TempDir()
	short(t, filepath.Join(in, "1", "x.wav"))
	short(t, filepath.Join(in, "2", "x.wav"))
	fail(t, "would both be called x.wav", append([]string{"extract", "--format", "jsonl", "--shard", "0/1", filepath.Join(in, "1"), filepath.Join(in, "2")}, end...)...)
	if r := succeed(t, append([]string{"extract", "--format", "jsonl", "--shard", "0/1", in, in}, end...)...); !strings.Contains(r.stderr, "2 files done") {
		t.Errorf("stderr: %s", r.stderr)
	}
}

// TestNormalizeFlag: of every command that has it, it is the library's.
func TestNormalizeFlag(t *testing.T) {
	loud := tone(9000, 24000)
	for i := range loud {
		loud[i] /= 16
	}
	source := wav(t, filepath.Join(t.TempDir(), "x.wav"), 24000, 1, loud)
	codec, dir := open(t), t.TempDir()
	o := facodec.FileOptions{Normalize: true}
	if _, err := codec.ReconstructFile(t.Context(), source, filepath.Join(dir, "r.wav"), o); err != nil {
		t.Fatal(err)
	}
	if _, err := extract.File(t.Context(), codec, source, filepath.Join(dir, "e.npz"), extract.Options{What: extract.What{Codes: true, Timbre: true}, Normalize: true}); err != nil {
		t.Fatal(err)
	}
	voice, err := codec.EnrollFiles(t.Context(), []string{source}, facodec.EnrollOptions{Normalize: true})
	if err != nil {
		t.Fatal(err)
	}
	d, err := codec.NewDecoder(voice.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := codec.ConvertFile(t.Context(), source, filepath.Join(dir, "c.wav"), d, o); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ want, name, command string }{
		{"r.wav", "reconstructed_x.wav", "reconstruct"}, {"e.npz", "x.npz", "extract"}, {"c.wav", "converted_x_to_x.wav", "convert"},
	} {
		for _, normalize := range []bool{true, false} {
			out := t.TempDir()
			args := []string{c.command, "--source", source, "--output-dir", out, "--checkpoint-path", fixture("small.safetensors")}
			if c.command == "convert" {
				args = append(args, "--reference", source)
			}
			if normalize {
				args = append(args, "--normalize")
			}
			succeed(t, args...)
			if same := bytes.Equal(bare(read(t, filepath.Join(out, c.name))), read(t, filepath.Join(dir, c.want))); same != normalize {
				t.Errorf("%s, --normalize=%v: the library's normalized output: %v", c.command, normalize, same)
			}
		}
	}
}
