package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/lockfile"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/weights"
)

// The values of RunOptions.Resume that are no path.
const (
	ResumeAuto = "auto" // go on from the newest checkpoint, if there is one
	ResumeNone = "none" // begin a run; a folder that holds one is an error
)

// RunOptions say what to train, and for how long.
type RunOptions struct {
	Config *config.Config // checked, a codec's or a redecoder's; its Dataset is the folder of speech
	Codec  *FrozenCodec   // that a redecoder is trained for; nil for a codec
	Resume string         // ResumeAuto, ResumeNone or a checkpoint
	Init   string         // a checkpoint to start from, instead of pretrained_model
	// InitData, if not nil, is the checkpoint that Init is the name of, in memory.
	InitData []byte
	// PartialInit lets a run start from weights of which the smaller part fits; without it
	// that is ErrPartialInit.
	PartialInit bool
	Steps       int           // of the whole run, 0 for no limit but the epochs
	Time        time.Duration // of this process, 0 for no limit
	Threads     int           // 0 for all
	MaxBad      float64       // dataset.Options.MaxBad
	// Ranks are the processes that train together, of which this is one; nil for none but
	// this. All are given the same options, but for Threads. Rank 0 alone reports, logs,
	// validates and writes, but for a rank's own faults.
	Ranks collective.Comm
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

// Run trains until its steps, epochs or time are over, or ctx ends, whose error it then
// returns. In all these cases the folder holds a checkpoint from which the same run goes
// on bit for bit; it may hold none if ctx ends before the first step.
func Run(ctx context.Context, o RunOptions) error {
	if err := o.Config.CheckRun(); err != nil {
		return err
	}
	if err := checkSpeeds(o.Config); err != nil {
		return err
	}
	r := &run{RunOptions: o, dir: RunDir(o.Config), best: -1, startTime: time.Now(), pool: parallel.NewPatient(o.Threads), firstStep: true}
	r.saved.step, r.validating = -1, -1
	defer r.close()
	if err := r.prepareRanks(); err != nil {
		return err
	}
	train := r.trainCodec
	if o.Config.IsRedecoder() {
		train = r.trainRedecoder
	}
	err := train(ctx)
	if r.started {
		return err
	}
	if r.log != nil {
		r.log.Close()
		r.log = nil
	}
	r.removeFolder(err == nil)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("stopped before the first step: %w", ctx.Err())
	}
	return err
}

// A run is one process's part of a training run: what a codec's and a redecoder's
// share.
type run struct {
	RunOptions
	dir string
	// createdDirs are the folders that this process created: the run's, then its parents.
	createdDirs []string
	// createdSubdirs are the folders in the run's that it created, where that was there.
	createdSubdirs []string
	lock           *lockfile.Lock
	startTime      time.Time      // of this process
	resumedFrom    *weights.File  // the checkpoint that the run goes on from, nil for a fresh run
	begunWith      *config.Config // the experiment in it
	heldRun        bool           // the folder held checkpoints when it was opened
	otherDataset   bool           // than resumedFrom was trained on
	initFrom       *weights.File  // the checkpoint that a fresh run takes weights from, nil for none
	pretrained     bool           // initFrom is not nil, on rank 0
	startPosition  dataset.Position
	best           float64 // mel distance of the best validation, -1 for none
	// validated is the step of the last validation that came to its end, 0 for none; -1
	// stands for the step of a checkpoint that does not say. Only rank 0's counts.
	validated int

	set            *dataset.Set
	pool           *parallel.Pool
	trainer        *Trainer
	log            *eventlog.Log
	prefetcher     *prefetcher
	losses         Losses // of the last step
	epoch          int
	position       dataset.Position       // of the next step
	skipped        int                    // steps in a row
	checkpoints    []string               // paths, the oldest first
	lastCheckpoint string                 // the path of the newest that this process wrote, "" for none
	saved          progressMark           // that the newest checkpoint knows of
	validating     int                    // the step at which this process began its last validation, -1 for none
	goodCheckpoint atomic.Pointer[string] // the path of what the run would go on from, nil for none
	hooks          hooks
	firstStep      bool                             // that this process takes
	started        bool                             // all checks are over, and the run's folder is written to
	faults         func(format string, args ...any) // Report, of this rank's own faults
}

// A progressMark is how far a run is, the same on all ranks.
type progressMark struct {
	step       int // of the trainer
	validation int // run.validating
}

// hooks are the functions in which the runs of a codec and of a redecoder differ.
type hooks struct {
	step func(pieces ...*Batch) (Losses, error)
	// label is what dataset.LoaderOptions has, nil for none.
	label dataset.LabelFunc
	// batch makes a batch of crops. It is called by one goroutine at a time.
	batch func(items []dataset.Item, c crops) (*Batch, error)
	speed speedPerturbation
	voice voicePerturbation
	// validate is Validator.Run; nil where nothing is held out.
	validate func(ctx context.Context, src weights.Source, log *eventlog.Log, step int64) (map[string]float64, error)
	// metadata goes into every checkpoint.
	metadata map[string]string
	// stepped is told of every step that had an effect, and scalars returns what to log
	// besides losses; both nil for nothing.
	stepped func(Losses)
	scalars func() []eventlog.Scalar
}

// crops are the parts of utterances that make a batch.
type crops struct {
	starts []int // the first frame of each
	frames int   // of all
	first  int   // the number of the first utterance in the step
	random op.Random
	others [][]float32 // the whole of each in another voice, where it is to be encoded and was recorded; nil for none
}

func (r *run) close() {
	if r.log != nil {
		r.log.Close()
	}
	if r.trainer != nil {
		r.trainer.Close()
	}
	r.pool.Close()
	if r.lock != nil {
		r.lock.Release()
	}
	for _, f := range []*weights.File{r.resumedFrom, r.initFrom} {
		if f != nil {
			f.Close()
		}
	}
}

// Memory and disk that decoded speech may take.
const (
	decodedBytes = 1 << 30
	storedBytes  = 16 << 30
)

// scan makes the set of clips.
func (r *run) scan(ctx context.Context) error {
	field, name := r.Config.Teachers.SpeakerField, func(path string) string { return path }
	if r.Config.IsRedecoder() {
		field = "" // it has no speakers
	}
	if info, err := os.Stat(r.Config.Dataset); err == nil && info.IsDir() {
		name = func(path string) string { return filepath.Join(r.Config.Dataset, path) }
	}
	// Rank 0 reads what the index does not know, and the others its index.
	if !r.leads() {
		if err := collective.Barrier(r.Ranks); err != nil {
			return err
		}
	}
	scanned := false
	set, err := dataset.Scan(ctx, dataset.Options{
		Root: r.Config.Dataset, SampleRate: r.Config.Preprocess.SampleRate, Duration: r.Config.Preprocess.DurationRange,
		CacheDir: filepath.Join(r.dir, cacheDir), Workers: r.Threads, CacheBytes: decodedBytes, StoreBytes: storedBytes / int64(r.Ranks.Size()),
		SpeakerField: field, MaxBad: r.MaxBad,
		HeldOut: dataset.HeldOut{Share: r.Config.Validation.Share, Files: r.Config.Validation.Files},
		Report: func(path, reason string) {
			report := r.Report
			if scanned {
				report = r.faults
			}
			report("%s: left out: %s", name(path), reason)
		},
		Progress: func(p dataset.Progress) { r.Progress(Progress{Phase: "scan", Done: p.Done, Total: p.Total}) },
	})
	if err != nil {
		return scanError(err)
	}
	r.set, scanned = set, true
	if r.leads() {
		if err := collective.Barrier(r.Ranks); err != nil {
			return err
		}
	}
	if err := r.sameOnAll("the dataset", []byte(set.Fingerprint())); err != nil {
		return err
	}
	s := set.Stats
	r.Report("%s: %d of %s, %s of speech: %s to train on, %d held out", r.Config.Dataset, s.Used, plural.Of(s.Files, "file"),
		time.Duration(s.Seconds*float64(time.Second)).Round(time.Second), plural.Of(len(set.Train), "clip"), len(set.Valid))
	for _, reason := range slices.Sorted(maps.Keys(s.Skipped)) {
		r.Report("left out: %d %s", s.Skipped[reason], reason)
	}
	for _, extension := range slices.Sorted(maps.Keys(s.PassedOver)) {
		r.Report("passed over: %d %s", s.PassedOver[extension], cmp.Or(extension, "without extension"))
	}
	if set.NoHoldOutReason != "" {
		r.Report("%s", set.NoHoldOutReason)
	}
	if r.resumedFrom != nil {
		if old := r.resumedFrom.Metadata()[checkpoint.DatasetKey]; old != set.Fingerprint() {
			r.otherDataset = true
			r.best = -1 // on what was held out of another
		}
	}
	return nil
}

// heldOut returns the clips to validate on: no more than memory and time allow.
func (r *run) heldOut(ctx context.Context) (clips []Clip, err error) {
	if !r.leads() {
		return nil, nil
	}
	chosen := dataset.Sample(r.set.Valid, r.Config.Validation.Seconds)
	if len(chosen) < len(r.set.Valid) {
		r.Report("validation: %d of %s, up to %g s (validation.seconds)", len(chosen), plural.Of(len(r.set.Valid), "held-out clip"), r.Config.Validation.Seconds)
	}
	for item, err := range r.set.Pass(ctx, chosen, 0, nil) {
		if err != nil {
			return nil, err
		}
		clips = append(clips, Clip{Name: item.Clip.Path, Wave: item.Samples})
	}
	return clips, nil
}

// train trains with h, from the trainer's weights or the checkpoint's state.
func (r *run) train(ctx context.Context, h hooks) error {
	r.hooks = h
	last := int64(-1)
	if r.resumedFrom != nil {
		if err := r.trainer.Restore(r.resumedFrom); err != nil {
			return err
		}
		last = int64(r.trainer.Steps)
	}
	if err := r.trainer.shareState(); err != nil {
		return err
	}
	if r.validated < 0 {
		r.validated = r.trainer.Steps
	}
	r.position = r.startPosition
	var err error
	if r.prefetcher, err = r.prefetch(ctx); err != nil {
		return err
	}
	defer r.prefetcher.close() // before what its batches are made with
	if r.done() && !r.owesValidation() {
		r.Report("%s: the run is complete: %s", *r.goodCheckpoint.Load(), r.whyComplete())
		return nil
	}
	r.reportResumed()
	// All checks are over: from here on the folder is written to.
	if r.leads() {
		if r.owesValidation() {
			r.log, err = eventlog.Reopen(r.dir, last, isValidation)
		} else {
			r.log, err = eventlog.Open(r.dir, last)
		}
		if err == nil {
			err = r.writeConfig()
		}
		if err != nil {
			return notWritable(err)
		}
	}
	r.started = true
	return r.namingCheckpoint(r.loop(ctx))
}

// isValidation says whether a line of the log is that of a validation.
func isValidation(e eventlog.Entry) bool {
	return len(e.Scalars) > 0 && strings.HasPrefix(e.Scalars[0].Tag, "val/")
}
