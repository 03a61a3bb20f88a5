package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// The names in a run's folder.
const (
	checkpointDir = "checkpoints"
	bestName      = "best.safetensors"
	configName    = "config.json"
	cacheDir      = "cache"
)

// Keys of a checkpoint's metadata, beside the trainer's own.
const (
	configKey   = "config"
	epochKey    = "epoch"
	positionKey = "train_position"
	teacherKey  = "train_teachers" // of a codec
	codecKey    = "train_codec"    // of a redecoder
	bestKey     = "train_best"
	dataKey     = "train_dataset"
)

// RunDir returns the folder of an experiment's run.
func RunDir(c *config.Config) string { return filepath.Join(c.LogDir, c.ExpName) }

// openFolder finds the checkpoint to resume, or makes the folder of a new run. same
// says whether the networks of a checkpoint's experiment are those of this one.
func (r *run) openFolder(same func(old *config.Config) bool) error {
	if err := os.MkdirAll(filepath.Join(r.dir, checkpointDir), 0o755); err != nil {
		return err
	}
	written, err := checkpoints(r.dir)
	if err != nil {
		return err
	}
	r.written = written
	path := r.Resume
	fresh := r.Resume == ResumeNone || r.Resume == ResumeAuto && len(written) == 0
	switch {
	case r.Resume == ResumeNone && len(written) > 0:
		return fmt.Errorf("%s: holds a run already, of %s; --resume auto continues it, and another exp_name begins a new one", r.dir, filepath.Base(written[len(written)-1]))
	case fresh && r.Init != "":
		return r.start(r.Init, same)
	case fresh && r.Config.PretrainedModel != "":
		return r.start(r.Config.PretrainedModel, same)
	case fresh:
		return r.writeConfig()
	case r.Resume == ResumeAuto:
		path = written[len(written)-1]
	}
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	return r.resume(f, same)
}

// start begins from a checkpoint: from its weights alone or, where it is the
// experiment's pretrained_model and one of training, with its optimizers, steps and
// position in the data, unless load_only_params says otherwise.
func (r *run) start(path string, same func(old *config.Config) bool) error {
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	if _, training := f.Metadata()[stateKey]; training && r.Init == "" && !r.Config.LoadOnlyParams {
		if err := r.resume(f, same); err != nil {
			return fmt.Errorf("%w; load_only_params: true takes its weights alone", err)
		}
		return nil
	}
	r.started = f
	return r.writeConfig()
}

// resume goes on from a checkpoint, which must belong to this experiment.
func (r *run) resume(f *weights.File, same func(old *config.Config) bool) error {
	r.resumed = f
	meta := f.Metadata()
	old, err := config.Parse(f.Path(), []byte(meta[configKey]))
	if err != nil {
		return fmt.Errorf("%s: is no training checkpoint that can be resumed; --init starts from its weights: %w", f.Path(), err)
	}
	if !same(old) {
		return fmt.Errorf("%s: model_params are not those of this experiment; --init starts from its weights", f.Path())
	}
	if err := json.Unmarshal([]byte(meta[positionKey]), &r.from); err != nil {
		return fmt.Errorf("%s: %s: %w", f.Path(), positionKey, err)
	}
	if text := meta[bestKey]; text != "" {
		if r.best, err = strconv.ParseFloat(text, 64); err != nil {
			return fmt.Errorf("%s: %s: %w", f.Path(), bestKey, err)
		}
	}
	r.Report("resuming from %s, step %s", f.Path(), meta["iters"])
	return r.writeConfig()
}

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

// initial returns the weights that a fresh run starts from.
func (r *run) initial(params []*nn.Param) (weights.Source, error) {
	f, seed := r.started, uint64(r.Config.Train.RandomSeed)
	if f == nil {
		return nn.InitialWeights(params, seed), nil
	}
	path := f.Path()
	src, missing, misshapen, extra := Initial(params, seed, f)
	if len(missing)+len(misshapen) == len(params) {
		return nil, fmt.Errorf("%s: has no tensor that fits this experiment", path)
	}
	r.Report("starting from %s: %d of %d tensors", path, len(params)-len(missing)-len(misshapen), len(params))
	for i, names := range [][]string{missing, misshapen, extra} {
		if len(names) > 0 {
			r.Report("%d tensors %s: %s", len(names), []string{"not in it", "of another shape", "without use"}[i], shorten(names))
		}
	}
	return src, nil
}

// shorten lists the first few names.
func shorten(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// save writes the checkpoint of this step and removes those that are too many.
func (r *run) save() error {
	path := filepath.Join(r.dir, checkpointDir, fmt.Sprintf("step_%08d.safetensors", r.trainer.Steps))
	if err := r.write(path); err != nil {
		return err
	}
	r.good, r.saved = path, r.trainer.Steps
	r.written = append(slices.DeleteFunc(r.written, func(old string) bool { return old == path }), path)
	for len(r.written) > r.Config.Train.KeepCheckpoints {
		if err := os.Remove(r.written[0]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		r.written = r.written[1:]
	}
	return nil
}

// write saves the whole state of the run. The log goes to the disk first, so that
// it is never behind a checkpoint.
func (r *run) write(path string) error {
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
		configKey: string(config), epochKey: strconv.Itoa(r.position.Epoch), positionKey: string(position),
		dataKey: r.set.Fingerprint(),
	}
	maps.Copy(metadata, r.job.metadata)
	if r.best >= 0 {
		metadata[bestKey] = strconv.FormatFloat(r.best, 'g', -1, 64)
	}
	return r.trainer.Save(path, metadata)
}

// checkpoints lists those of a run's folder, the oldest first.
func checkpoints(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(escape(dir), checkpointDir, "step_*.safetensors"))
	slices.Sort(paths)
	return paths, err
}

// escape keeps a folder's own name from being read as a pattern.
func escape(dir string) string {
	var b []rune
	for _, c := range dir {
		if (c == '*' || c == '?' || c == '[' || c == '\\') && filepath.Separator == '/' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}
