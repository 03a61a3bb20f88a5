package main

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/recording"
)

// evaluatedReport runs eval with --json.
func evaluatedReport(t *testing.T, code int, args ...string) (r evalJSON, stderr string) {
	t.Helper()
	got := run(t, append([]string{"eval", "--json", "--checkpoint-path", fixture("small.safetensors")}, args...)...)
	if got.code != code {
		t.Fatalf("exit code %d, want %d: %s", got.code, code, got.stderr)
	}
	d := json.NewDecoder(strings.NewReader(got.stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("stdout is no report: %v\n%s", err, got.stdout)
	}
	return r, got.stderr
}

// evalJSON is the report as readers see it.
type evalJSON struct {
	Command, Checkpoint, Decoded string
	Rate                         int
	Normalized, Interrupted      bool
	Metrics                      map[string]struct {
		Mean      *float64
		CI95      [2]*float64
		N, Failed int
	}
	Codebooks map[string]struct {
		Codes             int64
		Entries, Distinct int
		Share, Perplexity *float64
	}
	Files []struct {
		Source, Output   string
		Decoded          string
		DecodedSeconds   float64 `json:"decoded_seconds"`
		Seconds          float64
		Samples, Clipped int
		Metrics          map[string]*float64
	}
	Failed []failed
	Totals evalTotals
}

// TestEval compares every number with the library's, on any number of threads.
func TestEval(t *testing.T) {
	codec := open(t)
	sources := []string{clip("en.flac"), clip("fr.flac"), clip("it.flac")}
	speech, err := metric.NewSpeech(24000)
	if err != nil {
		t.Fatal(err)
	}
	measured := map[string][]float64{}
	var uses [6]*metric.CodebookUse
	for i := range uses {
		uses[i] = metric.NewCodebookUse(50)
	}
	for _, source := range sources {
		wave := input(t, source)
		tokens, err := codec.Encode(wave)
		if err != nil {
			t.Fatal(err)
		}
		spoken, err := codec.Decode(tokens)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range speech.Compare(wave, spoken) {
			measured[name] = append(measured[name], v)
		}
		for i, book := range model.Codes(tokens.Codes).Books() {
			if err := uses[i].Add(book); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, threads := range []string{"1", "3"} {
		r, _ := evaluatedReport(t, 0, append([]string{"--threads", threads, "--source"}, sources...)...)
		if len(r.Files) != 3 || r.Totals.Files != 3 || r.Interrupted || r.Normalized || r.Checkpoint != fixture("small.safetensors") {
			t.Fatalf("report %+v", r)
		}
		for name, values := range measured {
			for i, v := range values {
				if got := r.Files[i].Metrics[name]; !sameNumber(got, v) || r.Files[i].Source != sources[i] {
					t.Errorf("%s of %s: %v, want %v", name, r.Files[i].Source, got, v)
				}
			}
			want, got := metric.Summarize(values), r.Metrics[name]
			if !sameNumber(got.Mean, want.Mean) || !sameNumber(got.CI95[0], want.Low) || !sameNumber(got.CI95[1], want.High) || got.N != want.N || got.Failed != want.Failed {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
		for i, name := range []string{"prosody_1", "content_1", "content_2", "residual_1", "residual_2", "residual_3"} {
			want, got := uses[i].Usage(), r.Codebooks[name]
			if got.Codes != want.Codes || got.Entries != 50 || got.Distinct != want.Distinct || !sameNumber(got.Perplexity, want.Perplexity) {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
		if len(r.Metrics) != len(metric.SpeechNames()) || len(r.Codebooks) != 6 {
			t.Errorf("%d metrics, %d books", len(r.Metrics), len(r.Codebooks))
		}
	}
}

func sameNumber(got *float64, want float64) bool {
	if got == nil {
		return math.IsNaN(want)
	}
	return *got == want
}

// TestEvalKeeps: --output-dir has what reconstruct writes.
func TestEvalKeeps(t *testing.T) {
	in, a, b := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(in, "deeper", "en.flac"), read(t, clip("en.flac")))
	for _, normalize := range []string{"--normalize=false", "--normalize"} {
		end := []string{"--source", in, normalize, "--sample-format", "f32"}
		r, _ := evaluatedReport(t, 0, append(end, "--output-dir", a)...)
		succeed(t, append(append([]string{"reconstruct", "--force", "--checkpoint-path", fixture("small.safetensors")}, end...), "--output-dir", b)...)
		path := filepath.Join("deeper", "reconstructed_en.wav")
		checkFiles(t, a, filepath.ToSlash(path))
		want, _ := samplesOf(t, filepath.Join(b, path))
		checkSamples(t, filepath.Join(a, path), want)
		if r.Files[0].Output != filepath.Join(a, path) || r.Normalized != (normalize == "--normalize") {
			t.Errorf("report %+v", r)
		}
	}
}

// TestEvalNormalize: the level of a recording is without effect.
func TestEvalNormalize(t *testing.T) {
	dir := t.TempDir()
	wave := input(t, clip("es.flac"))[:24000]
	recording.GainFor(wave).Apply(wave)
	loud := wav(t, filepath.Join(dir, "loud.wav"), 24000, 1, wave)
	for i := range wave {
		wave[i] /= 64
	}
	soft := wav(t, filepath.Join(dir, "soft.wav"), 24000, 1, wave)
	r, _ := evaluatedReport(t, 0, "--normalize", "--source", loud, soft)
	as, _ := evaluatedReport(t, 0, "--source", loud, soft)
	for name, v := range r.Files[0].Metrics {
		x := math.NaN()
		if v != nil {
			x = *v
		}
		if !sameNumber(r.Files[1].Metrics[name], x) {
			t.Errorf("%s is %v and %v", name, x, r.Files[1].Metrics[name])
		}
	}
	if *as.Files[0].Metrics["stft"] != *r.Files[0].Metrics["stft"] || *as.Files[1].Metrics["stft"] == *r.Files[1].Metrics["stft"] {
		t.Error("--normalize changes what has peak 1, or nothing at all")
	}
}

// TestEvalPassesOver: what cannot be read is reported once, and does not keep the
// rest from being measured; what has no value is null and left out.
func TestEvalPassesOver(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bad.wav"), []byte("RIFF"))
	write(t, filepath.Join(dir, "en.flac"), read(t, clip("en.flac")))
	wav(t, filepath.Join(dir, "short.wav"), 24000, 1, tone(500, 24000))
	nan := tone(9000, 24000)
	nan[10] = float32(math.NaN())
	wav(t, filepath.Join(dir, "nan.wav"), 24000, 1, nan)
	r, stderr := evaluatedReport(t, exitSomeFailed, "--quiet", "--source", dir, filepath.Join(dir, "en.flac"), filepath.Join(dir, "missing.wav"))
	if strings.Count(stderr, "\n") != 3 || r.Totals.Failed != 3 || len(r.Failed) != 3 || r.Totals.Files != 2 {
		t.Errorf("%+v; stderr: %s", r.Totals, stderr)
	}
	for _, want := range []string{"bad.wav", "nan.wav: not a finite number: sample 10 is NaN", "missing.wav: no such file"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr has no %q: %s", want, stderr)
		}
	}
	mel := r.Metrics["mel"]
	if r.Files[1].Metrics["mel"] != nil || mel.N != 1 || mel.Failed != 1 || *mel.Mean != *r.Files[0].Metrics["mel"] || mel.CI95[0] != nil {
		t.Errorf("mel of %+v: %+v", r.Files, mel)
	}
	if r.Codebooks["content_1"].Codes == 0 {
		t.Error("no codes counted")
	}

	// Nothing but faults: no table.
	failWith(t, exitSomeFailed, "missing.wav", "eval", "--source", filepath.Join(dir, "missing.wav"), "--checkpoint-path", fixture("small.safetensors"))
	fail(t, "no --source", "eval", "--checkpoint-path", fixture("small.safetensors"))
	fail(t, "--checkpoint-path is empty", "eval", clip("en.flac"), "--checkpoint-path", "")
	fail(t, "is a file", "eval", clip("en.flac"), "--output-dir", filepath.Join(dir, "bad.wav"), "--checkpoint-path", fixture("small.safetensors"))
}

// TestEvalTable: aligned columns for people, each metric with which way is better.
func TestEvalTable(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("long", 20) + "name.flac"
	write(t, filepath.Join(dir, long), read(t, clip("en.flac")))
	wav(t, filepath.Join(dir, "short.wav"), 24000, 1, tone(500, 24000))
	r := succeed(t, "eval", "--source", dir, "--checkpoint-path", fixture("small.safetensors"))
	lines := strings.Split(strings.TrimRight(r.stdout, "\n"), "\n")
	if !strings.HasPrefix(lines[0], "recording ") || !strings.HasSuffix(lines[0], " voic") {
		t.Fatalf("table:\n%s", r.stdout)
	}
	width := len([]rune(lines[0]))
	for _, line := range lines[:3] {
		if len([]rune(line)) != width || width > 110 {
			t.Errorf("columns are not aligned:\n%s", r.stdout)
		}
	}
	if !strings.HasPrefix(lines[1], "…") || !strings.Contains(lines[1], "longname.flac ") || strings.Contains(lines[1], "NaN") ||
		!strings.Contains(lines[2], "NaN") {
		t.Errorf("rows:\n%s", r.stdout)
	}
	for _, name := range metric.SpeechNames() {
		i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "  "+name+" ") })
		if i < 0 || !strings.Contains(lines[i], "er is better") {
			t.Errorf("no mean of %s:\n%s", name, r.stdout)
		}
	}
	if !strings.Contains(r.stdout, "without 1 that have no value") || !strings.Contains(r.stdout, "residual_3") {
		t.Errorf("table:\n%s", r.stdout)
	}
	if !strings.Contains(r.stderr, "2 recordings, ") {
		t.Errorf("stderr: %s", r.stderr)
	}
}

func TestEvalInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := runContext(t, ctx, "eval", "--source", clip("en.flac"), "--checkpoint-path", fixture("small.safetensors"), "--json")
	if r.code != exitInterrupted || !strings.Contains(r.stdout, `"interrupted": true`) {
		t.Errorf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// TestEvalDecoded: what another codec decoded is measured as this codec's own output is.
func TestEvalDecoded(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	write(t, filepath.Join(in, "deeper", "en.flac"), read(t, clip("en.flac")))
	write(t, filepath.Join(in, "it.flac"), read(t, clip("it.flac")))
	want, _ := evaluatedReport(t, 0, "--source", in, "--output-dir", out, "--sample-format", "f32")
	decodedReport := func(code int, args ...string) (r evalJSON, stderr string) {
		t.Helper()
		got := run(t, append([]string{"eval", "--json"}, args...)...)
		if got.code != code {
			t.Fatalf("exit code %d, want %d: %s", got.code, code, got.stderr)
		}
		if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
			t.Fatal(err)
		}
		return r, got.stderr
	}
	check := func(r evalJSON) {
		t.Helper()
		if len(r.Files) != len(want.Files) || r.Checkpoint != "" || r.Decoded != out || r.Rate != 24000 || len(r.Codebooks) != 0 {
			t.Fatalf("report %+v", r)
		}
		for i, f := range r.Files {
			for name, v := range want.Files[i].Metrics {
				if got := f.Metrics[name]; (got == nil) != (v == nil) || v != nil && *got != *v || f.Source != want.Files[i].Source {
					t.Errorf("%s of %s: %v, want %v", name, f.Source, got, v)
				}
			}
		}
	}
	for _, threads := range []string{"1", "2"} {
		r, stderr := decodedReport(0, "--source", in, "--decoded", out, "--threads", threads)
		check(r)
		if r.Files[0].Decoded != filepath.Join(out, "deeper", "reconstructed_en.wav") || strings.Contains(stderr, "left out") {
			t.Errorf("%+v, %s", r.Files[0], stderr)
		}
	}
	// The names of another codec, in another format, within the folder of the sources, beside a stranger.
	inside := filepath.Join(in, "decoded")
	for from, to := range map[string]string{"deeper/reconstructed_en.wav": "deeper/en.WAV", "reconstructed_it.wav": "it.wav"} {
		write(t, filepath.Join(inside, to), read(t, filepath.Join(out, from)))
	}
	write(t, filepath.Join(inside, "fr.flac"), read(t, clip("fr.flac")))
	r, stderr := decodedReport(0, "--source", in, "--decoded", inside)
	if len(r.Files) != 2 || *r.Files[1].Metrics["mel"] != *want.Files[1].Metrics["mel"] || !strings.Contains(stderr, "left out 1 recording without a source, fr.flac the first") {
		t.Errorf("%+v, %s", r.Files, stderr)
	}
	// Conversions, of sources whose names look like those of conversions.
	converted := t.TempDir()
	for _, name := range []string{"a.wav", "a_to_b.wav"} {
		write(t, filepath.Join(converted, name), read(t, filepath.Join(out, "reconstructed_it.wav")))
	}
	outs := filepath.Join(converted, "out")
	succeed(t, "convert", "--checkpoint-path", fixture("small.safetensors"), "--source", converted, "--reference", clip("fr.flac"), "--output-dir", outs)
	if r, _ := decodedReport(0, "--source", converted, "--decoded", outs); len(r.Files) != 2 || filepath.Base(r.Files[0].Decoded) != "converted_a_to_fr.wav" || filepath.Base(r.Files[1].Decoded) != "converted_a_to_b_to_fr.wav" {
		t.Errorf("%+v", r.Files)
	}
	// Sources that differ in their endings alone, whose outputs have these, too.
	alike := t.TempDir()
	write(t, filepath.Join(alike, "a.flac"), read(t, clip("en.flac")))
	write(t, filepath.Join(alike, "a.wav"), read(t, filepath.Join(out, "reconstructed_it.wav")))
	made := filepath.Join(alike, "made")
	whole, _ := evaluatedReport(t, 0, "--source", alike, "--output-dir", made, "--sample-format", "f32")
	if r, _ := decodedReport(0, "--source", alike, "--decoded", made); len(r.Files) != 2 || *r.Files[0].Metrics["mel"] != *whole.Files[0].Metrics["mel"] || *r.Files[1].Metrics["mel"] != *whole.Files[1].Metrics["mel"] {
		t.Errorf("%+v", r.Files)
	}
	write(t, filepath.Join(made, "a.wav"), read(t, filepath.Join(out, "reconstructed_it.wav")))
	if r, stderr := decodedReport(2, "--source", alike, "--decoded", made); len(r.Files) != 0 || strings.Count(stderr, "a.wav of "+made+" may be what was decoded of it, or of ") != 2 {
		t.Errorf("%+v, %s", r.Files, stderr)
	}
	// Sources and what was decoded of them in one folder, beside a link to nowhere.
	if err := os.Symlink("nowhere", filepath.Join(out, "x.wav")); err == nil {
		write(t, filepath.Join(out, "it.flac"), read(t, clip("it.flac")))
		if r, stderr := decodedReport(2, "--source", filepath.Join(out, "it.flac"), "--decoded", out); len(r.Files) != 1 || *r.Files[0].Metrics["mel"] != *want.Files[1].Metrics["mel"] || !strings.Contains(stderr, "x.wav: no such file") {
			t.Errorf("%+v, %s", r.Files, stderr)
		}
		os.Remove(filepath.Join(out, "x.wav"))
		os.Remove(filepath.Join(out, "it.flac"))
	}
	// What is cut off is no reconstruction.
	cut := wav(t, filepath.Join(t.TempDir(), "cut.wav"), 24000, 1, input(t, clip("it.flac"))[:24000])
	if r, stderr := decodedReport(2, "--source", clip("it.flac"), "--decoded", cut); len(r.Files) != 0 || !strings.Contains(stderr, "less than half of its source: it is not what was decoded of it, or it is cut off: 1.00 of 2.26 s") {
		t.Errorf("%+v, %s", r.Files, stderr)
	}
	// Of one file, at another rate; one of another length; one that is not there; two of a name.
	one := filepath.Join(out, "reconstructed_it.wav")
	r, _ = decodedReport(0, "--source", clip("it.flac"), "--decoded", one, "--rate", "16000")
	if f := r.Files[0]; r.Rate != 16000 || f.Samples != 36206 || *f.Metrics["stoi"] < 0 || *f.Metrics["mel"] == *want.Files[1].Metrics["mel"] {
		t.Errorf("%+v", r)
	}
	if _, stderr := decodedReport(0, "--source", clip("en.flac"), "--decoded", clip("it.flac")); !strings.Contains(stderr, "s longer than its source") {
		t.Error(stderr)
	}
	if _, stderr := decodedReport(0, "--source", clip("it.flac"), "--decoded", clip("en.flac")); !strings.Contains(stderr, "s shorter than its source") {
		t.Error(stderr)
	}
	write(t, filepath.Join(out, "it.flac"), read(t, clip("it.flac")))
	if r, stderr := decodedReport(2, "--source", in, "--source", clip("ru.flac"), "--decoded", out); len(r.Files) != 1 ||
		!strings.Contains(stderr, "nothing was decoded of it") || !strings.Contains(stderr, "may be what was decoded of it") {
		t.Errorf("%+v, %s", r.Files, stderr)
	}
	for args, fault := range map[string]string{
		"--source a --decoded=":                                      "--decoded is empty",
		"--source a --rate 16000":                                    "--rate is for --decoded",
		"--source a --decoded b --rate 10":                           "give 8000",
		"--source a --decoded b --precision exact":                   "no model is used",
		"--source a --decoded b --output-dir c":                      "no model is used",
		"--source " + clip("en.flac") + " --decoded " + in + "/none": "no such file",
		"--source " + clip("") + " --decoded " + one:                 "is one recording",
		"--source a --decoded b --threads 0":                         "--threads 0",
		"--source a --decoded b --sample-format f32":                 "no model is used",
		"--source " + clip("en.flac") + " --decoded " + t.TempDir():  "no audio files",
		"--source " + clip("en.flac") + " --decoded " + os.DevNull:   "neither a folder nor a file",
	} {
		if got := run(t, append([]string{"eval"}, strings.Fields(args)...)...); got.code != exitFailed || !strings.Contains(got.stderr, fault) {
			t.Errorf("%s: exit code %d, %s", args, got.code, got.stderr)
		}
	}
}
