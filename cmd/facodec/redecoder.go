package main

import (
	"errors"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
)

// redecoderFlags name a redecoder to convert with.
type redecoderFlags struct {
	checkpoint string
	config     string
}

func (f *redecoderFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.checkpoint, "redecoder-checkpoint", "", "`file` with a redecoder's weights, to convert with instead of the codec's decoder; hf://Plachta/FAcodec-redecoder: the published one")
	flags.StringVar(&f.config, "redecoder-config", "", "the redecoder's experiment `file`, as --config is the codec's")
}

func (f *redecoderFlags) check() error {
	if f.config != "" && f.checkpoint == "" {
		return errors.New("--redecoder-config without --redecoder-checkpoint")
	}
	return nil
}

// open opens the redecoder on its codec; nil where none was named.
func (f *redecoderFlags) open(cmd *cobra.Command, codec *facodec.Codec) (*facodec.Redecoder, error) {
	if f.checkpoint == "" {
		return nil, nil
	}
	var options []facodec.Option
	if f.config != "" {
		options = append(options, facodec.WithConfig(f.config))
	}
	path, err := localNetworks(cmd, f.checkpoint, "redecoder")
	if err != nil {
		return nil, err
	}
	r, err := codec.OpenRedecoder(path, options...)
	return r, cureOpening(err, "--redecoder-config")
}
