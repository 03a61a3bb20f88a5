package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
)

func newExtract() *cobra.Command {
	var flags batchFlags
	var what string
	cmd := &cobra.Command{
		Use:   "extract --source FILE... --output-dir DIR --checkpoint-path CHECKPOINT",
		Short: "Write the codes of recordings as NumPy arrays",
		Long: `Extract encodes recordings and writes what language and speech models feed on.

Output is DIR/<name>.npz, which numpy.load opens, with T frames for every second
times 80 (in the standard configuration), the last one padded:

  codes      codes_prosody   int32 [1, T]
             codes_content   int32 [2, T]
             codes_residual  int32 [3, T]        entries 0 to 1023
  timbre     timbre          float32 [1024]      one vector for the whole recording
  quantized  quantized_prosody, quantized_content, quantized_residual
                             float32 [1024, T]   what the codes stand for

--what names those wanted. For a folder, all audio files in it are taken, and its
tree is kept below DIR. Outputs that exist are kept; --force makes them anew. A
source that fails is reported, the others go on, and the exit code is 1 in the
end.`,
		Example: `  facodec weights synthesize try.safetensors
  facodec extract --source testdata/speech --output-dir codes --checkpoint-path try.safetensors
  facodec extract --source testdata/speech/en.flac --output-dir all --checkpoint-path try.safetensors --what codes,timbre,quantized`,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.sources = append(flags.sources, args...)
			if err := flags.check(cmd); err != nil {
				return err
			}
			arrays, err := facodec.ParseWhat(what)
			if err != nil {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--what: %w", err)}
			}
			b := batch{
				batchFlags: &flags,
				rename:     func(name string) string { return name + ".npz" },
				open: func(context.Context) (worker, error) {
					codec, notices, err := flags.open(cmd, facodec.WithoutDecoder())
					if err != nil {
						return worker{}, err
					}
					return worker{
						do: func(ctx context.Context, j job, progress func(float64)) (facodec.FileReport, error) {
							return codec.ExtractFile(ctx, j.source, j.output, arrays, facodec.FileOptions{Progress: progress})
						},
						close:   func() { codec.Close() },
						notices: notices,
					}, nil
				},
			}
			return b.run(cmd)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&what, "what", "codes,timbre", "arrays to write: `list` of codes, timbre, quantized")
	return cmd
}
