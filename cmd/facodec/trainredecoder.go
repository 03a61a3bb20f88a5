package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/train"
	"github.com/facodec-go/facodec/internal/weights"
)

// trainRedecoderFlags are train's, without a preset, and the codec's.
type trainRedecoderFlags struct {
	trainFlags
	codec, codecConfig string
}

func newTrainRedecoder() *cobra.Command {
	var f trainRedecoderFlags
	cmd := &cobra.Command{
		Use:   "train-redecoder --codec CHECKPOINT [--dataset DIR] [--config FILE]",
		Short: "Train a redecoder, which converts voices, for a codec",
		Long: `Train-redecoder makes the voice conversion model of a codec: a network that speaks
the codec's content codes anew under a timbre, and so has to take from the timbre all
that the content leaves out. convert --redecoder-checkpoint uses it. The codec
learns no more: it encodes every utterance as it does for a conversion, and the
redecoder learns to speak a crop of it from the first content book and the timbre of
the whole utterance.

Without --config the experiment is made for the codec: a redecoder of its size,
trained in the way, and if there is no --dataset on the speech, that the codec was.
--print-config prints it, to change and give to --config.

All else is as in facodec train: the run's folder (./runs/facodec_tiny_redecoder), with curves
for facodec plot, checkpoints, and best.safetensors, by how well held-out speech is
spoken in its own voice; Ctrl-C, after which the same command goes on bit for bit;
--resume and --init.`,
		Example: `  facodec train --preset tiny --dataset testdata/speech --steps 20
  facodec train-redecoder --codec runs/facodec_tiny/checkpoints/step_00000020.safetensors --steps 20
  facodec convert --source testdata/speech/en.flac --reference testdata/speech/it.flac --output-dir out --checkpoint-path runs/facodec_tiny/checkpoints/step_00000020.safetensors --redecoder-checkpoint runs/facodec_tiny_redecoder/checkpoints/step_00000020.safetensors
  facodec train-redecoder --codec hf://Plachta/FAcodec --dataset recordings --print-config
  facodec train-redecoder --codec hf://Plachta/FAcodec --dataset recordings --config my.json --time 8h`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.codec, "codec", "", "`file` with the codec's weights, or a training checkpoint of it, in place of the experiment's pretrained_encoder; hf://Plachta/FAcodec: the published one")
	flags.StringVar(&f.codecConfig, "codec-config", "", "the codec's experiment `file`; needed only if its checkpoint carries none and no config.yml lies beside it")
	flags.StringVar(&f.config, "config", "", "experiment `file` of the redecoder, JSON or YAML; docs/config.md has every key (default: one made for the codec)")
	flags.StringVar(&f.dataset, "dataset", "", "`folder` of speech, in place of the experiment's dataset")
	flags.StringVar(&f.expName, "exp-name", "", "`name` of the run, in place of the experiment's exp_name")
	flags.StringVar(&f.logDir, "log-dir", "", "`folder` of runs, in place of the experiment's log_dir")
	flags.StringVar(&f.resume, "resume", train.ResumeAuto, "auto: go on where the run is, if there is one; none: begin a run; or a training checkpoint's `file`")
	flags.StringVar(&f.init, "init", "", "redecoder's checkpoint `file` whose weights to start from")
	flags.IntVar(&f.steps, "steps", 0, "stop when the run has so many steps")
	flags.DurationVar(&f.time, "time", 0, "stop after this long, 90m or 8h say")
	flags.IntVar(&f.seed, "seed", -1, "seed of weights, order and crops, in place of the experiment's train.random_seed")
	flags.IntVar(&f.threads, "threads", 0, "how many threads to compute on (default: one for each CPU); results do not depend on it")
	flags.BoolVar(&f.printConfig, "print-config", false, "print the experiment, with every key, and do nothing")
	flags.BoolVar(&f.quiet, "quiet", false, "print errors alone")
	return cmd
}

func (f *trainRedecoderFlags) run(cmd *cobra.Command) error {
	usage := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
	}
	switch {
	case f.steps < 0:
		return usage("--steps %d: want at least 1", f.steps)
	case f.time < 0:
		return usage("--time %s: want more", f.time)
	case f.init != "" && f.resume != train.ResumeAuto && f.resume != train.ResumeNone:
		return usage("--init and --resume are both given a checkpoint; want one")
	}
	var c *config.Config
	if f.config != "" {
		var err error
		if c, err = config.Load(f.config); err != nil {
			return err
		}
		if err := c.CheckRedecoderTraining(); err != nil {
			return err
		}
		if f.codec == "" {
			f.codec = c.PretrainedEncoder
		}
	}
	if f.codec == "" {
		return usage("no --codec: name the checkpoint of the codec that the redecoder is for")
	}
	codec, file, err := f.openCodec(cmd)
	if err != nil {
		return err
	}
	defer file.Close()
	if c == nil {
		c = train.RedecoderFor(codec.Config)
	}
	if err := f.override(c); err != nil {
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
		return usage("no --dataset: name a folder of speech")
	}
	d := newDisplay(cmd.ErrOrStderr(), f.quiet)
	for _, key := range c.Unused() {
		d.notice("%s has no effect", key)
	}
	s := &trainDisplay{display: d}
	defer d.stopBar()
	return train.Run(cmd.Context(), train.RunOptions{
		Config: c, Codec: codec, Resume: f.resume, Init: f.init, Steps: f.steps, Time: f.time, Threads: f.threads,
		Report: d.info, Progress: s.progress,
	})
}

// override puts what flags say into the experiment.
func (f *trainRedecoderFlags) override(c *config.Config) error {
	for _, o := range []struct {
		value string
		key   *string
	}{{f.codec, &c.PretrainedEncoder}, {f.dataset, &c.Dataset}, {f.expName, &c.ExpName}, {f.logDir, &c.LogDir}} {
		if o.value != "" {
			*o.key = o.value
		}
	}
	if f.seed >= 0 {
		c.Train.RandomSeed = f.seed
	}
	return c.Validate()
}

// openCodec opens the codec and finds its configuration where facodec.Open does.
// The file has to stay open while its weights are read.
func (f *trainRedecoderFlags) openCodec(cmd *cobra.Command) (*train.FrozenCodec, *weights.File, error) {
	path, err := localCheckpoint(cmd, f.codec)
	if err != nil {
		return nil, nil, err
	}
	file, err := weights.Open(path)
	if err != nil {
		return nil, nil, err
	}
	c, err := f.configOf(file)
	if err == nil && c.IsRedecoder() {
		err = fmt.Errorf("%s: is a redecoder; want the codec that one is to be trained for", path)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return &train.FrozenCodec{Name: path, Config: c, Weights: file}, file, nil
}

func (f *trainRedecoderFlags) configOf(file *weights.File) (*config.Config, error) {
	if f.codecConfig != "" {
		return config.Load(f.codecConfig)
	}
	text, ok := file.Metadata()["config"]
	if !ok {
		text, ok = file.Values()["config"].(string)
	}
	if ok {
		return config.Parse(file.Path()+": config", []byte(text))
	}
	beside := []string{"config.yml", "config.yaml", "config.json"}
	for _, name := range beside {
		if c, err := config.Load(filepath.Join(filepath.Dir(file.Path()), name)); !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return nil, fmt.Errorf("%s: no configuration in the checkpoint, nor a %s beside it; give one with --codec-config",
		file.Path(), strings.Join(beside, ", "))
}
