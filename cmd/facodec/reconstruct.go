package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/audio"

	facodec "github.com/facodec-go/facodec"
)

func newReconstruct() *cobra.Command {
	var flags batchFlags
	var format string
	var normalize bool
	cmd := &cobra.Command{
		Use:   "reconstruct --source FILE... --output-dir DIR --checkpoint-path CHECKPOINT",
		Short: "Encode and decode recordings",
		Long: `Reconstruct encodes recordings and decodes them again, each with its own timbre, so
that the quality of the codec can be judged by listening.

Output is DIR/reconstructed_<name>.wav: mono, at the codec's sample rate (24 kHz),
exactly as long as the source. Sources may have any sample rate from 8 to 192 kHz
and any number of channels, which are mixed to mono; WAV, FLAC, MP3, Ogg (Vorbis, Opus)
and WebM (Opus) are read directly, other formats by ffmpeg if it is installed.
For a folder, all audio files in it are taken, and its structure is kept below DIR.
Memory does not grow with the length.

The published model was trained on recordings with peak 1. --normalize scales each
recording to peak 1 before it is encoded, and the output back to the original level.

Existing outputs are kept, so that an interrupted run continues where it stopped;
--force overwrites them. A source that fails is reported, the others are still
processed, and the exit code is 2.`,
		Example: `  facodec weights random try.safetensors
  facodec reconstruct --source testdata/speech/en.flac --output-dir out --checkpoint-path try.safetensors
  facodec reconstruct --source testdata/speech --output-dir out --checkpoint-path try.safetensors --sample-format f32 --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.sources = append(flags.sources, args...)
			if err := flags.check(cmd); err != nil {
				return err
			}
			sampleFormat, err := parseFormat(cmd, format)
			if err != nil {
				return err
			}
			b := batch{
				batchFlags: &flags,
				rename:     func(name string) string { return "reconstructed_" + name + ".wav" },
				open: func(context.Context) (worker, error) {
					codec, notices, err := flags.open(cmd)
					if err != nil {
						return worker{}, err
					}
					return worker{
						do: func(ctx context.Context, j job, progress func(float64)) (facodec.FileReport, error) {
							return codec.ReconstructFile(ctx, j.source, j.output,
								facodec.FileOptions{SampleFormat: sampleFormat, Normalize: normalize, Progress: progress})
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
	addFormat(cmd, &format)
	addNormalize(cmd, &normalize)
	return cmd
}

// addFormat adds the flag of the commands that write WAV files.
func addFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "sample-format", "s16", "s16: 16-bit integers, clipping counted; f32: 32-bit floats, nothing lost")
}

func parseFormat(cmd *cobra.Command, format string) (audio.SampleFormat, error) {
	f, err := audio.ParseSampleFormat(format)
	if err != nil {
		return f, &usageError{cmd.CommandPath(), err}
	}
	return f, nil
}
