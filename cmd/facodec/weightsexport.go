package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/weights"
)

func newWeightsExport() *cobra.Command {
	var flags weightsFlags
	var dtype string
	cmd := &cobra.Command{
		Use:   "export IN OUT",
		Short: "Extract the inference networks from a training checkpoint",
		Long: `Export writes the inference networks of the checkpoint IN to OUT: a codec's encoder,
quantizer and decoder, or a redecoder's encoder and decoder, with the configuration, the
training step and the epoch. For a training run they are the running means of the weights
(EMA), which validation measured.

Predictors, discriminators, the optimizers' moments and the state of the run are left
out, and listed. Training cannot be resumed from OUT, but train --init can start from it.
Paths in the configuration, such as the dataset's, are left out. IN itself opens in every
command as well; OUT is smaller, to keep and to share.

--dtype f16 halves OUT: filters and matrices are rounded to float16; codebooks, biases
and gains stay float32, and all commands compute in float32. The result is a different
model with its own fingerprints: codes differ where two entries are almost equally close
(0.3 % of them in a codec of 5.8 million parameters; 3 to 5 % with bf16 or int8), and waveforms of the
same codes differ by -79 dB (bf16: -58 dB).

--dtype int8 makes a quarter of it: matrices of 65,536 values or more become integers
from -127 to 127 with a float32 scale for each row, under the names of compressed-tensors
(NAME and NAME_scale); smaller ones are rounded to float16. OUT is then .safetensors, which
commands here read; weights export --dtype f32 gives a file for other programs.

The file extension of OUT sets the format: .safetensors, or .pth, .pt or .bin for a
PyTorch file that upstream loads. IN may be any checkpoint that weights convert reads.`,
		Example: `  facodec weights export runs/facodec_tiny/checkpoints/best.safetensors codec.safetensors
  facodec weights export runs/facodec_tiny/checkpoints/best.safetensors codec.pth
  facodec weights export --dtype f16 runs/facodec_tiny/checkpoints/best.safetensors small.safetensors
  facodec weights export --dtype int8 default kept.safetensors`,
		Args: wantArgs("IN", "OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, ok := map[string]weights.DType{"f32": weights.F32, "f16": weights.F16, "bf16": weights.BF16, "int8": weights.I8}[dtype]
			if !ok {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--dtype %q: want f32, f16, bf16 or int8", dtype)}
			}
			small := false
			err := flags.write(cmd, args[1], func(path string, o convert.Options) (convert.Report, error) {
				input, data, err := inMemory(cmd, args[0])
				if err != nil {
					return convert.Report{}, err
				}
				o.DType = d
				o.Data = data
				r, err := convert.Export(cmd.Context(), input, path, o)
				small = err == nil && len(r.LeftOut) == 0 && d == weights.F32 && data == nil
				return r, err
			})
			if small {
				newDisplay(cmd.ErrOrStderr(), flags.quiet).notice("%s holds nothing but networks that run: it was small already", args[0])
			}
			return err
		},
	}
	flags.add(cmd, "experiment `file` of IN, to put into OUT (default: the one that IN carries, or that lies beside it)")
	cmd.Flags().StringVar(&dtype, "dtype", "f32", "`type` that weights are stored in: f32; f16 or bf16 for half the size, int8 for a quarter")
	return cmd
}
