package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/npz"
)

// open opens the small codec through the library, to compare with.
func open(t *testing.T) *facodec.Codec {
	t.Helper()
	codec, err := facodec.Open(fixture("small.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { codec.Close() })
	return codec
}

func input(t *testing.T, path string) []float32 {
	t.Helper()
	samples, err := audio.ReadFile(path, 24000)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

func checkSamples(t *testing.T, path string, want []float32) {
	t.Helper()
	got, info := samplesOf(t, path)
	if info.SampleRate != 24000 || info.Channels != 1 {
		t.Errorf("%s: %d Hz, %d channels", path, info.SampleRate, info.Channels)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d samples, not the %d that the library gives, or other ones", path, len(got), len(want))
	}
}

// TestReconstruct compares with the library, for a checkpoint of either format,
// flags spelled in either way, any number of threads.
func TestReconstruct(t *testing.T) {
	codec := open(t)
	source := clip("en.flac")
	want, err := codec.Reconstruct(input(t, source))
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"safetensors": {"--source", source, "--checkpoint-path", fixture("small.safetensors"), "--sample-format", "f32", "--output-dir"},
		"underscores": {"--source", source, "--checkpoint_path", fixture("small.pth"), "--sample_format=f32", "--threads", "1", "--output_dir"},
		"config":      {source, "--checkpoint-path", fixture("small.pth"), "--config", fixture("small.json"), "--sample-format", "f32", "--quiet", "--threads", "3", "--output-dir"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "a", "b")
			succeed(t, append(append([]string{"reconstruct"}, args...), out)...)
			checkFiles(t, out, "reconstructed_en.wav")
			checkSamples(t, filepath.Join(out, "reconstructed_en.wav"), want)
		})
	}
}

// TestLengths: n samples at any rate give ceil(n·24000/rate), and the report
// says what came in.
func TestLengths(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	for _, c := range []struct{ n, rate, channels, want int }{
		{1, 24000, 1, 1}, {1, 8000, 2, 3}, {1, 192000, 1, 1}, {7, 44100, 1, 4},
		{299, 24000, 1, 299}, {300, 24000, 6, 300}, {4411, 44100, 2, 2401}, {9601, 96000, 1, 2401}, {3333, 16000, 3, 5000},
	} {
		source := wav(t, filepath.Join(dir, "x.wav"), c.rate, c.channels, tone(c.n*c.channels, c.rate))
		r := reported(t, 0, "reconstruct", "--source", source, "--force", "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"))
		f := r.Files[0]
		if f.Samples != int64(c.want) || f.SampleRate != c.rate || f.Channels != c.channels || f.Frames != (c.want+299)/300 || f.Format != "wav pcm_f32" {
			t.Errorf("%+v: %+v", c, f)
		}
		if samples, info := samplesOf(t, f.Output); len(samples) != c.want || info.Encoding != "pcm_s16" {
			t.Errorf("%+v: %d samples of %s in the file", c, len(samples), info.Encoding)
		}
	}
}

// TestConvert compares with the library; several clips are one voice.
func TestConvert(t *testing.T) {
	codec := open(t)
	references := []string{clip("it.flac"), clip("fr.flac")}
	source := clip("es.flac")
	timbre, err := codec.Timbre(input(t, references[0]), input(t, references[1]))
	if err != nil {
		t.Fatal(err)
	}
	want, err := codec.Convert(input(t, source), timbre)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	succeed(t, "convert", "--source", source, clip("ru.flac"), "--reference", references[0], references[1],
		"--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--sample-format", "f32")
	checkFiles(t, out, "converted_es_to_it.wav", "converted_ru_to_it.wav")
	checkSamples(t, filepath.Join(out, "converted_es_to_it.wav"), want)

	// The same clips as a folder: the voice is called after it.
	folder := filepath.Join(t.TempDir(), "bella")
	write(t, filepath.Join(folder, "1.flac"), read(t, references[0]))
	write(t, filepath.Join(folder, "2.flac"), read(t, references[1]))
	write(t, filepath.Join(folder, "notes.txt"), []byte("no clip"))
	out = t.TempDir()
	succeed(t, "convert", "--source", source, "--reference", folder,
		"--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--sample-format", "f32")
	checkFiles(t, out, "converted_es_to_bella.wav")
	checkSamples(t, filepath.Join(out, "converted_es_to_bella.wav"), want)
}

func TestConvertWithRedecoder(t *testing.T) {
	codec := open(t)
	redecoder, err := codec.OpenRedecoder(fixture("redecoder.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer redecoder.Close()
	timbre, err := codec.Timbre(input(t, clip("it.flac")))
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := redecoder.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	samples := input(t, clip("es.flac"))
	tokens, err := codec.Encode(samples)
	if err != nil {
		t.Fatal(err)
	}
	want, err := decoder.Push(tokens.Codes)
	if err != nil {
		t.Fatal(err)
	}
	last, err := decoder.Flush()
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, last...)[:len(samples)]
	for _, args := range [][]string{
		{"--redecoder-checkpoint", fixture("redecoder.pth")},
		{"--redecoder_checkpoint", fixture("redecoder.safetensors"), "--redecoder_config", fixture("redecoder.json")},
	} {
		out := t.TempDir()
		succeed(t, append([]string{"convert", "--source", clip("es.flac"), "--reference", clip("it.flac"), "--output-dir", out,
			"--checkpoint-path", fixture("small.safetensors"), "--sample-format", "f32"}, args...)...)
		checkSamples(t, filepath.Join(out, "converted_es_to_it.wav"), want)
	}
}

// TestExtract reads the arrays back and compares them with the library's.
func TestExtract(t *testing.T) {
	codec := open(t)
	tokens, err := codec.Encode(input(t, clip("fr.flac")))
	if err != nil {
		t.Fatal(err)
	}
	frames := tokens.Frames()
	for what, want := range map[string]map[string][]int{
		"":                       {"codes_prosody": {1, frames}, "codes_content": {2, frames}, "codes_residual": {3, frames}, "timbre": {40}},
		"codes":                  {"codes_prosody": {1, frames}, "codes_content": {2, frames}, "codes_residual": {3, frames}},
		"quantized,timbre,codes": {"codes_prosody": {1, frames}, "codes_content": {2, frames}, "codes_residual": {3, frames}, "timbre": {40}, "quantized_prosody": {40, frames}, "quantized_content": {40, frames}, "quantized_residual": {40, frames}},
	} {
		t.Run(what, func(t *testing.T) {
			out := t.TempDir()
			args := []string{"extract", clip("fr.flac"), "--output-dir", out, "--checkpoint-path", fixture("small.safetensors")}
			if what != "" {
				args = append(args, "--what", what)
			}
			succeed(t, args...)
			checkFiles(t, out, "fr.npz", "manifest.jsonl")
			f, err := npz.Open(filepath.Join(out, "fr.npz"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if len(f.Names()) != len(want) {
				t.Errorf("arrays %q, want %d", f.Names(), len(want))
			}
			for name, shape := range want {
				checkArray(t, f, name, shape, tokens)
			}
		})
	}
}

func checkArray(t *testing.T, f *npz.File, name string, shape []int, tokens *facodec.Tokens) {
	t.Helper()
	a, err := f.Read(name)
	if err != nil {
		t.Error(err)
		return
	}
	dtype := npz.Float32
	part, isCodes := strings.CutPrefix(name, "codes_")
	if isCodes {
		dtype = npz.Int32
	}
	if !slices.Equal(a.Shape, shape) || a.DType != dtype {
		t.Errorf("%s: %v %v, want %v %v", name, a.DType, a.Shape, dtype, shape)
		return
	}
	if isCodes {
		p, err := facodec.ParsePart(part)
		if err != nil {
			t.Fatal(err)
		}
		books := tokens.Codes[p]
		for i, book := range books {
			for j, code := range book {
				if a.Int[i*len(book)+j] != int64(code) {
					t.Fatalf("%s: book %d, frame %d is %d, want %d", name, i, j, a.Int[i*len(book)+j], code)
				}
			}
		}
	} else if name == "timbre" {
		if !slices.Equal(a.F32, tokens.Timbre) {
			t.Errorf("timbre differs")
		}
	} else if v := a.F32[len(a.F32)/2]; v == 0 || v != v || math.IsInf(float64(v), 0) {
		t.Errorf("%s has %v in its middle", name, v)
	}
}

// TestClipping: what was clipped is counted and warned of, with --quiet too. The
// decoder ends in a tanh and cannot be too loud, so a stand-in is.
func TestClipping(t *testing.T) {
	flags := &batchFlags{sources: []string{clip("en.flac"), clip("es.flac")}, outputDir: t.TempDir(), quiet: true, json: true}
	b := batch{
		batchFlags: flags,
		outputs:    &outputFlags{gain: -2},
		rename:     func(name string) string { return name + ".wav" },
		open: func(context.Context) (worker, error) {
			return worker{
				do: func(_ context.Context, j job, _ func(float64)) (facodec.FileReport, error) {
					return facodec.FileReport{Source: j.source, Output: j.output, Samples: 24000, Seconds: 1, Clipped: 12, Peak: 1.15}, nil
				},
				close: func() {},
			}, nil
		},
	}
	var stdout, stderr bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetContext(t.Context())
	if err := b.run(cmd); err != nil {
		t.Fatal(err)
	}
	const want = "12 samples beyond full scale, by up to 1.2 dB, and are clipped; --gain -3.3 lowers the output enough, --sample-format f32 keeps them as they are\n"
	if got := stderr.String(); strings.Count(got, want) != 2 || strings.Count(got, "\n") != 2 {
		t.Errorf("stderr: %s", got)
	}
	var r report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || r.Files[1].Clipped != 12 || r.Totals.Clipped != 24 {
		t.Errorf("report %s: %v", stdout.String(), err)
	}
}

// TestNotices: with the first output, once, and none with --quiet.
func TestNotices(t *testing.T) {
	args := []string{"reconstruct", clip("en.flac"), clip("es.flac"), "--checkpoint-path", fixture("small.safetensors"), "--config", fixture("small.json"), "--force", "--output-dir", t.TempDir()}
	r := succeed(t, args...)
	for _, want := range []string{"without effect in the configuration: loss_params.base_lr\n", "random weights", "reconstructed_en.wav: ", "reconstructed_es.wav: ", "2 files done, "} {
		if strings.Count(r.stderr, want) != 1 {
			t.Errorf("%q is not once in %s", want, r.stderr)
		}
	}
	if r.stdout != "" {
		t.Errorf("stdout: %s", r.stdout)
	}
	if r := succeed(t, append(args, "--quiet")...); r.stderr != "" {
		t.Errorf("with --quiet: %s", r.stderr)
	}
}

// TestConfigBeside: a config.yml beside the checkpoint is found, and its lack
// explained.
func TestConfigBeside(t *testing.T) {
	dir := t.TempDir()
	bare := filepath.Join(dir, "pytorch_model.bin")
	write(t, bare, bareCheckpoint(t))
	args := []string{"reconstruct", clip("en.flac"), "--checkpoint-path", bare, "--output-dir", filepath.Join(dir, "out")}
	fail(t, "give one with --config", args...)
	absent(t, filepath.Join(dir, "out"))
	write(t, filepath.Join(dir, "config.yml"), []byte(smallConfig))
	succeed(t, args...)
	checkFiles(t, filepath.Join(dir, "out"), "reconstructed_en.wav")
	if err := os.Remove(filepath.Join(dir, "config.yml")); err != nil {
		t.Fatal(err)
	}
	succeed(t, append(args, "--config", fixture("small.json"), "--force")...)
}

// TestConvertMatch: with the built-in model, conversions have frames of the reference, as many as
// --match says, from clips, from an enrolled voice and of compressed files alike.
func TestConvertMatch(t *testing.T) {
	codec, err := defaultmodel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer codec.Close()
	source, reference := clip("en.flac"), clip("it.flac")
	voice, err := codec.Voice(input(t, reference))
	if err != nil {
		t.Fatal(err)
	}
	want, err := codec.ConvertTo(input(t, source), voice, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := codec.ConvertTo(input(t, source), voice, 0)
	if err != nil {
		t.Fatal(err)
	}
	byTimbre, err := codec.Convert(input(t, source), voice.Timbre)
	if err != nil || slices.Equal(byTimbre, plain) {
		t.Fatalf("the spectrum changes nothing, or %v", err)
	}
	dir := t.TempDir()
	enrolled, compressed, old := filepath.Join(dir, "it.voice"), filepath.Join(dir, "en.fac"), filepath.Join(dir, "old.voice")
	if err := (&facodec.Voice{Timbre: voice.Timbre, Seconds: 1, Model: voice.Model}).Save(old); err != nil { // as before there were spectra
		t.Fatal(err)
	}
	succeed(t, "voice", "enroll", "--source", reference, "-o", enrolled, "--frames")
	succeed(t, "encode", source, "-o", compressed)
	out := filepath.Join(dir, "out.wav")
	for _, k := range []struct {
		args []string
		want []float32
	}{
		{[]string{"convert", "--source", source, "--reference", reference, "--match", "0.9"}, want},
		{[]string{"convert", "--source", source, "--reference", enrolled, "--match", "0.9"}, want},
		{[]string{"convert", "--source", source, "--reference", reference, "--match", "0"}, plain},
		{[]string{"convert", "--source", source, "--reference", enrolled}, plain},
		{[]string{"decode", compressed, "--reference", reference, "--match", "0.9"}, want},
		{[]string{"decode", compressed, "--reference", enrolled, "--match", "0.9"}, want},
		{[]string{"decode", compressed, "--reference", enrolled}, plain},
		{[]string{"decode", compressed, "--reference", reference}, plain},
		{[]string{"convert", "--source", source, "--reference", old}, byTimbre},
		{[]string{"decode", compressed, "--reference", old}, byTimbre},
	} {
		succeed(t, append(k.args, "-o", out, "--force", "--sample-format", "f32")...)
		checkSamples(t, out, k.want)
	}
	// Outputs of another share are not taken for the same.
	convert := []string{"convert", "--source", source, "--reference", reference, "-o", out, "--sample-format", "f32"}
	succeed(t, append(convert, "--force", "--match", "0.9")...)
	if r := succeed(t, append(convert, "--match", "0.9")...); !strings.Contains(r.stderr, "kept") {
		t.Errorf("the same again: %s", r.stderr)
	}
	for _, share := range []string{"0", "0.8"} {
		if r := run(t, append(convert, "--match", share)...); r.code == 0 || !strings.Contains(r.stderr, "--match 0.9") || strings.Contains(r.stderr, "exact") {
			t.Errorf("--match %s on an output of another: %d, %s", share, r.code, r.stderr)
		}
	}
	mixed := filepath.Join(dir, "mixed.voice")
	succeed(t, "voice", "enroll", "--source", enrolled, clip("fr.flac"), "-o", mixed)
	small := fixture("small.safetensors")
	for _, k := range []struct {
		args []string
		want string
	}{
		{[]string{"convert", "--source", source, "--reference", reference, "--match", "1.1"}, "--match 1.1: give 0"},
		{[]string{"convert", "--source", source, "--reference", reference, "--match", "NaN"}, "give 0"},
		{[]string{"convert", "--source", source, "--reference", reference, "--match", "0.5", "--checkpoint-path", small}, "no frames"},
		{[]string{"convert", "--source", source, "--reference", mixed, "--match", "0.5"}, "no frames"},
		{[]string{"convert", "--source", source, "--reference", reference, "--match", "0.5", "--redecoder-checkpoint", small}, "timbre alone"},
		{[]string{"decode", compressed, "--match", "0.5"}, "--match is of a --reference"},
		{[]string{"decode", compressed, "--reference", reference, "--parts", "content", "--match", "0.5"}, "without --parts"},
		{[]string{"voice", "enroll", "--source", reference, "--frames", "--checkpoint-path", small}, "--frames: there are none"},
		{[]string{"voice", "enroll", "--source", enrolled, clip("fr.flac"), "--frames"}, "--frames: there are none"},
	} {
		k.args = append(k.args, "-o", filepath.Join(dir, "no.wav"))
		if r := run(t, k.args...); r.code == 0 || !strings.Contains(r.stderr, k.want) {
			t.Errorf("%q: %d, %s", k.args, r.code, r.stderr)
		}
	}
	succeed(t, "convert", "--source", source, "--reference", mixed, "-o", out, "--force") // by its timbre and spectrum
	if r := succeed(t, "convert", "--source", source, "--reference", old, "-o", out, "--force"); !strings.Contains(r.stderr, "no spectrum") {
		t.Errorf("a voice without a spectrum: %s", r.stderr)
	}
	if r := succeed(t, "convert", "--source", source, "--reference", enrolled, "-o", out, "--force"); strings.Contains(r.stderr, "no spectrum") {
		t.Errorf("a voice with a spectrum: %s", r.stderr)
	}
	altered := filepath.Join(dir, "altered.voice")
	other := *voice
	other.Frames, other.Quantizer, other.Spectrum = facodec.Codes{}, facodec.Fingerprint{}, make([]float32, len(voice.Spectrum))
	if err := other.Save(altered); err != nil {
		t.Fatal(err)
	}
	if r := run(t, "voice", "enroll", "--source", reference, "-o", altered); r.code == 0 || !strings.Contains(r.stderr, "other recordings") {
		t.Errorf("enrolled again where another spectrum is: %d, %s", r.code, r.stderr)
	}
	if r := run(t, "voice", "enroll", "--source", reference, "-o", old); r.code == 0 || !strings.Contains(r.stderr, "no spectrum") {
		t.Errorf("enrolled again where a voice without a spectrum is: %d, %s", r.code, r.stderr)
	}
}
