package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/lockfile"
	"github.com/facodec-go/facodec/internal/weights"
)

// The names in a run's folder.
const (
	checkpointDir = "checkpoints"
	bestName      = "best.safetensors"
	configName    = "config.json"
	cacheDir      = "cache"
	lockName      = "run.lock" // while a process trains
)

// RunDir returns the folder of an experiment's run.
func RunDir(c *config.Config) string { return filepath.Join(c.LogDir, c.ExpName) }

// openFolder finds the checkpoint to resume, or makes the folder of a new run.
// Only rank 0 touches the folder, and the others are told what it has found.
func (r *run) openFolder(readState stateReader) error {
	if r.leads() {
		if err := r.openOwnFolder(readState); err != nil {
			return err
		}
	}
	return r.shareStart()
}

func (r *run) openOwnFolder(readState stateReader) error {
	if err := r.makeFolder(); err != nil {
		return err
	}
	existing, err := checkpoints(r.dir)
	if err != nil {
		return err
	}
	r.checkpoints = existing
	path := r.Resume
	fresh := r.Resume == ResumeNone || r.Resume == ResumeAuto && len(existing) == 0
	switch {
	case r.Resume == ResumeNone && len(existing) > 0:
		return fmt.Errorf("%s: holds a run already, with %s; resume it, or begin a new one under another exp_name", r.dir, filepath.Base(existing[len(existing)-1]))
	case fresh && r.Init != "":
		return r.start(r.Init, readState)
	case fresh && r.Config.PretrainedModel != "":
		return r.start(r.Config.PretrainedModel, readState)
	case fresh:
		return nil
	case r.Resume == ResumeAuto:
		f, err := r.newestIntact(existing)
		if err != nil {
			return err
		}
		return r.resume(f, readState)
	}
	f, err := openVerified(path)
	if err != nil {
		return err
	}
	return r.resume(f, readState)
}

// makeFolder makes the run's folder, where it is missing, and locks it.
func (r *run) makeFolder() error {
	missing := func(dir string) bool {
		_, err := os.Lstat(dir)
		return err != nil
	}
	for dir := r.dir; missing(dir) && filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		r.createdDirs = append(r.createdDirs, dir)
	}
	if len(r.createdDirs) == 0 {
		for _, name := range []string{checkpointDir, cacheDir} {
			if dir := filepath.Join(r.dir, name); missing(dir) {
				r.createdSubdirs = append(r.createdSubdirs, dir)
			}
		}
	}
	if err := os.MkdirAll(filepath.Join(r.dir, checkpointDir), 0o755); err != nil {
		return err
	}
	lock, err := lockfile.Acquire(filepath.Join(r.dir, lockName))
	if err != nil {
		r.createdDirs, r.createdSubdirs = nil, nil // another process has made the folder its own meanwhile
		return err
	}
	r.lock = lock
	return nil
}

// removeFolder removes what a start that has failed has made: the run's folder, or folders
// in it. What took long to find out about the dataset is kept.
func (r *run) removeFolder() {
	created := append(slices.Clone(r.createdSubdirs), r.createdDirs...)
	if len(created) == 0 {
		return
	}
	if cache := filepath.Join(r.dir, cacheDir); r.set != nil && time.Since(r.startTime) > keepCacheAfter {
		r.Report("%s keeps what was found out about the dataset", cache)
		if len(r.createdDirs) > 0 {
			return
		}
		created = slices.DeleteFunc(created, func(dir string) bool { return dir == cache })
	}
	if len(r.createdDirs) > 0 {
		created = r.createdDirs[:1]
	}
	for _, dir := range created {
		if err := os.RemoveAll(dir); err != nil {
			r.Report("%s of the failed start is left behind: %v", dir, err)
		}
	}
	for _, parent := range r.createdDirs[min(1, len(r.createdDirs)):] {
		if os.Remove(parent) != nil { // something else is in it now
			return
		}
	}
}

// keepCacheAfter is how long a start may take for nothing.
const keepCacheAfter = time.Minute

// newestIntact opens the newest of the run's checkpoints that is not damaged.
func (r *run) newestIntact(paths []string) (*weights.File, error) {
	var first error
	for _, path := range slices.Backward(paths) {
		f, err := openVerified(path)
		if err == nil {
			if first != nil {
				r.Report("%v; going on from an older checkpoint", first)
			}
			return f, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, fmt.Errorf("%w; no older checkpoint of %s is whole: move its folder %s away to begin again", first, r.dir, checkpointDir)
}

// openVerified opens a checkpoint and compares it with its digest.
func openVerified(path string) (*weights.File, error) {
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	if err := checkpoint.VerifyDigest(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// start begins from a checkpoint: from its weights alone or, where it is the
// experiment's pretrained_model and one of training, with its optimizers, steps and
// position in the data, unless load_only_params says otherwise.
func (r *run) start(path string, readState stateReader) error {
	var f *weights.File
	var err error
	if r.Init != "" && r.InitData != nil {
		f, err = weights.OpenBytes(path, r.InitData)
	} else {
		f, err = weights.Open(path)
	}
	if err != nil {
		return err
	}
	if _, training := f.Metadata()[checkpoint.StateKey]; training && r.Init == "" && !r.Config.LoadOnlyParams {
		if err := r.resume(f, readState); err != nil {
			return fmt.Errorf("%w; load_only_params: true takes its weights alone", err)
		}
		return nil
	}
	r.initFrom = f
	return nil
}

// ExperimentOf returns the experiment that the run in c's folder goes on with where c is
// not the user's own, but made from a preset or for a codec: that of the checkpoint that it is
// resumed from, under c's name, if its networks are c's; else c. resume is that of RunOptions.
// A run that was begun from another model's weights so needs nothing said twice.
func ExperimentOf(c *config.Config, resume string) *config.Config {
	paths := []string{resume}
	switch resume {
	case ResumeNone:
		return c
	case ResumeAuto:
		var err error
		if paths, err = checkpoints(RunDir(c)); err != nil {
			return c // Run says why
		}
	}
	for _, path := range slices.Backward(paths) {
		old, err := experimentIn(path)
		if err != nil {
			continue
		}
		if !sameNetworks(old, c) {
			break
		}
		old.ExpName, old.LogDir = c.ExpName, c.LogDir
		return old
	}
	return c
}

// experimentIn returns the experiment that a checkpoint of training was written by.
func experimentIn(path string) (*config.Config, error) {
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return config.Parse(path, []byte(f.Metadata()[checkpoint.ConfigKey]))
}

// sameNetworks says whether a run of the experiment old goes on with c.
func sameNetworks(old, c *config.Config) bool {
	if old.IsRedecoder() || c.IsRedecoder() {
		return old.IsRedecoder() && c.IsRedecoder() && reflect.DeepEqual(RedecoderTrainingConfigOf(old), RedecoderTrainingConfigOf(c))
	}
	now := *c
	if now.Model.SpeakerClasses == 0 { // as many as were found then
		now.Model.SpeakerClasses = old.Model.SpeakerClasses
	}
	return reflect.DeepEqual(CodecTrainingConfigOf(old), CodecTrainingConfigOf(&now))
}

// A stateReader reads what a checkpoint has of a codec or a redecoder. old is the experiment
// that it was written by. errOtherModel says that its networks are not those of this
// one; other errors name the file.
type stateReader func(f *weights.File, old *config.Config) error

var errOtherModel = errors.New("model_params are not those of this experiment; give this run another exp_name, or start it from the weights alone")

// resume goes on from a checkpoint, which must belong to this experiment.
func (r *run) resume(f *weights.File, readState stateReader) error {
	r.resumedFrom = f
	path := f.Path()
	r.goodCheckpoint.Store(&path)
	meta := f.Metadata()
	old, err := config.Parse(f.Path(), []byte(meta[checkpoint.ConfigKey]))
	if err != nil {
		return fmt.Errorf("%s: is no training checkpoint that can be resumed; a new run can start from its weights: %w", f.Path(), err)
	}
	if r.Config.Validation.Files == 0 { // the same files are held out as before
		r.Config.Validation.Files = old.Validation.Files
	}
	if err := readState(f, old); errors.Is(err, errOtherModel) {
		return fmt.Errorf("%s: %w", f.Path(), err)
	} else if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(meta[checkpoint.PositionKey]), &r.startPosition); err != nil {
		return fmt.Errorf("%s: %s: %w", f.Path(), checkpoint.PositionKey, err)
	}
	if text := meta[checkpoint.BestKey]; text != "" {
		if r.best, err = strconv.ParseFloat(text, 64); err != nil {
			return fmt.Errorf("%s: %s: %w", f.Path(), checkpoint.BestKey, err)
		}
	}
	r.validated = -1
	if text := meta[checkpoint.ValidatedKey]; text != "" {
		if r.validated, err = strconv.Atoi(text); err != nil || r.validated < 0 {
			return fmt.Errorf("%s: %s: %q is no step", f.Path(), checkpoint.ValidatedKey, text)
		}
	}
	r.Report("resuming from %s, step %s", f.Path(), meta[checkpoint.StepKey])
	if r.Init != "" {
		r.Report("the run goes on with its own weights: those of %s are where a new run begins, in another folder", r.Init)
	}
	if changes := r.Config.Changes(old); changes != nil {
		r.Report("the experiment has changed since the checkpoint: the run goes on, but not as it would have")
		for _, change := range changes {
			r.Report("changed: %s", change)
		}
	}
	return nil
}

// writeConfig writes the experiment into the run's folder.
func (r *run) writeConfig() error {
	text, err := r.Config.Indented()
	if err != nil {
		return err
	}
	f, err := atomicfile.Create(filepath.Join(r.dir, configName))
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("write %s: %w", f.Path(), err)
	}
	return f.Commit()
}

// save writes the checkpoint of this step and removes those that are too many.
// Where several ranks train, rank 0 does, once it is known that all have the same state.
func (r *run) save() error {
	path := filepath.Join(r.dir, checkpointDir, fmt.Sprintf("step_%08d.safetensors", r.trainer.Steps))
	if err := r.checkReplicas(); err != nil {
		return err
	}
	if r.leads() {
		if err := r.write(path); err != nil {
			return err
		}
	}
	if err := collective.Barrier(r.Ranks); err != nil { // until it is there
		return err
	}
	r.lastCheckpoint, r.saved = path, r.mark()
	r.goodCheckpoint.Store(&path)
	if !r.leads() {
		return nil
	}
	if r.Ranks.Size() > 1 { // a launcher may kill all ranks at once, without a word
		r.Report("step %d: the last good checkpoint is %s", r.trainer.Steps, path)
	}
	r.checkpoints = append(slices.DeleteFunc(r.checkpoints, func(old string) bool { return old == path }), path)
	for len(r.checkpoints) > r.Config.Train.KeepCheckpoints {
		if err := os.Remove(r.checkpoints[0]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		r.checkpoints = r.checkpoints[1:]
	}
	return nil
}

// write saves the whole state of the run. The log goes to the disk first, so that
// it is never behind a checkpoint.
func (r *run) write(path string) error {
	if err := r.lock.Check(); err != nil {
		return fmt.Errorf("the run is not continued beside another process: %w", err)
	}
	if err := r.log.Flush(); err != nil {
		return err
	}
	config, err := r.Config.JSON()
	if err != nil {
		return err
	}
	position, err := json.Marshal(r.position)
	if err != nil {
		return err
	}
	metadata := map[string]string{
		checkpoint.ConfigKey: string(config), checkpoint.EpochKey: strconv.Itoa(r.position.Epoch), checkpoint.PositionKey: string(position),
		checkpoint.DatasetKey: r.set.Fingerprint(), checkpoint.ValidatedKey: strconv.Itoa(r.validated),
	}
	maps.Copy(metadata, r.hooks.metadata)
	if r.best >= 0 {
		metadata[checkpoint.BestKey] = strconv.FormatFloat(r.best, 'g', -1, 64)
	}
	return r.trainer.Save(path, metadata)
}

// checkpoints lists those of a run's folder, the oldest first.
func checkpoints(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), checkpointDir, "step_*.safetensors"))
	slices.Sort(paths)
	return paths, err
}

// escapeGlob keeps a folder's own name from being read as a pattern.
func escapeGlob(dir string) string {
	var b []rune
	for _, c := range dir {
		if (c == '*' || c == '?' || c == '[' || c == '\\') && filepath.Separator == '/' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}
