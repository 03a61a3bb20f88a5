package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

// ErrResume is wrapped by Run's error for a checkpoint to resume, ErrInit by that for one to start
// from, that RunOptions names and that cannot be used as such.
var (
	ErrResume = errors.New("the checkpoint to resume")
	ErrInit   = errors.New("the checkpoint to start from")
)

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
	switch {
	case err != nil && r.Init != "":
		return fmt.Errorf("%w: %w", ErrInit, err)
	case err != nil:
		return fmt.Errorf("pretrained_model: %w; want a checkpoint, or \"\" to start from random weights", err)
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
// that it was written by. Its errors name the file.
type stateReader func(f *weights.File, old *config.Config) error

// resume goes on from a checkpoint, which must belong to this experiment.
func (r *run) resume(f *weights.File, readState stateReader) error {
	r.resumedFrom = f
	path := f.Path()
	r.goodCheckpoint.Store(&path)
	meta := f.Metadata()
	old, err := config.Parse(f.Path(), []byte(meta[checkpoint.ConfigKey]))
	if err != nil {
		return fmt.Errorf("%w: %s: its experiment cannot be read (%w); a new run can start from its weights", ErrResume, f.Path(), err)
	}
	if r.Config.Validation.Files == 0 { // the same files are held out as before
		r.Config.Validation.Files = old.Validation.Files
	}
	if err := readState(f, old); err != nil {
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
	r.begunWith = old
	return nil
}

// reportResumed reports what a run goes on from, and what is not as it was.
func (r *run) reportResumed() {
	f := r.resumedFrom
	if f == nil {
		return
	}
	r.Report("resuming from %s, step %s", f.Path(), f.Metadata()[checkpoint.StepKey])
	if r.Init != "" {
		r.Report("the run goes on with its own weights: those of %s are where a new run begins, in another folder", r.Init)
	}
	if changes := r.Config.Changes(r.begunWith); changes != nil {
		r.Report("the experiment has changed since the checkpoint: the run goes on, but not as it would have")
		for _, change := range changes {
			r.Report("changed: %s", change)
		}
	}
	if r.otherDataset {
		r.Report("the dataset has changed since the checkpoint: the run goes on, but not as it would have, and %s is chosen anew", bestName)
	}
}

// reportConfig reports what is lost as the experiment is written over the config.json of a run
// that goes on: checkpoints hold the experiment, too, and the file may be damaged, or be edited by
// who expects that to have an effect.
func (r *run) reportConfig() {
	if r.resumedFrom == nil || !r.heldRun {
		return
	}
	path := filepath.Join(r.dir, configName)
	c, err := config.Load(path)
	if err != nil {
		r.Report("%v; checkpoints hold the experiment, too: the file is written again", err)
		return
	}
	edited := map[string]bool{} // or written by a process that did not come to a checkpoint
	for _, d := range c.Differences(r.begunWith) {
		edited[d.Key] = true
	}
	lost := slices.DeleteFunc(c.Differences(r.Config), func(d config.Difference) bool { return !edited[d.Key] })
	if len(lost) > 0 {
		r.Report("%s has values that this run is not trained with, and is overwritten; an experiment file has to be named to have an effect", path)
	}
	for _, d := range lost {
		r.Report("overwritten: %s: %s, now %s", d.Key, d.Value, d.Other)
	}
}
