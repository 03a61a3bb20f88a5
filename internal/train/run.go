package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/weights"
)

// The values of RunOptions.Resume that are no path.
const (
	ResumeAuto = "auto" // go on from the newest checkpoint, if there is one
	ResumeNone = "none" // begin anew; a folder that holds a run is an error
)

// RunOptions say what to train, and for how long.
type RunOptions struct {
	Config  *config.Config // checked, a codec's or a redecoder's; its Dataset is the folder of speech
	Codec   *FrozenCodec   // that a redecoder is trained for; nil for a codec
	Resume  string         // ResumeAuto, ResumeNone or a checkpoint
	Init    string         // a checkpoint to start from, instead of pretrained_model
	Steps   int            // of the whole run, 0 for no limit but the epochs
	Time    time.Duration  // of this process, 0 for no limit
	Threads int            // 0 for all
	// Report is told what is going on, in lines. Progress is told of every step, and,
	// while data is prepared, how far that is.
	Report   func(format string, args ...any)
	Progress func(Progress)
}

// Progress is where a run is.
type Progress struct {
	Phase       string // "scan", "teachers", "train", "validate"
	Done, Total int    // files, utterances or steps; Total is 0 where there is no end
	Epoch       int
	Rate        float64       // steps a second
	Left        time.Duration // estimated, 0 where there is no end
	Losses      Losses
	Logged      bool // a line belongs to this step
}

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

// Run trains until its steps, epochs or time are over, or ctx ends. However it
// ends, but for an error, the folder then holds a checkpoint from which the same
// run goes on bit for bit.
func Run(ctx context.Context, o RunOptions) error {
	r := &run{RunOptions: o, dir: RunDir(o.Config), best: -1, begun: time.Now(), pool: parallel.New(o.Threads)}
	defer r.close()
	r.task = &codecTask{run: r}
	if o.Config.IsRedecoder() {
		task, err := newRedecoderTask(r)
		if err != nil {
			return err
		}
		r.task = task
	}
	for _, step := range []func(context.Context) error{
		r.openFolder, r.scan, r.task.prepare, r.build, r.loop,
	} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) && r.trainer == nil {
				return fmt.Errorf("stopped before the first step: %w", ctx.Err())
			}
			return err
		}
	}
	return nil
}

// A task is what a run trains: a codec or a redecoder.
type task interface {
	// same says whether the networks of a checkpoint's experiment are those of this
	// one, of the same kind.
	same(old *config.Config) bool
	// takeUp reads what a checkpoint has of the task, which metadata returned. name
	// stands in errors.
	takeUp(name string, metadata map[string]string) error
	metadata() map[string]string
	// prepare makes what is needed before the first step and is no network.
	prepare(ctx context.Context) error
	// declare returns networks without values.
	declare() *model.Training
	trainer(src weights.Source) (*Trainer, error)
	validator(clips []Clip) (validator, error)
	// label is what dataset.LoaderOptions has, nil for none.
	label() dataset.LabelFunc
	// batch makes a batch of crops of so many frames, that of each item from a frame
	// on. It is called by one goroutine at a time.
	batch(items []dataset.Item, starts []int, frames int) (*Batch, error)
	close()
}

// A validator judges weights on held-out speech, as Validator does.
type validator interface {
	Run(ctx context.Context, src weights.Source, log *eventlog.Log, step int64) (map[string]float64, error)
	Close()
}

// A run is one process's part of a training run.
type run struct {
	RunOptions
	dir     string
	begun   time.Time
	resumed *weights.File // nil for a fresh run
	started *weights.File // what a fresh run starts from, nil for nothing
	from    dataset.Position
	best    float64 // mel distance of the best validation, -1 for none

	set       *dataset.Set
	pool      *parallel.Pool
	task      task
	changer   changer // of clips, the task's
	trainer   *Trainer
	validator validator // nil for none
	log       *eventlog.Log
	loader    *feeder
	losses    Losses // of the last step
	epoch     int
	position  dataset.Position // of the next step
	skipped   int              // steps in a row
	written   []string         // checkpoints, the oldest first
	good      string           // the newest checkpoint of this process
	saved     int              // its step
	books     bookUse
	quantized alarm
}

func (r *run) close() {
	if r.loader != nil {
		r.loader.close()
	}
	if r.log != nil {
		r.log.Close()
	}
	if r.validator != nil {
		r.validator.Close()
	}
	if r.trainer != nil {
		r.trainer.Close()
	}
	if r.task != nil {
		r.task.close()
	}
	r.pool.Close()
	for _, f := range []*weights.File{r.resumed, r.started} {
		if f != nil {
			f.Close()
		}
	}
}

// openFolder finds what to resume, or makes the folder of a new run.
func (r *run) openFolder(context.Context) error {
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
		return r.start(r.Init)
	case fresh && r.Config.PretrainedModel != "":
		return r.start(r.Config.PretrainedModel)
	case fresh:
		return r.writeConfig()
	case r.Resume == ResumeAuto:
		path = written[len(written)-1]
	}
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	return r.resume(f)
}

// start begins from a checkpoint: from its weights alone or, where it is the
// experiment's pretrained_model and one of training, with its optimizers, steps and
// place in the data, unless load_only_params says otherwise.
func (r *run) start(path string) error {
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	if _, training := f.Metadata()[stateKey]; training && r.Init == "" && !r.Config.LoadOnlyParams {
		if err := r.resume(f); err != nil {
			return fmt.Errorf("%w; load_only_params: true takes its weights alone", err)
		}
		return nil
	}
	r.started = f
	return r.writeConfig()
}

// resume goes on from a checkpoint.
func (r *run) resume(f *weights.File) error {
	path := f.Path()
	r.resumed = f
	if err := r.takeUp(f); err != nil {
		return err
	}
	r.Report("resuming from %s, step %s", path, f.Metadata()["iters"])
	return r.writeConfig()
}

// takeUp reads a checkpoint's metadata and sees that it belongs to this
// experiment.
func (r *run) takeUp(f *weights.File) error {
	meta := f.Metadata()
	old, err := config.Parse(f.Path(), []byte(meta[configKey]))
	if err != nil {
		return fmt.Errorf("%s: is no training checkpoint that can be resumed; --init starts from its weights: %w", f.Path(), err)
	}
	if !r.task.same(old) {
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
	return r.task.takeUp(f.Path(), meta)
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

// Memory and disk that decoded speech may take.
const (
	decodedBytes = 1 << 30
	storedBytes  = 16 << 30
)

// scan makes the set of clips.
func (r *run) scan(ctx context.Context) error {
	set, err := dataset.Scan(ctx, dataset.Options{
		Root: r.Config.Dataset, Duration: r.Config.Preprocess.DurationRange,
		CacheDir: filepath.Join(r.dir, cacheDir), Workers: r.Threads, CacheBytes: decodedBytes, StoreBytes: storedBytes,
		HeldOut:  dataset.HeldOut{Share: r.Config.Validation.Share, Files: r.Config.Validation.Files},
		Report:   func(path, reason string) { r.Report("%s: left out: %s", filepath.Join(r.Config.Dataset, path), reason) },
		Progress: func(p dataset.Progress) { r.Progress(Progress{Phase: "scan", Done: p.Done, Total: p.Total}) },
	})
	if err != nil {
		return err
	}
	r.set = set
	s := set.Stats
	r.Report("%s: %d of %d files, %s of speech: %d clips to train on, %d held out", r.Config.Dataset, s.Used, s.Files,
		time.Duration(s.Seconds*float64(time.Second)).Round(time.Second), len(set.Train), len(set.Valid))
	for _, reason := range slices.Sorted(maps.Keys(s.Skipped)) {
		r.Report("left out: %d %s", s.Skipped[reason], reason)
	}
	if set.Note != "" {
		r.Report("%s", set.Note)
	}
	if r.resumed != nil {
		if old := r.resumed.Metadata()[dataKey]; old != set.Fingerprint() {
			r.Report("the dataset has changed since the checkpoint: the run goes on, but not as it would have")
		}
	}
	return nil
}

// build makes the trainer, from a checkpoint or fresh, and what goes with it.
func (r *run) build(ctx context.Context) error {
	src, err := r.initial(r.task.declare().Params())
	if err != nil {
		return err
	}
	if r.trainer, err = r.task.trainer(src); err != nil {
		return err
	}
	last := int64(-1)
	if r.resumed != nil {
		if err := r.trainer.Restore(r.resumed); err != nil {
			return err
		}
		last = int64(r.trainer.Steps)
	}
	if r.log, err = eventlog.Open(r.dir, last); err != nil {
		return err
	}
	var clips []Clip
	for item, err := range r.set.Pass(ctx, r.set.Valid, 0, nil) {
		if err != nil {
			return err
		}
		clips = append(clips, Clip{Name: item.Clip.Path, Wave: item.Samples})
	}
	if len(clips) > 0 {
		if r.validator, err = r.task.validator(clips); err != nil {
			return err
		}
	}
	if !r.Config.IsRedecoder() {
		r.books = newBookUse(r.Config)
	}
	r.position = r.from
	r.loader, err = r.feed(ctx)
	return err
}

// initial returns the weights that a fresh run starts from.
func (r *run) initial(params []*nn.Param) (weights.Source, error) {
	f := r.started
	if f == nil {
		return nn.InitialWeights(params, uint64(r.Config.Train.RandomSeed)), nil
	}
	path := f.Path()
	src, missing, misshapen, extra := Initial(params, uint64(r.Config.Train.RandomSeed), f)
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
