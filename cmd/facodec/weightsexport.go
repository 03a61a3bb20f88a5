package main

import (
	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/convert"
)

func newWeightsExport() *cobra.Command {
	var flags weightsFlags
	cmd := &cobra.Command{
		Use:   "export IN OUT",
		Short: "Make the small checkpoint of a training run: the networks that run, nothing else",
		Long: `Export writes the networks of the checkpoint IN that run to OUT: a codec's encoder,
quantizer and decoder, or a redecoder's encoder and decoder, with the configuration,
the training step and the epoch. Of a training run they are the running means of the
weights, which validation measured.

Predictors, discriminators, the optimizers' moments and the state of the run are
left out, and named: OUT is a fraction of IN, and training cannot be continued from
it, though train --init can start from it. IN itself opens in every command as well;
OUT is for keeping and giving away.

The file extension of OUT sets the format: .safetensors, or .pth, .pt or .bin for a
PyTorch file that upstream loads. IN may be any checkpoint that weights convert reads.`,
		Example: `  facodec weights export runs/facodec_tiny/checkpoints/best.safetensors codec.safetensors
  facodec weights export runs/facodec_tiny/checkpoints/best.safetensors codec.pth`,
		Args: wantArgs("IN", "OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			small := false
			err := flags.write(cmd, args[1], func(o convert.Options) (convert.Report, error) {
				input, err := localCheckpoint(cmd, args[0])
				if err != nil {
					return convert.Report{}, err
				}
				r, err := convert.Export(cmd.Context(), input, args[1], o)
				small = err == nil && len(r.LeftOut) == 0
				return r, err
			})
			if small {
				newDisplay(cmd.ErrOrStderr(), flags.quiet).notice("%s holds nothing but networks that run: it was small already", args[0])
			}
			return err
		},
	}
	flags.add(cmd, "experiment `file` of IN, to put into OUT (default: the one that IN carries, or that lies beside it)")
	return cmd
}
