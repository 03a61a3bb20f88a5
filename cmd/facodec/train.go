package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/config"
)

// trainFlags are train's own.
type trainFlags struct {
	runFlags
	preset       string
	speakerField string
}

func newTrain() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train --dataset DIR (--preset tiny|base|small|full | --config FILE)",
		Short: "Train a codec from a folder of raw speech",
		Long: `Train trains a codec on a folder of recordings, with any subfolders, without
transcripts, alignments, speaker labels or network access. What upstream takes from
pretrained networks is learned from the folder itself: content units replace phones,
clusters of voices replace speakers, and pitch is tracked.

A preset sets how large the codec is. tiny learns something to listen to within
an hour on two cores, from minutes of speech; base, which works at the frame rate
and costs no more a step, is for hours to days and half an hour of speech or more;
small is for a night or two; full is upstream's size, which takes a large machine
and hundreds of hours of speech.
The folder may also be a corpus, as for extract: .tar shards, .parquet, .jsonl(.gz) of
Lhotse, wav.scp of Kaldi, or @list.txt. --speaker-field takes the speakers that it names
in place of clusters.

--print-config prints the preset's experiment file, to change and give to
--config. Upstream's experiment files are read as they are.

The run's folder is log_dir/exp_name (./runs/facodec_tiny). It contains config.json,
log.jsonl, TensorBoard events, checkpoints, and a cache of labels. facodec plot
runs/facodec_tiny draws the curves. Every checkpoint, best.safetensors included, opens
in every other command.

Ctrl-C ends a run after the current step, with a checkpoint. The same command resumes
from it, bit for bit, unless --resume none is given. A run keeps the experiment that it
was begun with; --config with an edited config.json of its folder changes it.

--init starts a new run from another codec's weights, for fine-tuning; --init default
from those of the built-in model, whose preset is base. A preset then has a lower
learning rate, and what else trained weights need (--print-config shows it). Weights of
other networks, of which less than half would fit, are an error, unless --partial-init
is given.`,
		Example: `  facodec train --preset tiny --dataset testdata/speech --steps 20
  facodec train --preset tiny --print-config
  facodec train --config my.json --dataset recordings --time 8h
  facodec train --config my.json --dataset recordings --init pytorch_model.bin
  facodec train --preset base --dataset recordings --init default --steps 800`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "experiment `file`, JSON or YAML; docs/config.md has every key")
	flags.StringVar(&f.preset, "preset", "", "one of "+strings.Join(config.Presets(), ", ")+", in place of --config")
	flags.StringVar(&f.speakerField, "speaker-field", "", "take speakers from the corpus instead of clusters: the `field` of the JSON in shards or the column of a table with their names; speaker for Kaldi's utt2spk and Lhotse")
	f.add(cmd)
	return cmd
}

func (f *trainFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	c, err := f.experiment(cmd)
	if err != nil {
		return err
	}
	if f.preset != "" {
		c = f.resumed(c)
	}
	if f.speakerField != "" {
		c.Teachers.SpeakerField = f.speakerField
	}
	return f.start(cmd, c, nil)
}

// experiment returns the experiment of --config or --preset.
func (f *trainFlags) experiment(cmd *cobra.Command) (*config.Config, error) {
	switch {
	case f.config != "" && f.preset != "":
		return nil, &usageError{cmd.CommandPath(), errors.New("--config and --preset are both given; want one")}
	case f.config != "":
		c, err := loadExperiment("--config", f.config, "as facodec train --preset base --print-config prints it")
		if err == nil {
			err = c.CheckTraining()
		}
		return c, err
	case f.preset != "":
		c, err := config.Preset(f.preset)
		if err == nil && f.init != "" {
			c.FineTune()
		}
		return c, err
	}
	return nil, &usageError{cmd.CommandPath(), fmt.Errorf("no --preset: want %s, or --config with an experiment file", strings.Join(config.Presets(), ", "))}
}
