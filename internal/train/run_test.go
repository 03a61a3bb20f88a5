package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/lockfile"
	"github.com/facodec-go/facodec/internal/weights"
)

// smallExperiment trains the smallest networks on the repository's clips.
func smallExperiment(dir string) *config.Config {
	c := config.Default()
	c.LogDir, c.ExpName, c.Dataset = dir, "small", filepath.Join("..", "..", "testdata", "speech")
	c.BatchSize, c.MaxLen, c.LogInterval, c.SaveInterval, c.Train.RestartCodes = 2, 8, 1, 3, 2
	c.Train.DataInit, c.Train.NormalizeCodes, c.Augment.Speed = true, true, 0.1
	c.Validation.Interval, c.Validation.Files, c.Validation.Samples = 3, 1, 1
	m := &c.Model
	m.LSTM = 1
	m.LatentDim, m.CodebookSize, m.CodebookDim = 24, 16, 4
	m.ProsodyHidden, m.ProsodyLayers, m.TimbreHidden = 16, 2, 16
	m.PhoneClasses, m.SpeakerClasses, c.Teachers.ContentUnits = 12, 15, 12
	m.DAC.EncoderDim, m.DAC.DecoderDim = 2, 32
	m.Discriminator = config.Discriminator{Periods: []int{2}, MPDChannels: []int{4, 4, 4, 8, 8}, FFTSizes: []int{256}, MRDChannels: 4}
	return c
}

// lines collects what a run reports.
type lines struct {
	sync.Mutex
	all []string
}

func (l *lines) add(format string, args ...any) {
	l.Lock()
	defer l.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}

func (l *lines) has(t *testing.T, part string) {
	t.Helper()
	l.Lock()
	defer l.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, part) {
			return
		}
	}
	t.Errorf("no line has %q: %q", part, l.all)
}

func runSmall(t *testing.T, c *config.Config, steps int, change func(*RunOptions)) (*lines, error) {
	t.Helper()
	var l lines
	o := RunOptions{Config: c, Resume: ResumeAuto, Steps: steps, Threads: 2, Report: l.add, Progress: func(Progress) {}}
	if change != nil {
		change(&o)
	}
	return &l, Run(context.Background(), o)
}

// TestResume: seven steps are three steps and, in another run of the same folder,
// four, in every tensor of the checkpoint and every value of the log; on other
// numbers of threads, too. The end of a run validates: at step 3 both runs do.
func TestResume(t *testing.T) {
	whole, parts := smallExperiment(t.TempDir()), smallExperiment(t.TempDir())
	if _, err := runSmall(t, whole, 7, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := runSmall(t, parts, 3, func(o *RunOptions) { o.Threads = 1 }); err != nil {
		t.Fatal(err)
	}
	l, err := runSmall(t, parts, 7, func(o *RunOptions) { o.Threads = 3 })
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "resuming from")
	sameRuns(t, RunDir(parts), RunDir(whole), 7)
	if _, err := runSmall(t, parts, 7, nil); err != nil {
		t.Errorf("with nothing left to do: %v", err)
	}
	_, err = runSmall(t, parts, 9, func(o *RunOptions) { o.Resume = ResumeNone })
	if err == nil || !strings.Contains(err.Error(), "holds a run already") {
		t.Errorf("--resume none: error %v", err)
	}
}

func sameRuns(t *testing.T, got, want string, step int) {
	t.Helper()
	name := filepath.Join(checkpointDir, fmt.Sprintf("step_%08d.safetensors", step))
	a, err := weights.Open(filepath.Join(got, name))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := weights.Open(filepath.Join(want, name))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if len(a.Names()) != len(b.Names()) {
		t.Errorf("%d tensors, want %d", len(a.Names()), len(b.Names()))
	}
	for _, name := range b.Names() {
		x, ok := a.Lookup(name)
		if !ok {
			t.Errorf("no tensor %s", name)
			continue
		}
		y, _ := b.Lookup(name)
		v, _ := x.Float32()
		w, _ := y.Float32()
		golden.Equal(t, name, v, w)
	}
	for _, key := range []string{checkpoint.StateKey, checkpoint.PositionKey, checkpoint.TeachersKey, checkpoint.CodecKey, checkpoint.BestKey, checkpoint.StepKey, checkpoint.EpochKey} {
		if a.Metadata()[key] != b.Metadata()[key] {
			t.Errorf("%s: %q, want %q", key, a.Metadata()[key], b.Metadata()[key])
		}
	}
	x, y := logged(t, got), logged(t, want)
	if len(x) != len(y) {
		t.Fatalf("%d lines logged, want %d", len(x), len(y))
	}
	for i := range y {
		if x[i] != y[i] {
			t.Errorf("line %d: %s, want %s", i, x[i], y[i])
		}
	}
}

// logged returns the lines of a run's log without their times.
func logged(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := eventlog.ReadFile(filepath.Join(dir, eventlog.FileName), func(e eventlog.Entry) error {
		line := fmt.Sprint(e.Step)
		for _, s := range e.Scalars {
			if s.Tag != eventlog.StepTime {
				line += fmt.Sprintf(" %s=%v", s.Tag, s.Value)
			}
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestMain lets the test binary be the process that TestKilled kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FACODEC_TEST_RUN"); dir != "" {
		o := RunOptions{Config: smallExperiment(dir), Resume: ResumeAuto, Steps: 9, Threads: 1,
			Report: func(string, ...any) {}, Progress: func(p Progress) { fmt.Println(p.Phase, p.Done) }}
		if err := Run(context.Background(), o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestKilled kills a run at some moment after its fourth step and goes on in
// another process: the result is that of a run that nobody disturbed.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	whole, killed := smallExperiment(t.TempDir()), smallExperiment(t.TempDir())
	if _, err := runSmall(t, whole, 9, nil); err != nil {
		t.Fatal(err)
	}
	start := func() (*exec.Cmd, *watched) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "FACODEC_TEST_RUN="+killed.LogDir)
		out := &watched{seen: make(chan struct{})}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, out
	}
	cmd, out := start()
	select {
	case <-out.seen:
	case <-time.After(2 * time.Minute):
		t.Error("it did not come to step 4")
	}
	time.Sleep(time.Duration(time.Now().UnixNano() % int64(50*time.Millisecond)))
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	cmd, out = start()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out.text.String())
	}
	sameRuns(t, RunDir(killed), RunDir(whole), 9)
}

// watched tells when a line says that step 4 is done.
type watched struct {
	text bytes.Buffer
	seen chan struct{}
	once sync.Once
}

func (w *watched) Write(p []byte) (int, error) {
	w.text.Write(p)
	if strings.Contains(w.text.String(), "train 4\n") {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

// TestStopped: a run that is asked to stop ends with a checkpoint of the step that
// it was at.
func TestStopped(t *testing.T) {
	c := smallExperiment(t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var l lines
	err := Run(ctx, RunOptions{Config: c, Resume: ResumeAuto, Threads: 2, Report: l.add, Progress: func(p Progress) {
		if p.Phase == "train" && p.Done == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	l.has(t, "stopped at step 2")
	if _, err := os.Stat(filepath.Join(RunDir(c), checkpointDir, "step_00000002.safetensors")); err != nil {
		t.Error(err)
	}
	// And before the first step.
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	err = Run(ctx, RunOptions{Config: smallExperiment(t.TempDir()), Resume: ResumeAuto, Report: l.add, Progress: func(Progress) {}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestKeep: the last checkpoints and the best are kept.
func TestKeep(t *testing.T) {
	c := smallExperiment(t.TempDir())
	c.SaveInterval, c.Train.KeepCheckpoints = 1, 2
	if _, err := runSmall(t, c, 5, nil); err != nil {
		t.Fatal(err)
	}
	var names []string
	files, err := os.ReadDir(filepath.Join(RunDir(c), checkpointDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	if got := strings.Join(names, " "); got != "best.safetensors step_00000004.safetensors step_00000005.safetensors" {
		t.Errorf("kept: %s", got)
	}
}

// TestInit starts from another run's weights, of which one network has another
// shape.
func TestInit(t *testing.T) {
	c := smallExperiment(t.TempDir())
	if _, err := runSmall(t, c, 2, nil); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(RunDir(c), checkpointDir, "step_00000002.safetensors")
	other := smallExperiment(t.TempDir())
	other.Model.PhoneClasses = 13
	l, err := runSmall(t, other, 1, func(o *RunOptions) { o.Init = from })
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "starting from "+from)
	l.has(t, "of another shape: fa_predictors.phone_predictor.heads.0.weight")
	l.has(t, "step 0: held out: mel distance") // what the run has to improve
	l.has(t, "step 1: held out: mel distance") // fewer steps than validation.interval

	// What has learned is not fitted anew.
	unfitted := smallExperiment(t.TempDir())
	unfitted.Model.PhoneClasses, unfitted.Train.DataInit = 13, false
	if _, err := runSmall(t, unfitted, 1, func(o *RunOptions) { o.Init = from }); err != nil {
		t.Fatal(err)
	}
	sameRuns(t, RunDir(other), RunDir(unfitted), 1)

	// The checkpoint in memory is the same.
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	memory := smallExperiment(t.TempDir())
	memory.Model.PhoneClasses = 13
	l, err = runSmall(t, memory, 1, func(o *RunOptions) { o.Init, o.InitData = "a model", data })
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "starting from a model")
	sameRuns(t, RunDir(other), RunDir(memory), 1)
}

// TestPretrained: pretrained_model goes on where the checkpoint was, in a folder of
// its own, and with load_only_params begins with its weights.
func TestPretrained(t *testing.T) {
	c := smallExperiment(t.TempDir())
	if _, err := runSmall(t, c, 3, nil); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(RunDir(c), checkpointDir, "step_00000003.safetensors")
	for _, onlyParams := range []bool{false, true} {
		next := smallExperiment(t.TempDir())
		next.PretrainedModel, next.LoadOnlyParams = from, onlyParams
		l, err := runSmall(t, next, 4, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := "resuming from " + from + ", step 3"
		if onlyParams {
			want = "starting from " + from
		}
		l.has(t, want)
	}
}

// TestHeldOutOnResume: a run goes on with the files held out that it was begun with, where
// the experiment leaves their number open.
func TestHeldOutOnResume(t *testing.T) {
	for _, begun := range []int{0, 2} { // of five: one, two
		c := smallExperiment(t.TempDir())
		c.Validation.Files = begun
		l, err := runSmall(t, c, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%d held out", max(1, begun))
		l.has(t, want)
		c.Validation.Files = 0
		if l, err = runSmall(t, c, 2, nil); err != nil {
			t.Fatal(err)
		}
		l.has(t, want)
		for _, line := range l.all {
			if strings.Contains(line, "has changed") {
				t.Error(line)
			}
		}
	}
}

// damage changes a checkpoint in one of the ways in which files are damaged.
func damage(t *testing.T, path, how string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch how {
	case "cut short":
		data = data[:5000]
	case "a bit of a tensor":
		data[len(data)-1000] ^= 4
	case "a digit of the metadata":
		at := bytes.Index(data, []byte(`\"steps\":`)) + len(`\"steps\":`)
		if data[at] < '0' || data[at] > '9' {
			t.Fatalf("%q", data[at-20:at+20])
		}
		data[at] ^= 1
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedCheckpoint: a run goes on from the newest checkpoint that is whole, says
// so, and comes to the same; where there is none, nothing is overwritten.
func TestDamagedCheckpoint(t *testing.T) {
	whole := smallExperiment(t.TempDir())
	whole.SaveInterval = 1
	if _, err := runSmall(t, whole, 3, nil); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"cut short", "a bit of a tensor", "a digit of the metadata"} {
		c := smallExperiment(t.TempDir())
		c.SaveInterval = 1
		if _, err := runSmall(t, c, 2, nil); err != nil {
			t.Fatal(err)
		}
		path := func(step int) string {
			return filepath.Join(RunDir(c), checkpointDir, fmt.Sprintf("step_%08d.safetensors", step))
		}
		damage(t, path(2), how)
		if _, err := runSmall(t, c, 3, func(o *RunOptions) { o.Resume = path(2) }); err == nil || !strings.Contains(err.Error(), path(2)) {
			t.Errorf("%s, named: error %v", how, err)
		}
		l, err := runSmall(t, c, 3, nil)
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		l.has(t, path(2))
		l.has(t, "going on from an older checkpoint")
		l.has(t, "resuming from "+path(1))
		sameRuns(t, RunDir(c), RunDir(whole), 3)
		for step := range 3 {
			damage(t, path(step+1), "cut short")
		}
		if _, err := runSmall(t, c, 4, nil); err == nil || !strings.Contains(err.Error(), path(3)) || !strings.Contains(err.Error(), "no older checkpoint") {
			t.Errorf("all damaged: error %v", err)
		}
	}
}

// TestValidationIsBounded: of what is held out only so many seconds are validated on.
func TestValidationIsBounded(t *testing.T) {
	c := smallExperiment(t.TempDir())
	c.Validation.Files, c.Validation.Seconds = 3, 3
	r := &run{RunOptions: RunOptions{Config: c, Report: t.Logf, Progress: func(Progress) {}}, dir: RunDir(c)}
	if err := r.prepareRanks(); err != nil {
		t.Fatal(err)
	}
	if err := r.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	clips, err := r.heldOut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	samples := 0
	for _, clip := range clips {
		samples += len(clip.Wave)
	}
	if len(r.set.Valid) < 2 || len(clips) == 0 || len(clips) == len(r.set.Valid) || samples > 3*24000 {
		t.Errorf("%d samples in %d of %d clips", samples, len(clips), len(r.set.Valid))
	}
}

// TestTwoProcesses: a run that is being trained is left alone by another process; and
// one that is taken from it, where there are no locks, is no longer written to.
func TestTwoProcesses(t *testing.T) {
	c := smallExperiment(t.TempDir())
	steps := 0
	_, err := runSmall(t, c, 5, func(o *RunOptions) {
		o.Progress = func(p Progress) {
			if p.Phase != "train" {
				return
			}
			switch steps++; steps {
			case 1:
				_, err := runSmall(t, c, 5, nil)
				if !errors.Is(err, lockfile.ErrHeld) || !strings.Contains(err.Error(), fmt.Sprintf("process %d ", os.Getpid())) {
					t.Errorf("the other process: error %v", err)
				}
			case 2:
				text := `{"pid":42,"host":"elsewhere","since":"2026-01-02T03:04:05Z","token":"x"}`
				if err := os.WriteFile(filepath.Join(RunDir(c), lockName), []byte("\n"+text), 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if !errors.Is(err, lockfile.ErrLost) || !strings.Contains(err.Error(), "process 42 on elsewhere") || steps > 3 {
		t.Errorf("taken away: error %v, after %d steps", err, steps)
	}
}

// TestFailedStart: a start that fails leaves no folder that it made, and no other's.
func TestFailedStart(t *testing.T) {
	for name, change := range map[string]func(c *config.Config, o *RunOptions){
		"no dataset":   func(c *config.Config, _ *RunOptions) { c.Dataset = filepath.Join(c.LogDir, "nowhere") },
		"no speech":    func(c *config.Config, _ *RunOptions) { c.Dataset = t.TempDir() },
		"no weights":   func(c *config.Config, o *RunOptions) { o.Init = filepath.Join(c.LogDir, "nowhere") },
		"few classes":  func(c *config.Config, _ *RunOptions) { c.Model.SpeakerClasses = 2 },
		"another name": func(c *config.Config, _ *RunOptions) { c.ExpName = "../x" },
	} {
		top := t.TempDir()
		c := smallExperiment(filepath.Join(top, "a", "b"))
		if _, err := runSmall(t, c, 1, func(o *RunOptions) { change(c, o) }); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, err := os.ReadDir(top); err != nil || len(left) > 0 {
			t.Errorf("%s: leaves %v, %v", name, left, err)
		}
	}
	c := smallExperiment(t.TempDir())
	if err := os.MkdirAll(RunDir(c), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Dataset = filepath.Join(c.LogDir, "nowhere")
	if _, err := runSmall(t, c, 1, nil); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(RunDir(c)); err != nil {
		t.Errorf("a folder that was there is gone: %v", err)
	}
}

func TestRunErrors(t *testing.T) {
	t.Run("no data", func(t *testing.T) {
		c := smallExperiment(t.TempDir())
		c.Dataset = filepath.Join(t.TempDir(), "nowhere")
		if _, err := runSmall(t, c, 1, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("too many classes", func(t *testing.T) {
		c := smallExperiment(t.TempDir())
		c.Teachers.ContentUnits = 14
		if _, err := runSmall(t, c, 1, nil); err == nil || !strings.Contains(err.Error(), "phone_classes") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("not finite", func(t *testing.T) {
		c := smallExperiment(t.TempDir())
		c.Train.MaxSkippedSteps = 2
		c.Loss.Mel = 1e38 // whose square is too much for a float32
		c.Optimizer.ClipGrad = 1e12
		_, err := runSmall(t, c, 9, nil)
		if err == nil || !strings.Contains(err.Error(), "2 steps in a row") {
			t.Errorf("error %v", err)
		}
	})
}
