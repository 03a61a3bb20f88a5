package train

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/weights"
)

// TestNotWritable: what a run will write is tried before its data is prepared, a redecoder's run
// too, and the error names the file and the keys that say where it is; of what the start has
// made nothing is left.
func TestNotWritable(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	const nobody = "/proc/self" // a folder in which root can make no file
	for _, place := range []string{checkpointDir, cacheDir, eventlog.EventsName, eventlog.FileName, configName} {
		for _, kind := range []string{"a file", "a folder", "another disk"} {
			_, err := os.Stat(nobody)
			file := place == eventlog.FileName || place == configName
			if file != (kind == "a folder") || kind == "another disk" && err != nil {
				continue
			}
			for name, c := range map[string]*config.Config{"codec": smallExperiment(t.TempDir()), "redecoder": smallRedecoder(t.TempDir())} {
				if c.IsRedecoder() && place == cacheDir && kind == "another disk" {
					continue // it has no labels, and a dataset is as good without an index
				}
				path := filepath.Join(RunDir(c), place)
				if err := os.MkdirAll(RunDir(c), 0o755); err != nil {
					t.Fatal(err)
				}
				switch kind {
				case "a file":
					err = os.Link(text, path)
				case "a folder":
					err = os.Mkdir(path, 0o755)
				default:
					err = os.Symlink(nobody, path)
				}
				if err != nil {
					t.Fatal(err)
				}
				run := runSmall
				if c.IsRedecoder() {
					run = runRedecoder
				}
				var phases []string
				l, err := run(t, c, 1, func(o *RunOptions) { o.Progress = func(p Progress) { phases = append(phases, p.Phase) } })
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "log_dir and exp_name") {
					t.Errorf("%s, %s is %s: error %v", name, place, kind, err)
				}
				if phases != nil || l.with("of speech") != nil {
					t.Errorf("%s, %s is %s: data is prepared first: %q, %q", name, place, kind, phases, l.all)
				}
				if left, _ := os.ReadDir(RunDir(c)); len(left) != 1 {
					t.Errorf("%s, %s is %s: left %v", name, place, kind, left)
				}
			}
		}
	}
}

// TestModelToResume: a model is no checkpoint of training, whatever made it, and no damaged one.
func TestModelToResume(t *testing.T) {
	c := smallExperiment(t.TempDir())
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(RunDir(c), checkpointDir, "step_00000001.safetensors")
	f, err := weights.Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// As weights export writes it: with the experiment and the step.
	metadata := map[string]string{}
	for key, text := range f.Metadata() {
		if !strings.HasPrefix(key, "train_") {
			metadata[key] = text
		}
	}
	arrays := slices.DeleteFunc(weights.ArraysOf(f), func(a weights.Array) bool { return !slices.Contains(inferenceNetworks, networkOf(a.Name)) })
	model := filepath.Join(t.TempDir(), "model.safetensors")
	if err := weights.WriteSafetensors(model, arrays, metadata, nil); err != nil {
		t.Fatal(err)
	}
	next := smallExperiment(t.TempDir())
	_, err = runSmall(t, next, 2, func(o *RunOptions) { o.Resume = model })
	if !errors.Is(err, ErrResume) || !strings.Contains(err.Error(), model+": is no checkpoint of training that can be resumed: it is a model, without the state") ||
		!strings.HasSuffix(err.Error(), "; a new run can start from its weights") || strings.Contains(err.Error(), "damaged") {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(next.LogDir); len(left) > 0 {
		t.Errorf("leaves %v", left)
	}
	// Among a run's own checkpoints it is passed over.
	if err := os.Rename(model, filepath.Join(RunDir(c), checkpointDir, "step_00000009.safetensors")); err != nil {
		t.Fatal(err)
	}
	l, err := runSmall(t, c, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "it is a model, without the state of its training (train_state); a new run can start from its weights; going on from an older checkpoint")
	l.has(t, "resuming from "+whole)
}

// TestCompleteElsewhere: a complete run that is resumed into another folder leaves nothing there,
// nor in a folder that is there already.
func TestCompleteElsewhere(t *testing.T) {
	c := smallExperiment(t.TempDir())
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	before := filesOf(t, RunDir(c))
	for _, name := range []string{"new", "empty"} {
		top := t.TempDir()
		other := smallExperiment(filepath.Join(top, "runs"))
		if name == "empty" {
			if err := os.MkdirAll(RunDir(other), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		l, err := runSmall(t, other, 1, func(o *RunOptions) {
			o.Resume = filepath.Join(RunDir(c), checkpointDir, "step_00000001.safetensors")
		})
		if err != nil {
			t.Fatal(err)
		}
		l.has(t, "the run is complete")
		dir := top
		if name == "empty" {
			dir = RunDir(other)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: leaves %v", name, left)
		}
	}
	// A run that is complete in its own folder keeps all that is there.
	if _, err := runSmall(t, c, 1, nil); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, "in its own folder", filesOf(t, RunDir(c)), before)
	if _, err := os.Stat(filepath.Join(RunDir(c), cacheDir)); err != nil {
		t.Error(err)
	}
}

// TestEnd: until when a run trains is said with what ends it, and a run whose time is over says so.
func TestEnd(t *testing.T) {
	c := smallExperiment(t.TempDir())
	c.Train.MaxEpoch = 1
	l, err := runSmall(t, c, 9, func(o *RunOptions) { o.Time = 1 })
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "training: 2 steps an epoch, to step 2, the last of 1 epoch (train.max_epoch), or for 1ns")
	l.has(t, "step_00000000.safetensors; the time is over, and the same command goes on from there")
	l, err = runSmall(t, c, 9, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.with("time is over"); got != nil {
		t.Errorf("%q", got)
	}
}
