package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/train"
)

// trainFlags are train's own.
type trainFlags struct {
	config, preset  string
	dataset         string
	expName, logDir string
	resume, init    string
	steps           int
	time            time.Duration
	seed, threads   int
	printConfig     bool
	quiet           bool
}

func newTrain() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train --dataset DIR (--preset tiny|small|full | --config FILE)",
		Short: "Train a codec from a folder of raw speech",
		Long: `Train makes a codec out of a folder of recordings: of any inner structure, with no
transcripts, alignments or speaker labels, and without a network. What the
originals take from pretrained networks is learned from the folder itself:
content units in place of phones, clusters of voices in place of speakers, and
the pitch is tracked.

A preset says how large the codec is. tiny learns something to listen to within
an hour on two cores, from minutes of speech; small is for a night or two; full is
the originals' size, which takes a large machine and hundreds of hours of speech.
--print-config prints the preset's experiment file, to change and give to
--config. The originals' experiment files are taken as they are.

Everything goes to the run's folder, log_dir/exp_name (./runs/facodec_tiny): config.json,
log.jsonl, TensorBoard events, checkpoints, the cache of what was found in the
recordings. facodec plot runs/facodec_tiny draws the curves. Every checkpoint,
and best.safetensors, opens in every other command.

Ctrl-C ends a run after the step, with a checkpoint. The same command goes on from
it, bit for bit; --resume none refuses to, and --init starts anew from another
codec's weights: fine-tuning.`,
		Example: `  facodec train --preset tiny --dataset testdata/speech --steps 20
  facodec train --preset tiny --print-config > my.json
  facodec train --config my.json --dataset recordings --time 8h
  facodec train --config my.json --dataset recordings --init pytorch_model.bin`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "experiment `file`, JSON or YAML; docs/config.md has every key")
	flags.StringVar(&f.preset, "preset", "", "one of "+strings.Join(config.Presets(), ", ")+", in place of --config")
	flags.StringVar(&f.dataset, "dataset", "", "`folder` of speech, in place of the experiment's dataset")
	flags.StringVar(&f.expName, "exp-name", "", "`name` of the run, in place of the experiment's exp_name")
	flags.StringVar(&f.logDir, "log-dir", "", "`folder` of runs, in place of the experiment's log_dir")
	flags.StringVar(&f.resume, "resume", train.ResumeAuto, "auto: go on where the run is, if there is one; none: begin a run; or a training checkpoint's `file`")
	flags.StringVar(&f.init, "init", "", "codec or training checkpoint `file` whose weights to start from")
	flags.IntVar(&f.steps, "steps", 0, "stop when the run has so many steps")
	flags.DurationVar(&f.time, "time", 0, "stop after this long, 90m or 8h say")
	flags.IntVar(&f.seed, "seed", -1, "seed of weights, order and crops, in place of the experiment's train.random_seed")
	flags.IntVar(&f.threads, "threads", 0, "how many threads to compute on (default: one for each CPU); results do not depend on it")
	flags.BoolVar(&f.printConfig, "print-config", false, "print the experiment, with every key, and do nothing")
	flags.BoolVar(&f.quiet, "quiet", false, "print errors alone")
	return cmd
}

func (f *trainFlags) run(cmd *cobra.Command) error {
	c, err := f.experiment(cmd)
	if err != nil {
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
	d := newDisplay(cmd.ErrOrStderr(), f.quiet)
	for _, key := range c.Unused() {
		d.notice("%s has no effect", key)
	}
	s := &trainDisplay{display: d}
	defer d.stopBar()
	return train.Run(cmd.Context(), train.RunOptions{
		Config: c, Resume: f.resume, Init: f.init, Steps: f.steps, Time: f.time, Threads: f.threads,
		Report: d.info, Progress: s.progress,
	})
}

// experiment returns the config that the flags describe.
func (f *trainFlags) experiment(cmd *cobra.Command) (*config.Config, error) {
	usage := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
	}
	var c *config.Config
	var err error
	switch {
	case f.config != "" && f.preset != "":
		return nil, usage("--config and --preset are both given; want one")
	case f.config != "":
		if c, err = config.Load(f.config); err == nil {
			err = c.CheckTraining()
		}
	case f.preset != "":
		c, err = config.Preset(f.preset)
	default:
		return nil, usage("no --preset: want %s, or --config with an experiment file", strings.Join(config.Presets(), ", "))
	}
	if err != nil {
		return nil, err
	}
	switch {
	case f.steps < 0:
		return nil, usage("--steps %d: want at least 1", f.steps)
	case f.time < 0:
		return nil, usage("--time %s: want more", f.time)
	case f.init != "" && f.resume != train.ResumeAuto && f.resume != train.ResumeNone:
		return nil, usage("--init and --resume are both given a checkpoint; want one")
	}
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
	return c, c.Validate()
}

// trainDisplay shows a run: a bar on a terminal, lines elsewhere.
type trainDisplay struct {
	*display
	phase string
	shown time.Time
}

func (s *trainDisplay) progress(p train.Progress) {
	if p.Phase != s.phase {
		s.stopBar()
		s.phase = p.Phase
		if p.Total > 0 {
			s.startBar(float64(p.Total), func(done, total float64) string { return s.amount(p.Phase, done, total) })
		}
	}
	text := ""
	if p.Phase == "train" {
		text = trainLine(p)
		if !s.terminal() && p.Logged {
			s.info("step %d/%d  %s", p.Done, p.Total, text)
		}
	}
	s.display.progress(float64(p.Done), float64(p.Total), text)
}

func (s *trainDisplay) amount(phase string, done, total float64) string {
	what := map[string]string{"scan": "reading recordings", "teachers": "learning from recordings", "train": "step", "validate": "validating"}[phase]
	return fmt.Sprintf("%s %.0f of %.0f", what, done, total)
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
