package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/facodec-go/facodec/internal/weights"
)

// TestBadAudio: one line, the same exit code, nothing written, for each command.
func TestBadAudio(t *testing.T) {
	dir := t.TempDir()
	flac := read(t, clip("en.flac"))
	flipped := bytes.Clone(flac)
	flipped[len(flac)/2] ^= 0x10
	good := read(t, short(t, filepath.Join(dir, "good.wav")))
	nan, inf := tone(6000, 24000), tone(6000, 24000)
	nan[5000], inf[10] = float32(math.NaN()), float32(math.Inf(-1))
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, data)
		return path
	}
	empty := filepath.Join(dir, "folder")
	write(t, filepath.Join(empty, "notes.txt"), []byte("no audio"))
	for source, want := range map[string]string{
		filepath.Join(dir, "missing.wav"): "no such file",
		file("empty.wav", nil):            "empty",
		empty:                             "no audio files in this folder",
		file("text.wav", []byte("This is not audio at all.\n")):  "text.wav",
		file("cut.flac", flac[:len(flac)/2]):                     "cut.flac: cut short",
		file("cut.wav", good[:len(good)-1000]):                   "cut.wav: cut short",
		file("flipped.flac", flipped):                            "flipped.flac: corrupt",
		wav(t, filepath.Join(dir, "silent.wav"), 24000, 1, nil):  "no samples",
		wav(t, filepath.Join(dir, "nan.wav"), 24000, 1, nan):     "sample 5000 is NaN",
		wav(t, filepath.Join(dir, "inf.wav"), 24000, 1, inf):     "sample 10 is -Inf",
		wav(t, filepath.Join(dir, "rate.wav"), 4000, 1, nan[:9]): "4000 Hz",
		file("name\nwith\x1bcontrols.wav", nil):                  "controls",
	} {
		out := filepath.Join(dir, "out")
		end := []string{"--output-dir", filepath.Join(out, "deeper"), "--checkpoint-path", fixture("small.safetensors")}
		failWith(t, exitSomeFailed, want, append([]string{"reconstruct", "--source", source}, end...)...)
		failWith(t, exitSomeFailed, want, append([]string{"extract", "--source", source, "--what", "codes,timbre,quantized"}, end...)...)
		failWith(t, exitSomeFailed, want, append([]string{"convert", "--source", source, "--reference", clip("it.flac")}, end...)...)
		fail(t, want, append([]string{"convert", "--source", clip("en.flac"), "--reference", clip("it.flac"), source}, end...)...)
		absent(t, out)
	}
	if runtime.GOOS != "windows" {
		failWith(t, exitSomeFailed, "is a pipe or a device", "reconstruct", os.DevNull, "--output-dir", filepath.Join(dir, "out"), "--checkpoint-path", fixture("small.pth"))
	}
}

// TestOneBadAmongGood: the others are done, and the exit code tells.
func TestOneBadAmongGood(t *testing.T) {
	dir := t.TempDir()
	short(t, filepath.Join(dir, "in", "a.wav"))
	write(t, filepath.Join(dir, "in", "b", "bad.wav"), []byte("RIFF"))
	short(t, filepath.Join(dir, "in", "c.wav"))
	out := filepath.Join(dir, "out")
	r := run(t, "reconstruct", "--source", filepath.Join(dir, "in"), "--output-dir", out, "--checkpoint-path", fixture("small.pth"), "--quiet")
	if r.code != exitSomeFailed {
		t.Errorf("exit code %d", r.code)
	}
	checkLine(t, r.stderr, "bad.wav")
	checkFiles(t, out, "reconstructed_a.wav", "reconstructed_c.wav")
	absent(t, filepath.Join(out, "b"))
}

// bareCheckpoint is the small codec as a PyTorch file without a configuration.
func bareCheckpoint(t *testing.T) []byte {
	t.Helper()
	f, err := weights.Open(fixture("small.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path := filepath.Join(t.TempDir(), "bare.bin")
	if err := weights.WriteTorch(path, weights.ArraysOf(f), weights.Layout{}, nil); err != nil {
		t.Fatal(err)
	}
	return read(t, path)
}

// poisoned is a PyTorch file whose pickle calls a function when it is loaded.
func poisoned(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{"archive/data.pkl": "\x80\x02cposix\nsystem\nX\x0b\x00\x00\x00touch pwned\x85R.", "archive/version": "3\n"} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBadCheckpoint(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, data)
		return path
	}
	safetensors, torch := read(t, fixture("small.safetensors")), read(t, fixture("small.pth"))
	other := file("other.json", []byte(strings.ReplaceAll(smallConfig, `"codebook_size": 50`, `"codebook_size": 60`)))
	for _, c := range []struct {
		want string
		args []string
	}{
		{"no such file", []string{filepath.Join(dir, "missing.pth")}},
		{"is a folder with 5 checkpoints", []string{dir}},
		{"empty", []string{file("empty.pth", nil)}},
		{"not a checkpoint", []string{clip("en.flac")}},
		{"not a checkpoint", []string{fixture("small.json")}},
		{"truncated", []string{file("cut.safetensors", safetensors[:len(safetensors)-5])}},
		{"truncated", []string{file("cut.pth", torch[:len(torch)/2])}},
		{"redecoder", []string{fixture("redecoder.safetensors")}},
		{"posix.system", []string{file("poisoned.pth", poisoned(t))}},
		{"codebook.weight is [50 5] and should be [60 5]", []string{fixture("small.pth"), "--config", other}},
		{"missing: ", []string{fixture("redecoder.pth"), "--config", fixture("small.json")}},
		{"no configuration", []string{file("bare.pth", bareCheckpoint(t))}},
		{"no such file", []string{fixture("small.pth"), "--config", filepath.Join(dir, "missing.yml")}},
		{"model_params", []string{fixture("small.pth"), "--config", file("bad.json", []byte(`{"model_params": {"latent": 3}}`))}},
		{"--threads 0: want 1 to 1024", []string{fixture("small.pth"), "--threads", "0"}},
		{"--checkpoint-path is empty: name a file", []string{""}},
		{"carries its configuration", []string{"default", "--config", fixture("small.json")}},
	} {
		out := filepath.Join(dir, "out")
		for _, command := range [][]string{{"reconstruct"}, {"extract"}, {"convert", "--reference", clip("it.flac")}} {
			args := append(command, "--source", clip("en.flac"), "--output-dir", out, "--checkpoint-path")
			fail(t, c.want, append(args, c.args...)...)
			absent(t, out)
		}
	}
	end := []string{"--source", clip("en.flac"), "--reference", clip("it.flac"), "--output-dir", filepath.Join(dir, "out"), "--checkpoint-path", fixture("small.pth")}
	fail(t, "a codec", append(end, "convert", "--redecoder-checkpoint", fixture("small.pth"))...)
	fail(t, "made for a codec of", append(end, "convert", "--redecoder-checkpoint", fixture("redecoder.pth"), "--redecoder-config",
		file("large.json", []byte(strings.ReplaceAll(smallRedecoder, `"latent_dim": 40`, `"latent_dim": 48`))))...)
	absent(t, filepath.Join(dir, "out"))
	absent(t, "pwned")
}

// TestOutputFolder: its parent a file, or itself one.
func TestOutputFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, []byte("x"))
	for _, out := range []string{file, filepath.Join(file, "out"), filepath.Join(file, "a", "b")} {
		fail(t, file+" is a file", "reconstruct", clip("en.flac"), "--output-dir", out, "--checkpoint-path", fixture("small.pth"))
	}
	checkFiles(t, dir, "file")
}

// TestFailingWrite: a write that fails half way, by the limit that ulimit -f
// sets, leaves nothing.
func TestFailingWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no limit of file sizes")
	}
	for _, args := range [][]string{
		{"reconstruct", clip("en.flac"), "--checkpoint-path", fixture("small.safetensors"), "--output-dir"},
		{"extract", clip("en.flac"), "--checkpoint-path", fixture("small.safetensors"), "--what", "codes,timbre,quantized", "--output-dir"},
		{"weights", "convert", fixture("small.pth")},
		{"weights", "random", "--config", fixture("small.json")},
	} {
		out := filepath.Join(t.TempDir(), "out")
		target := out
		if args[0] == "weights" {
			target = out + ".safetensors"
		}
		cmd := exec.Command(os.Args[0], append(args, target)...)
		cmd.Env = append(os.Environ(), "FACODEC_TEST_COMMAND=1", "FACODEC_TEST_FILE_SIZE=4096")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		// Of extract too: trying again, with more room, is not in vain.
		if code := cmd.ProcessState.ExitCode(); err == nil || code != exitFailed {
			t.Errorf("%s: exit code %d", strings.Join(args, " "), code)
		}
		checkLine(t, stderr.String(), "facodec: write "+out)
		if text := stderr.String(); !strings.HasSuffix(text, ": file too large\n") || strings.Contains(text, string(filepath.Separator)+".") {
			t.Errorf("stderr names a temporary file, or not the cause: %s", text)
		}
		checkFiles(t, filepath.Dir(out))
		absent(t, out)
	}
}

// A countdown is a context that is canceled when it has been asked some times.
type countdown struct {
	context.Context
	left atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestInterrupt: canceled at any time, a command says so and leaves nothing
// half-written.
func TestInterrupt(t *testing.T) {
	finished := false
	for n := int64(0); !finished; n++ {
		dir := t.TempDir()
		ctx := &countdown{Context: t.Context()}
		ctx.left.Store(n)
		out := filepath.Join(dir, "out")
		r := runContext(t, ctx, "reconstruct", "--source", clip("en.flac"), clip("es.flac"), "--output-dir", out, "--checkpoint-path", fixture("small.pth"), "--quiet")
		done := files(t, out)
		switch {
		case r.code == 0 && len(done) == 2:
			finished = true
		case r.code != exitInterrupted || len(done) > 1:
			t.Fatalf("after %d: exit code %d, %q: %s", n, r.code, done, r.stderr)
		default:
			checkLine(t, r.stderr, "interrupted")
		}
		for _, name := range done {
			if !strings.HasPrefix(name, "reconstructed_") {
				t.Errorf("after %d: %s is left", n, name)
			}
		}
		if len(done) == 0 {
			absent(t, out)
		}
	}
	// Late enough for one of the files, which the report then holds.
	ctx := &countdown{Context: t.Context()}
	ctx.left.Store(25)
	dir := t.TempDir()
	r := runContext(t, ctx, "extract", "--source", clip("en.flac"), clip("es.flac"), clip("fr.flac"), clip("it.flac"), clip("ru.flac"),
		"--output-dir", dir, "--checkpoint-path", fixture("small.pth"), "--json")
	var report report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != exitInterrupted || !report.Interrupted ||
		len(report.Files) == 0 || len(report.Files) != len(files(t, dir))-1 /* the manifest */ {
		t.Errorf("exit code %d, %v, report %+v", r.code, err, report)
	}
	ctx = &countdown{Context: t.Context()}
	ctx.left.Store(5)
	dir = t.TempDir()
	if r := runContext(t, ctx, "weights", "random", "--config", fixture("small.json"), filepath.Join(dir, "x.pth")); r.code != exitInterrupted {
		t.Errorf("exit code %d", r.code)
	}
	checkFiles(t, dir)
}
