package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
)

// inPieces is smallExperiment with steps of several pieces.
func inPieces(dir string, pieces int) *config.Config {
	c := smallExperiment(dir)
	c.Train.GradientAccumulationStep, c.Train.KeepCheckpoints = pieces, 10
	return c
}

// runRanks runs an experiment on so many ranks, which each have a copy of it, and returns
// what all report, and the errors of each.
func runRanks(size int, dir string, pieces, steps int, change func(rank int, o *RunOptions)) (*lines, []error) {
	var l lines
	errs := make([]error, size)
	onRanks(size, func(ranks collective.Comm) error {
		rank := ranks.Rank()
		o := RunOptions{Config: inPieces(dir, pieces), Resume: ResumeAuto, Steps: steps, Threads: 1, Ranks: ranks,
			Report: l.add, Progress: func(Progress) {}}
		if change != nil {
			change(rank, &o)
		}
		errs[rank] = Run(context.Background(), o)
		return errs[rank]
	})
	return &l, errs
}

// TestRunOnRanks: three steps on two ranks and two more in one process are five steps in
// one process, in every tensor of the checkpoint and every value of the log, and so are
// three in one process and two on three ranks.
func TestRunOnRanks(t *testing.T) {
	whole := inPieces(t.TempDir(), 3)
	if _, err := runSmall(t, whole, 5, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l, errs := runRanks(2, dir, 3, 3, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	l.has(t, "2 ranks share steps of 3 pieces, each of 2 utterances")
	l.has(t, " to and from each rank a step, on their way for ")
	if _, err := runSmall(t, inPieces(dir, 3), 5, nil); err != nil {
		t.Fatal(err)
	}
	sameRuns(t, RunDir(inPieces(dir, 3)), RunDir(whole), 5)

	dir = t.TempDir()
	if _, err := runSmall(t, inPieces(dir, 3), 3, nil); err != nil {
		t.Fatal(err)
	}
	l, errs = runRanks(3, dir, 3, 5, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	l.has(t, "resuming from")
	resumed := 0
	for _, line := range l.all {
		if strings.Contains(line, "resuming from") {
			resumed++
		}
	}
	if resumed != 1 {
		t.Errorf("%d ranks report: %q", resumed, l.all)
	}
	sameRuns(t, RunDir(inPieces(dir, 3)), RunDir(whole), 5)
}

// TestRedecoderOnRanks is TestRunOnRanks for a redecoder: steps on two ranks and, resumed,
// in one process and on three ranks, are those of one process.
func TestRedecoderOnRanks(t *testing.T) {
	experiment := func(dir string) *config.Config {
		c := smallRedecoder(dir)
		c.Train.GradientAccumulationStep, c.Train.KeepCheckpoints = 3, 10
		c.Validation.Interval = 1 // the end of a run validates
		return c
	}
	whole := experiment(t.TempDir())
	if _, err := runRedecoder(t, whole, 3, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	onRanksOf := func(size, steps int) {
		t.Helper()
		err := onRanks(size, func(ranks collective.Comm) error {
			_, err := runRedecoder(t, experiment(dir), steps, func(o *RunOptions) { o.Threads, o.Ranks = 1, ranks })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	onRanksOf(2, 1)
	if _, err := runRedecoder(t, experiment(dir), 2, nil); err != nil {
		t.Fatal(err)
	}
	onRanksOf(3, 3)
	sameRuns(t, RunDir(experiment(dir)), RunDir(whole), 3)

	// Ranks whose codecs are not the same do not train.
	dir = t.TempDir()
	err := onRanks(2, func(ranks collective.Comm) error {
		_, err := runRedecoder(t, experiment(dir), 1, func(o *RunOptions) {
			o.Threads, o.Ranks, o.Codec = 1, ranks, frozen(uint64(7+ranks.Rank()))
		})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "the codec of rank 1 is not that of rank 0") {
		t.Errorf("other codecs: %v", err)
	}
}

// TestRanksStop: where one rank is interrupted, all stop at the same step, with one
// checkpoint.
func TestRanksStop(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	errs := make([]error, 2)
	var l lines
	onRanks(2, func(ranks collective.Comm) error {
		o := RunOptions{Config: inPieces(dir, 2), Resume: ResumeAuto, Threads: 1, Ranks: ranks, Report: l.add,
			Progress: func(p Progress) {
				if p.Phase == "train" && p.Done == 2 {
					cancel() // from rank 0, for rank 1
				}
			}}
		own := context.Background()
		if ranks.Rank() == 1 {
			own = ctx
		}
		errs[ranks.Rank()] = Run(own, o)
		return nil
	})
	for rank, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("rank %d: error %v", rank, err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(dir, "small", checkpointDir, "step_*"))
	if len(left) != 1 {
		t.Errorf("checkpoints %q", left)
	}
	l.has(t, "stopped at step")
}

// failing is a rank that ends at its so many-th exchange.
type failing struct {
	collective.Comm
	left *atomic.Int64
}

var errRank = errors.New("the power went out")

func (f failing) Exchange(tag int, send, recv [][]byte) error {
	if f.left.Add(-1) < 0 {
		return errRank
	}
	return f.Comm.Exchange(tag, send, recv)
}

// TestRankDies: when a rank ends after the checkpoint of step 3, the others end, and name
// it; the run goes on from it to the same end.
func TestRankDies(t *testing.T) {
	dir := t.TempDir()
	var left atomic.Int64
	left.Store(1 << 40)
	checkpoint := filepath.Join(dir, "small", checkpointDir, "step_00000003.safetensors")
	_, errs := runRanks(2, dir, 2, 0, func(rank int, o *RunOptions) {
		if rank == 1 {
			o.Ranks = failing{o.Ranks, &left}
			return
		}
		o.Progress = func(p Progress) {
			if _, err := os.Stat(checkpoint); err == nil {
				left.Store(3)
			}
		}
	})
	if !errors.Is(errs[1], errRank) || !errors.Is(errs[0], collective.ErrBroken) {
		t.Errorf("errors %q", errs)
	}
	for rank, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "the last good checkpoint is "+checkpoint) {
			t.Errorf("rank %d does not name the checkpoint: %v", rank, err)
		}
	}
	if _, errs := runRanks(2, dir, 2, 5, nil); errors.Join(errs...) != nil {
		t.Error(errs)
	}
	whole := inPieces(t.TempDir(), 2)
	if _, err := runSmall(t, whole, 5, nil); err != nil {
		t.Fatal(err)
	}
	sameRuns(t, filepath.Join(dir, "small"), RunDir(whole), 5)
}

// TestReplicasDiffer: a value that is another on one rank stops the run, with both ranks
// and the array named.
func TestReplicasDiffer(t *testing.T) {
	c := smallConfig()
	err := onRanks(3, func(ranks collective.Comm) error {
		o := upstreamCodecOptions()
		o.Ranks = ranks
		trainer := newCodecTrainer(t, c, o, 1)
		if err := trainer.checkReplicas(); err != nil {
			return fmt.Errorf("equal ones differ: %w", err)
		}
		if ranks.Rank() == 2 {
			trainer.Optimizers["decoder"].Moments[3].V[5] += 1e-30
		}
		name := trainer.Optimizers["decoder"].Moments[3].Param.Name
		err := trainer.checkReplicas()
		if err == nil || !strings.Contains(err.Error(), "rank 0 and rank 2 ") || !strings.Contains(err.Error(), name) {
			return fmt.Errorf("error %w, want one that names %s", err, name)
		}
		if err := trainer.shareState(); err != nil {
			return err
		}
		return trainer.checkReplicas()
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRanksDisagree: what would not be one run does not start.
func TestRanksDisagree(t *testing.T) {
	for want, change := range map[string]func(rank int, o *RunOptions){
		"the experiment of rank 1 is not that of rank 0": func(rank int, o *RunOptions) {
			o.Config.Optimizer.LearningRate *= float64(1 + rank)
		},
		"train.gradient_accumulation_step: too few pieces for the ranks: a step has 1 of 2 utterances, and there are 2 ranks; with 2, and batch_size 1,": func(_ int, o *RunOptions) {
			o.Config.Train.GradientAccumulationStep = 1
		},
	} {
		dir := t.TempDir()
		_, errs := runRanks(2, dir, 2, 1, change)
		for rank, err := range errs {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("rank %d: error %v, want %q", rank, err, want)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}
