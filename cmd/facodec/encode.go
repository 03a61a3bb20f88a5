package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/fac"
)

func newEncode() *cobra.Command {
	flags := pipeFlags{kind: sourceKind{what: "audio", extensions: audio.Extensions(), once: true}}
	var residualBooks int
	var entropyCoding, strict bool
	cmd := &cobra.Command{
		Use:   "encode FILE... {-o FILE | --output-dir DIR} [--checkpoint-path CHECKPOINT]",
		Short: "Compress recordings to .fac files of 4.8 kbit/s",
		Long: `Encode compresses recordings to codes: 600 bytes per second, and 1 KB per recording
for its timbre (4 KB with the published codec). Decoding gives the same samples as reconstruct.

Output is DIR/<name>.fac, or for a single source the file that -o names. A source
called - is standard input, and -o - is standard output: codes are written while
the recording is read, 0.8 seconds at a time, in constant memory.

--residual-books stores fewer of the three residual books, 0.8 kbit/s each: 0 leaves
2.4 kbit/s. --entropy-coding stores the same codes in fewer bits.

A compressed file can be decoded by a codec with the same quantizer: by the same
checkpoint, or by one whose decoder was fine-tuned. docs/fac.md describes the format.
Existing outputs are kept if they are what would be written, judged by their header,
length, timbre and first 0.8 seconds; any other is an error, and --force overwrites them all.
A source that fails is reported, the others are still processed, and the exit code is 2.`,
		Example: `  facodec encode testdata/speech/en.flac -o en.fac
  facodec encode testdata/speech --output-dir compressed --residual-books 1 --entropy-coding
  cat testdata/speech/en.flac | facodec encode - -o - | facodec decode - -o out.wav`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd, args); err != nil {
				return err
			}
			b := flags.batch(cmd, func(name string) string { return name + ".fac" }, func(context.Context) (worker, error) {
				codec, notices, err := flags.open(cmd)
				if err != nil {
					return worker{}, err
				}
				drop := 0
				if cmd.Flags().Changed("residual-books") {
					all := codec.Books()[facodec.Residual]
					drop = all - residualBooks
					if residualBooks < 0 || drop < 0 {
						codec.Close()
						return worker{}, &usageError{cmd.CommandPath(), fmt.Errorf("--residual-books %d: the codec has 0 to %d", residualBooks, all)}
					}
				}
				header, err := fac.HeaderFor(codec, codec.Books()[facodec.Residual]-drop)
				if err != nil {
					codec.Close()
					return worker{}, err
				}
				header.EntropyCoded = entropyCoding
				return worker{
					check: func(ctx context.Context, j job) error { return checkCompressed(ctx, codec, header, j) },
					do: func(ctx context.Context, j job, progress func(float64)) (facodec.FileReport, error) {
						e := endsOf(ctx, cmd, j)
						return fac.Encode(ctx, codec, e.source, e.output, fac.EncodeOptions{
							DropResidual: drop, EntropyCoding: entropyCoding, Strict: strict, Progress: progress, In: e.in, Out: e.out,
						})
					},
					close:   func() { codec.Close() },
					notices: notices,
				}, nil
			})
			return b.run(cmd)
		},
	}
	flags.add(cmd)
	cmd.Flags().IntVar(&residualBooks, "residual-books", 3, "how many of the residual books to store, 0 to 3: each takes 0.8 kbit/s")
	addStrict(cmd, &strict)
	cmd.Flags().BoolVar(&entropyCoding, "entropy-coding", false, "smaller files with the same codes, by some 1 % for seconds of speech and 11 % for minutes with the built-in model")
	return cmd
}
