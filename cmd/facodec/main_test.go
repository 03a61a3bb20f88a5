package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

// smallConfig is a codec of every layer that takes milliseconds, and
// smallRedecoder a redecoder for it.
const (
	smallConfig = `{"model_params": {"latent_dim": 40, "codebook_size": 50, "codebook_dim": 5,
		"prosody_hidden_dim": 24, "prosody_layers": 3, "timbre_hidden_dim": 20,
		"DAC": {"encoder_dim": 4, "decoder_dim": 48}}, "loss_params": {"base_lr": 0.0001}}`
	smallRedecoder = `{"model_type": "redecoder", "model_params": {"latent_dim": 40, "codebook_size": 50, "codebook_dim": 5,
		"wavenet_embed_dim": 16, "wavenet_layers": 3, "DAC": {"encoder_dim": 4, "decoder_dim": 48}}}`
)

// fixtures is a folder with small.json, small.safetensors, small.pth,
// redecoder.json, redecoder.safetensors and redecoder.pth, all but the first
// three made by the commands under test.
var fixtures string

func fixture(name string) string { return filepath.Join(fixtures, name) }

// clip is a recording of the repository; en.flac, say.
func clip(name string) string { return filepath.Join("..", "..", "testdata", "speech", name) }

func TestMain(m *testing.M) {
	if os.Getenv("FACODEC_TEST_COMMAND") != "" {
		limitFileSize()
		main()
		return
	}
	dir, err := os.MkdirTemp("", "facodec-test-")
	if err != nil {
		panic(err)
	}
	fixtures = dir
	code := 1
	if err := makeFixtures(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func makeFixtures() error {
	for name, text := range map[string]string{"small.json": smallConfig, "redecoder.json": smallRedecoder} {
		if err := os.WriteFile(fixture(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, model := range []string{"small", "redecoder"} {
		for _, ending := range []string{".safetensors", ".pth"} {
			var stderr bytes.Buffer
			code := execute(context.Background(), []string{"weights", "random", "--config", fixture(model + ".json"),
				fixture(model + ending)}, &stderr, &stderr)
			if code != 0 {
				return fmt.Errorf("weights synthesize %s%s: %s", model, ending, stderr.String())
			}
		}
	}
	return nil
}

// result is what a command printed and returned.
type result struct {
	code           int
	stdout, stderr string
}

func run(t *testing.T, args ...string) result {
	t.Helper()
	return runContext(t, t.Context(), args...)
}

func runContext(t *testing.T, ctx context.Context, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(ctx, args, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// succeed runs a command that must.
func succeed(t *testing.T, args ...string) result {
	t.Helper()
	r := run(t, args...)
	if r.code != 0 {
		t.Fatalf("facodec %s: exit code %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r
}

// fail runs a command that must fail with one line on stderr that contains want,
// nothing on stdout.
func fail(t *testing.T, want string, args ...string) {
	t.Helper()
	failWith(t, exitFailed, want, args...)
}

func failWith(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	r := run(t, args...)
	if r.code != code {
		t.Fatalf("facodec %s: exit code %d, want %d; stderr: %s", strings.Join(args, " "), r.code, code, r.stderr)
	}
	checkLine(t, r.stderr, want)
	if r.stdout != "" {
		t.Errorf("stdout is not empty: %q", r.stdout)
	}
}

func checkLine(t *testing.T, stderr, want string) {
	t.Helper()
	if !strings.HasPrefix(stderr, "facodec: ") || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") {
		t.Errorf("stderr is not one line of an error: %q", stderr)
	}
	if !strings.Contains(stderr, want) {
		t.Errorf("stderr is %q, want %q in it", stderr, want)
	}
}

// reported runs a command with --json and returns its report.
func reported(t *testing.T, code int, args ...string) (r report) {
	t.Helper()
	got := run(t, append(args, "--json")...)
	if got.code != code {
		t.Fatalf("exit code %d, want %d: %s", got.code, code, got.stderr)
	}
	d := json.NewDecoder(strings.NewReader(got.stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("stdout is no report: %v\n%s", err, got.stdout)
	}
	if d.More() {
		t.Errorf("stdout goes on after the report: %s", got.stdout)
	}
	return r
}

// files lists what is below a folder, sorted; nothing where it does not exist.
func files(t *testing.T, dir string) []string {
	t.Helper()
	found := []string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return found
}

func checkFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := files(t, dir); !slices.Equal(got, append([]string{}, want...)) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// absent checks that a folder was not made.
func absent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", path, err)
	}
}

func samplesOf(t *testing.T, path string) ([]float32, audio.Info) {
	t.Helper()
	r, err := audio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	samples, err := audio.ReadFile(path, r.Info().SampleRate)
	if err != nil {
		t.Fatal(err)
	}
	return samples, r.Info()
}

// wav writes samples as a float WAV of any rate and number of channels, NaN and
// Inf too.
func wav(t *testing.T, path string, rate, channels int, samples []float32) string {
	t.Helper()
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			if text, ok := v.(string); ok {
				b.WriteString(text)
			} else if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	size := uint32(4 * len(samples))
	put("RIFF", 36+size, "WAVEfmt ", uint32(16), uint16(3), uint16(channels), uint32(rate),
		uint32(4*rate*channels), uint16(4*channels), uint16(32), "data", size, samples)
	write(t, path, b.Bytes())
	return path
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// bare returns what a WAV file would be without the record that stands behind its
// samples; any other file as it is.
func bare(file []byte) []byte {
	at := bytes.Index(file, []byte("LIST"))
	if !bytes.HasPrefix(file, []byte("RIFF")) || at < 0 || !bytes.Contains(file[at:], []byte(recordPrefix)) {
		return file
	}
	file = slices.Clone(file[:at])
	binary.LittleEndian.PutUint32(file[4:], uint32(at-8))
	return file
}

// tone returns n samples of a sound with some harmonics.
func tone(n, rate int) []float32 {
	x := make([]float32, n)
	for i := range x {
		phase := 2 * math.Pi * 150 * float64(i) / float64(rate)
		x[i] = float32(0.2*math.Sin(phase) + 0.1*math.Sin(3*phase) + 0.05*math.Sin(7*phase))
	}
	return x
}
