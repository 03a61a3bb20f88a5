package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/eventlog"
)

// makeRun logs a training run that is all curve and no training.
func makeRun(t *testing.T, dir string, steps int64) string {
	t.Helper()
	log, err := eventlog.Open(dir, -1)
	if err != nil {
		t.Fatal(err)
	}
	for step := range steps {
		err := log.Scalars(step, []eventlog.Scalar{{Tag: eventlog.MelLoss, Value: 5 / float64(step+1)}, {Tag: eventlog.LearningRate, Value: 1e-4}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPlotRun: the curves of one run go to its folder, always the newest.
func TestPlotRun(t *testing.T) {
	dir := makeRun(t, filepath.Join(t.TempDir(), "x"), 20)
	out := filepath.Join(dir, curvesName)
	r := succeed(t, "plot", dir)
	if r.stdout != "" || !strings.Contains(r.stderr, out+": ") {
		t.Errorf("prints %q and %q", r.stdout, r.stderr)
	}
	first := read(t, out)
	size, err := png.DecodeConfig(bytes.NewReader(first))
	if err != nil || size.Width != 1200 {
		t.Errorf("%v, %v", size, err)
	}
	makeRun(t, dir, 30)
	succeed(t, "plot", filepath.Join(dir, eventlog.FileName), "--quiet")
	if bytes.Equal(read(t, out), first) {
		t.Error("the picture of a longer run is the same")
	}
}

func TestPlotRuns(t *testing.T) {
	dir := t.TempDir()
	a, b := makeRun(t, filepath.Join(dir, "a"), 20), makeRun(t, filepath.Join(dir, "b"), 30)
	out := filepath.Join(dir, "ab.svg")
	succeed(t, "plot", a, b, "-o", out, "--title", "Both", "--from", "5", "--to", "15")
	text := string(read(t, out))
	for _, want := range []string{">Both<", ">a<", ">b<", ">mel distance, training<", ">learning rate<", ">training step<"} {
		if !strings.Contains(text, want) {
			t.Errorf("the picture does not say %s", want)
		}
	}
	fail(t, "is not what would be written; --force", "plot", a, b, "-o", out, "--width", "500")
	if string(read(t, out)) != text {
		t.Error("overwritten without --force")
	}
	succeed(t, "plot", a, b, "-o", out, "--width", "500", "--force")
	if string(read(t, out)) == text {
		t.Error("--force kept it")
	}
}

func TestPlotRunErrors(t *testing.T) {
	dir := t.TempDir()
	run := makeRun(t, filepath.Join(dir, "run"), 20)
	empty := makeRun(t, filepath.Join(dir, "empty"), 0)
	bad := makeRun(t, filepath.Join(dir, "bad"), 0)
	write(t, filepath.Join(bad, eventlog.FileName), []byte("{}\n"+`{"step":1,"time":2,"scalars":{"a":1}}`+"\n"))
	none := filepath.Join(dir, "none")
	if err := os.Mkdir(none, 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "x.png")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"nor is there a log.jsonl", []string{none, "-o", out}},
		{"no --output", []string{none}},
		{"no --output: name the picture of several", []string{run, run}},
		{"log.jsonl: nothing is logged", []string{empty}},
		{"log.jsonl: line 1: no step", []string{bad}},
		{none + ": no training run", []string{run, none, "-o", out}},
		{"en.flac: no training run", []string{clip("en.flac"), run, "-o", out}},
		{"--codes", []string{run, "--codes", "x.npz"}},
		{"without a codec", []string{run, "--checkpoint-path", "synthetic"}},
		{"--from NaN", []string{run, "--from", "nan"}},
		{"--to 3", []string{run, "--from", "4", "--to", "3"}},
		{"ends at step 19, before 20", []string{run, "--from", "20"}},
		{"--width 10", []string{run, "--width", "10"}},
		{"too low", []string{run, "--height", "200"}},
		{"file extension", []string{run, "-o", filepath.Join(dir, "x.jpg")}},
		{"no such file", []string{run, "-o", filepath.Join(dir, "no", "x.png")}},
	} {
		fail(t, c.want, append([]string{"plot"}, c.args...)...)
		absent(t, out)
		absent(t, filepath.Join(run, curvesName))
	}
}
