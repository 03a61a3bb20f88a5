package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/train"
	"github.com/facodec-go/facodec/internal/weights"
)

// trainRedecoderFlags are train-redecoder's own.
type trainRedecoderFlags struct {
	runFlags
	codec, codecConfig string
}

func newTrainRedecoder() *cobra.Command {
	var f trainRedecoderFlags
	cmd := &cobra.Command{
		Use:   "train-redecoder --codec CHECKPOINT [--dataset DIR] [--config FILE]",
		Short: "Train a redecoder, which converts voices, for a codec",
		Long: `Train-redecoder trains a voice conversion model for a codec: a network that decodes the
codec's content codes with a timbre. Everything that the content does not contain must
come from the timbre. convert --redecoder-checkpoint uses it. The codec is frozen: it
encodes every utterance as for a conversion, and the redecoder learns to decode a crop of
it from the first content book and the timbre of the whole utterance.

Without --config the experiment is derived from the codec: a redecoder of the codec's
size, trained with the same settings and, without --dataset, on the same speech.
--print-config prints it, to change and give to --config.

Everything else works as in facodec train: the run's folder
(./runs/facodec_tiny_redecoder) with curves for facodec plot and checkpoints
(best.safetensors decodes held-out speech best in its own voice), Ctrl-C and resuming,
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
	flags.StringVar(&f.codec, "codec", "", "`file` with the codec's weights, or a training checkpoint of it, in place of the experiment's pretrained_encoder; default: the built-in model; hf://Plachta/FAcodec: the published one")
	flags.StringVar(&f.codecConfig, "codec-config", "", "the codec's experiment `file`; needed only if its checkpoint carries none and no config.yml lies beside it")
	flags.StringVar(&f.config, "config", "", "experiment `file` of the redecoder, JSON or YAML; docs/config.md has every key (default: one made for the codec)")
	f.add(cmd)
	return cmd
}

func (f *trainRedecoderFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	var c *config.Config
	source := "--codec"
	if f.config != "" {
		var err error
		if c, err = loadExperiment("--config", f.config, "as facodec train-redecoder --codec CHECKPOINT --print-config prints it"); err != nil {
			return err
		}
		if err := c.CheckRedecoderTraining(); err != nil {
			return err
		}
		if f.codec == "" {
			f.codec, source = c.PretrainedEncoder, "pretrained_encoder"
		}
	}
	if f.codec == "" {
		return &usageError{cmd.CommandPath(), errors.New("no --codec: name the checkpoint of the codec that the redecoder is for")}
	}
	codec, file, err := f.openCodec(cmd, source)
	if err != nil {
		return err
	}
	defer file.Close()
	if c == nil {
		c = f.resumed(train.RedecoderFor(codec.Config))
	}
	c.PretrainedEncoder = f.codec
	return f.start(cmd, c, codec)
}

// openCodec opens the codec and finds its configuration where facodec.Open does.
// The file has to stay open while its weights are read. source is the flag, or the key, that
// names the codec.
func (f *trainRedecoderFlags) openCodec(cmd *cobra.Command, source string) (*train.FrozenCodec, *weights.File, error) {
	path, _, err := inMemory(cmd, f.codec)
	if err != nil {
		return nil, nil, err
	}
	if err := refuseNS3(path); err != nil {
		return nil, nil, err
	}
	file, err := openWeights(cmd, f.codec)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w; want %s", source, err, wantedCheckpoint)
	}
	path = file.Path()
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
		return loadExperiment("--codec-config", f.codecConfig, "the one that the codec was trained by")
	}
	c, err := checkpoint.Config(file, file.Path(), checkpoint.Beside(file.Path()))
	return c, cureOpening(err, "--codec-config")
}
