package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/teacher"
)

// leads says whether this is the rank that reports, logs, validates and writes.
func (r *run) leads() bool { return r.Ranks.Rank() == 0 }

// ownPieces returns which pieces of a step are this rank's.
func (r *run) ownPieces() (first, end int) {
	return PiecesOf(r.Ranks.Rank(), r.Ranks.Size(), r.Config.Train.GradientAccumulationStep)
}

// ErrTooFewPieces is wrapped by Run's error for more ranks than a step has pieces.
var ErrTooFewPieces = errors.New("too few pieces for the ranks")

// prepareRanks checks that the ranks can work together, and silences all but the first.
func (r *run) prepareRanks() error {
	if r.Ranks == nil {
		r.Ranks = collective.Alone{}
	}
	r.faults = r.Report
	rank, size, c := r.Ranks.Rank(), r.Ranks.Size(), r.Config
	if pieces := c.Train.GradientAccumulationStep; size > pieces {
		return fmt.Errorf("train.gradient_accumulation_step: %w: a step has %d of %s, and there are %s; with %d, and batch_size %d, they share steps of %s",
			ErrTooFewPieces, pieces, plural.Of(c.BatchSize, "utterance"), plural.Of(size, "rank"), size,
			max(1, pieces*c.BatchSize/size), plural.Of(size*max(1, pieces*c.BatchSize/size), "utterance"))
	}
	if size == 1 {
		return nil
	}
	text, err := c.JSON()
	if err != nil {
		return err
	}
	if err := r.sameOnAll("the experiment", text); err != nil {
		return err
	}
	if rank == 0 {
		r.Report("%d ranks share steps of %s, each of %s", size, plural.Of(c.Train.GradientAccumulationStep, "piece"), plural.Of(c.BatchSize, "utterance"))
	} else {
		report := r.Report
		r.faults = func(format string, args ...any) { report("rank %d: %s", rank, fmt.Sprintf(format, args...)) }
		r.Report = func(string, ...any) {}
		r.Progress = func(Progress) {}
	}
	return nil
}

// sameOnAll returns an error that names two ranks for which data is not the same.
func (r *run) sameOnAll(what string, data []byte) error {
	all, err := collective.AllGather(r.Ranks, data)
	if err != nil {
		return err
	}
	for rank, other := range all {
		if !bytes.Equal(other, all[0]) {
			return fmt.Errorf("%s of rank %d is not that of rank 0: start all ranks with the same command, on the same files", what, rank)
		}
	}
	return nil
}

// startState is what the other ranks have to know of what rank 0 found in the folder.
type startState struct {
	Position       dataset.Position
	Pretrained     bool
	SpeakerClasses int
	HeldOutFiles   int
	ResumedFrom    string // "" for a fresh run
	Validated      int
}

func (r *run) shareStart() error {
	r.pretrained = r.initFrom != nil
	if r.Ranks.Size() == 1 {
		return nil
	}
	s := startState{r.startPosition, r.pretrained, r.Config.Model.SpeakerClasses, r.Config.Validation.Files, "", r.validated}
	if r.resumedFrom != nil {
		s.ResumedFrom = r.resumedFrom.Path()
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if text, err = collective.Share(r.Ranks, text); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("from rank 0: %w", err)
	}
	r.startPosition, r.pretrained, r.Config.Model.SpeakerClasses = s.Position, s.Pretrained, s.SpeakerClasses
	r.Config.Validation.Files, r.validated = s.HeldOutFiles, s.Validated
	if s.ResumedFrom != "" {
		r.goodCheckpoint.Store(&s.ResumedFrom)
	}
	return nil
}

// shareUnits returns rank 0's content units and speakers.
func (r *run) shareUnits(units *teacher.Units) (*teacher.Units, error) {
	if r.Ranks.Size() == 1 {
		return units, nil
	}
	var data []byte
	if r.leads() {
		data = units.Bytes()
	}
	data, err := collective.Share(r.Ranks, data)
	if err != nil || r.leads() {
		return units, err
	}
	if units, err = teacher.ParseUnits(data); err != nil {
		return nil, fmt.Errorf("from rank 0: %w", err)
	}
	return units, nil
}

// shareSpeakers returns rank 0's labels.
func (r *run) shareSpeakers(labels *speakerLabels) (*speakerLabels, error) {
	text, err := collective.Share(r.Ranks, []byte(labels.metadata()))
	if err != nil || r.leads() {
		return labels, err
	}
	return parseSpeakers("rank 0", string(text))
}

// checkReplicas compares the state of all ranks.
func (r *run) checkReplicas() error {
	if err := r.trainer.checkReplicas(); err != nil {
		return fmt.Errorf("step %d: %w; %s", r.trainer.Steps, err, r.lastGood())
	}
	return nil
}

// lastGood names the checkpoint that the run would go on from. Any goroutine may call it.
func (r *run) lastGood() string {
	if path := r.goodCheckpoint.Load(); path != nil {
		return "the last good checkpoint is " + *path
	}
	return "there is no checkpoint yet"
}

// reportTraffic reports what so many steps on several ranks took to sum gradients.
func (r *run) reportTraffic(steps int) {
	if r.Ranks.Size() == 1 || steps == 0 {
		return
	}
	t, n := r.trainer.Traffic, float64(steps)
	r.Report("gradients: %.1f MB to and from each rank a step, on their way for %.3f s, %.3f s of them after the backward pass",
		float64(t.Bytes)/n/1e6, t.Busy.Seconds()/n, t.Waited.Seconds()/n)
}

// sayWhereItStops reports at once, where several ranks train and ctx ends, what the run
// goes on from if it is killed before its step is done: launchers do not wait for long.
// The function that it returns ends that.
func (r *run) sayWhereItStops(ctx context.Context) (end func() bool) {
	if r.Ranks.Size() == 1 {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() {
		r.Report("asked to stop: it ends after this step, with a checkpoint; until then %s", r.lastGood())
	})
}

// namingCheckpoint adds to an error, which ends all ranks, from where the run goes on.
func (r *run) namingCheckpoint(err error) error {
	good := r.lastGood()
	if err == nil || r.Ranks.Size() == 1 || errors.Is(err, context.Canceled) || strings.Contains(err.Error(), good) {
		return err
	}
	return fmt.Errorf("step %d: %w; all ranks end; %s", r.trainer.Steps, err, good)
}
