package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/lockfile"
	"github.com/facodec-go/facodec/internal/weights"
)

// The names in a run's folder.
const (
	checkpointDir = "checkpoints"
	bestName      = "best.safetensors"
	configName    = "config.json"
	cacheDir      = "cache"
	labelsDir     = "cache/labels" // of teachers
	lockName      = "run.lock"     // while a process trains
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
	r.checkpoints, r.heldRun = existing, len(existing) > 0
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
		return fmt.Errorf("%w: %w", ErrResume, err)
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
	names := []string{checkpointDir, cacheDir}
	if !r.Config.IsRedecoder() {
		names = append(names, labelsDir)
	}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(r.dir, name), 0o755); err != nil {
			r.createdDirs, r.createdSubdirs = slices.DeleteFunc(r.createdDirs, missing), slices.DeleteFunc(r.createdSubdirs, missing)
			if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
				err = fileerr.In(pathErr.Path, err)
			}
			return notWritable(err)
		}
	}
	lock, err := lockfile.Acquire(filepath.Join(r.dir, lockName))
	switch {
	case errors.Is(err, lockfile.ErrHeld):
		r.createdDirs, r.createdSubdirs = nil, nil // another process has made the folder its own meanwhile
		return err
	case err != nil:
		return notWritable(err)
	}
	r.lock = lock
	return r.probe()
}

// probe returns an error where something that the run will write cannot be written. It comes
// before the data is prepared, which may take hours; the first checkpoint would tell later still.
func (r *run) probe() error {
	for _, name := range []string{configName, filepath.Join(checkpointDir, bestName)} {
		if err := atomicfile.Probe(filepath.Join(r.dir, name)); err != nil {
			return notWritable(err)
		}
	}
	if err := eventlog.Probe(r.dir); err != nil {
		return notWritable(err)
	}
	return nil
}

// notWritable adds to an error of making the run's folder, or the first files in it, what cures it.
func notWritable(err error) error {
	if errors.Is(err, syscall.EISDIR) {
		return fmt.Errorf("%w, and a run writes a file there: move it away, or name another folder by log_dir and exp_name", err)
	}
	return fmt.Errorf("%w; a run is kept in a folder that can be written to: log_dir and exp_name say which", err)
}

// removeFolder removes what a start has made that has failed, or has found the run to be
// complete: the run's folder, or folders in it. What took long to find out about the dataset is
// kept for the next start, which a complete run of another folder does not need.
func (r *run) removeFolder(complete bool) {
	created := append(slices.Clone(r.createdSubdirs), r.createdDirs...)
	if len(created) == 0 || complete && r.heldRun {
		return
	}
	if cache := filepath.Join(r.dir, cacheDir); !complete && r.set != nil && time.Since(r.startTime) > keepCacheAfter {
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
			r.Report("%s, which is of no use, is left behind: %v", dir, err)
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

// openVerified opens a checkpoint of training and compares it with its digest.
func openVerified(path string) (*weights.File, error) {
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	if _, ok := f.Metadata()[checkpoint.StateKey]; !ok {
		err = fmt.Errorf("%s: is no checkpoint of training that can be resumed: it is a model, without the state of its training (%s); a new run can start from its weights", path, checkpoint.StateKey)
	} else {
		err = checkpoint.VerifyDigest(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// writeConfig writes the experiment into the run's folder.
func (r *run) writeConfig() error {
	r.reportConfig()
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
