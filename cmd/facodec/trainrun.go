package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/mpi"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/train"
	"github.com/facodec-go/facodec/internal/weights"
)

// runFlags are those of every command that trains.
type runFlags struct {
	config          string
	dataset         string
	expName, logDir string
	resume, init    string
	steps           int
	time            time.Duration
	seed, threads   int
	maxBad          float64
	printConfig     bool
	quiet           bool
	accumulate      int
	partialInit     bool
	keeps           bool // an experiment of the run's own, not the preset's
}

func (f *runFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.dataset, "dataset", "", "`folder` of speech, or a corpus: .tar shards, .parquet, .jsonl(.gz) of Lhotse, wav.scp of Kaldi, @list.txt; in place of the experiment's dataset")
	flags.StringVar(&f.expName, "exp-name", "", "`name` of the run, in place of the experiment's exp_name")
	flags.StringVar(&f.logDir, "log-dir", "", "`folder` of runs, in place of the experiment's log_dir")
	flags.StringVar(&f.resume, "resume", train.ResumeAuto, "auto: go on where the run is, if there is one; none: begin a run; or a training checkpoint's `file`")
	flags.StringVar(&f.init, "init", "", "checkpoint `file` whose weights to start from; default: those of the built-in model, which train --preset base fits")
	flags.BoolVar(&f.partialInit, "partial-init", false, "start also from weights of which the smaller part fits; the rest is random")
	flags.IntVar(&f.steps, "steps", 0, "stop when the run has so many steps")
	flags.DurationVar(&f.time, "time", 0, "stop after this long, 90m or 8h say")
	flags.IntVar(&f.seed, "seed", -1, "seed of weights, order and crops, in place of the experiment's train.random_seed")
	flags.IntVar(&f.threads, "threads", 0, "how many threads to compute on (default: one for each CPU); results do not depend on it")
	addMaxBad(cmd, &f.maxBad)
	flags.IntVar(&f.accumulate, "accumulate", 0, "`pieces` of batch_size utterances in a step, in place of the experiment's train.gradient_accumulation_step; the ranks of mpirun and srun share them (docs/cluster.md)")
	flags.BoolVar(&f.printConfig, "print-config", false, "print the experiment, with every key, and do nothing")
	flags.BoolVar(&f.quiet, "quiet", false, "print errors alone")
}

// check refuses what needs no file to be seen wrong.
func (f *runFlags) check(cmd *cobra.Command) error {
	usage := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
	}
	switch {
	case !(f.maxBad >= 0 && f.maxBad <= 100):
		return usage("--max-bad: %g is no percentage", f.maxBad)
	case f.steps < 0 || f.steps == 0 && cmd.Flags().Changed("steps"):
		return usage("--steps %d: want at least 1; leave it out to train for all epochs of the experiment", f.steps)
	case f.accumulate < 0 || f.accumulate == 0 && cmd.Flags().Changed("accumulate"):
		return usage("--accumulate %d: want at least 1; leave it out for the experiment's", f.accumulate)
	case f.time < 0:
		return usage("--time %s: want more", f.time)
	case f.init != "" && f.resume != train.ResumeAuto && f.resume != train.ResumeNone:
		return usage("--init and --resume are both given a checkpoint; want one")
	}
	return checkThreads(cmd, f.threads)
}

// resumed returns the experiment of the run that goes on, where there is one, in place of
// what a preset or a codec makes of the command line: a run keeps what it was begun with.
func (f *runFlags) resumed(c *config.Config) *config.Config {
	if f.printConfig {
		return c
	}
	c.ExpName, c.LogDir = cmp.Or(f.expName, c.ExpName), cmp.Or(f.logDir, c.LogDir)
	begun := train.ExperimentOf(c, f.resume)
	f.keeps = begun != c && len(c.Changes(begun)) > 0
	return begun
}

// start puts into the experiment what flags say, and prints it or trains by it.
// codec is a redecoder's.
func (f *runFlags) start(cmd *cobra.Command, c *config.Config, codec *train.FrozenCodec) error {
	for _, o := range []struct {
		value string
		key   *string
	}{{f.dataset, &c.Dataset}, {f.expName, &c.ExpName}, {f.logDir, &c.LogDir}} {
		if o.value != "" {
			*o.key = o.value
		}
	}
	if f.seed >= 0 {
		c.Train.RandomSeed = f.seed
	}
	if f.accumulate > 0 {
		c.Train.GradientAccumulationStep = f.accumulate
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if f.printConfig {
		text, err := c.Indented()
		if err == nil {
			_, err = cmd.OutOrStdout().Write(text)
		}
		return err
	}
	if c.Dataset == "" {
		return &usageError{cmd.CommandPath(), errors.New("no --dataset: name a folder of speech")}
	}
	if f.partialInit && f.init == "" && c.PretrainedModel == "" {
		return &usageError{cmd.CommandPath(), errors.New("--partial-init says how to start from weights: name them by --init, or leave it out")}
	}
	if f.init != "" {
		if err := refuseNS3(f.init); err != nil {
			return err
		}
	}
	ranks, err := startRanks(mpi.Launched())
	if err != nil {
		return err
	}
	return ranks.end(cmd, f.train(cmd, c, codec, ranks))
}

// train trains on one of the ranks.
func (f *runFlags) train(cmd *cobra.Command, c *config.Config, codec *train.FrozenCodec, ranks *ranks) error {
	d := newDisplay(cmd.ErrOrStderr(), f.quiet || ranks.Rank() > 0)
	if ranks.world != nil {
		d.info("%s, started by %s, through %s", plural.Of(ranks.Size(), "rank"), ranks.launch.Launcher, ranks.world.Library())
	}
	if f.keeps {
		d.notice("%s keeps the experiment that it was begun with; --config FILE changes it", train.RunDir(c))
	}
	for _, key := range c.Unused() {
		d.notice("%s has no effect", key)
	}
	s := &trainDisplay{display: d}
	defer d.stopBar()
	start, data, err := inMemory(cmd, f.init)
	if err != nil {
		return err
	}
	maxBad := f.maxBad / 100
	if maxBad == 0 {
		maxBad = -1
	}
	report := d.info
	if ranks.Rank() > 0 { // its own faults alone are reported
		report = newDisplay(cmd.ErrOrStderr(), f.quiet).info
	}
	err = train.Run(cmd.Context(), train.RunOptions{
		Config: c, Codec: codec, Resume: f.resume, Init: start, InitData: data, PartialInit: f.partialInit, Steps: f.steps, Time: f.time, Threads: ranks.threads(f.threads), Ranks: ranks, MaxBad: maxBad,
		Report: report, Progress: s.progress,
	})
	err = f.cure(err, ranks.Size())
	if err == nil {
		err = cmd.Context().Err() // a run that is interrupted ends well, with a checkpoint
	}
	return err
}

// cure adds to an error of a run which flag cures it.
func (f *runFlags) cure(err error, ranks int) error {
	_, tooManyBad := errors.AsType[*dataset.TooManyBadError](err)
	switch {
	case errors.Is(err, train.ErrTooFewPieces):
		return fmt.Errorf("%w (--accumulate %d)", err, ranks)
	case errors.Is(err, train.ErrPartialInit):
		return fmt.Errorf("%w; train an experiment with the networks of the weights, or give --partial-init to start from so little of them", err)
	case errors.Is(err, train.ErrInit):
		return fmt.Errorf("%w; --init takes %s", err, wantedCheckpoint)
	case errors.Is(err, train.ErrResume):
		return fmt.Errorf("%w; --resume takes a checkpoint of training, auto or none, --init weights that a new run starts from", err)
	case errors.Is(err, train.ErrOtherNetworks):
		return fmt.Errorf("%w (--config, --exp-name, --init)", err)
	case tooManyBad:
		return fmt.Errorf("%w; --max-bad sets how many may be", err)
	}
	return err
}

// wantedCheckpoint says what flags take that name a checkpoint to train from or for.
const wantedCheckpoint = "the file of a checkpoint, " + builtin + " for the built-in model, or hf://ORG/NAME for one of the hub"

// loadExperiment reads the experiment file that a flag names. wanted says where one is to be had.
func loadExperiment(flag, path, wanted string) (*config.Config, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s %s: is a directory; want an experiment file, %s", flag, path, wanted)
	}
	c, err := config.Load(path)
	if err == nil {
		return c, nil
	}
	if file, openErr := weights.Open(path); openErr == nil {
		file.Close()
		return nil, fmt.Errorf("%s %s: is a checkpoint; want an experiment file, %s", flag, path, wanted)
	}
	if _, statErr := os.Stat(path); statErr != nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, config.ErrNotExperiment) {
		err = fmt.Errorf("%s %w; want an experiment file, %s", flag, err, wanted)
	}
	return nil, err
}

// trainDisplay shows a run: a bar on a terminal, lines elsewhere.
type trainDisplay struct {
	*display
	phase string
	rate  float64 // steps a second
}

func (s *trainDisplay) progress(p train.Progress) {
	if p.Phase != s.phase {
		s.stopBar()
		s.phase = p.Phase
		if p.Total > 0 {
			s.startBar(float64(p.Total), s.amount)
		}
	}
	text := "" // few letters fit behind the bar
	if p.Phase == "train" {
		s.rate = p.Rate
		text = fmt.Sprintf("mel %.3f", p.Losses["mel"])
		if !s.terminal() && p.Logged {
			s.info("step %d/%d  %s", p.Done, p.Total, trainLine(p))
		}
	}
	s.display.progress(float64(p.Done), float64(p.Total), text)
}

// amount says how far the phase is.
func (s *trainDisplay) amount(done, total float64) string {
	what := map[string]string{"scan": "reading recordings", "teachers": "learning from recordings", "train": "step", "validate": "validating"}[s.phase]
	text := fmt.Sprintf("%s %.0f of %.0f", what, done, total)
	if s.phase == "train" {
		text = fmt.Sprintf("%s %.0f/%.0f, %.1f steps/s", what, done, total, s.rate)
	}
	return text
}

// trainLine is what a step has to say.
func trainLine(p train.Progress) string {
	text := fmt.Sprintf("epoch %d  %.2f steps/s", p.Epoch, p.Rate)
	if p.Left > 0 {
		text += "  " + clock(p.Left.Seconds()) + " left"
	}
	for _, name := range []string{"mel", "total", "discriminator"} {
		if v, ok := p.Losses[name]; ok {
			text += fmt.Sprintf("  %s %.3f", name, v)
		}
	}
	return text
}
