package main

import (
	"context"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
)

func newReconstruct() *cobra.Command {
	flags := pipeFlags{kind: audioFiles}
	var output outputFlags
	var normalize, strict bool
	cmd := &cobra.Command{
		Use:   "reconstruct --source FILE... {--output-dir DIR | -o FILE} [--checkpoint-path CHECKPOINT]",
		Short: "Encode and decode recordings",
		Long: `Reconstruct encodes recordings and decodes them again, each with its own timbre, so
that the quality of the codec can be judged by listening.

Output is DIR/reconstructed_<name>.wav, or for a single source the file that -o
names: mono, at the codec's sample rate (24 kHz), exactly as long as the source.
--output-format, or the extension of -o, chooses FLAC, or MP3 or Opus if ffmpeg is
installed; --output-rate sets another sample rate; --channels keep processes each
channel on its own, with its own timbre, and writes as many channels as the source has.
An output can be louder than its source: samples beyond full scale are clipped, with a
warning that says which --gain avoids it.

Sources may have any sample rate from 8 to 192 kHz and any number of channels, which are
mixed to mono; WAV, FLAC, MP3, Ogg (Vorbis, Opus) and WebM (Opus) are read directly,
other formats by ffmpeg if it is installed. For a folder, all audio files in it are
taken, linked folders included, and its structure is kept below DIR. Memory does not grow
with the length.

The published model was trained on recordings with peak 1. --normalize scales each
recording to peak 1 before it is encoded, and the output back to the original level.

Existing outputs are kept if they were made from the same source with the same weights and
options, which each output records in its comment, so that an interrupted run continues
where it stopped; any other output is an error, and --force overwrites them all. A source
that fails is reported, the others are still processed, and the exit code is 2.`,
		Example: `  facodec reconstruct --source testdata/speech/en.flac --output-dir out
  facodec reconstruct --source testdata/speech --output-dir out --sample-format f32 --json
  facodec reconstruct --source testdata/speech --output-dir published --checkpoint-path hf://Plachta/FAcodec`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd, args); err != nil {
				return err
			}
			if err := output.check(cmd, flags.output); err != nil {
				return err
			}
			rename := func(name string) string { return "reconstructed_" + name + output.extension() }
			b := flags.batch(cmd, rename, func(context.Context) (worker, error) {
				codec, notices, err := flags.open(cmd)
				if err != nil {
					return worker{}, err
				}
				made, err := madeBy(cmd, codec)
				if err == nil {
					err = output.probe(codec.SampleRate(), flags.outputLike(rename))
				}
				if err != nil {
					codec.Close()
					return worker{}, err
				}
				made.Options = output.options(flags.precisionOption(), given(normalize, "--normalize"))
				return worker{
					made: made,
					do: func(ctx context.Context, j job, progress func(float64)) (facodec.FileReport, error) {
						return codec.ReconstructFile(ctx, j.source, j.output, facodec.FileOptions{
							SampleFormat: output.samples, OutputRate: output.rate, KeepChannels: output.keepChannels(), Strict: strict,
							Normalize: normalize, Gain: output.gain, Comment: j.comment, Progress: progress,
						})
					},
					close:   func() { codec.Close() },
					notices: notices,
				}, nil
			})
			b.together, b.outputs = false, &output
			return b.run(cmd)
		},
	}
	flags.add(cmd)
	output.add(cmd, true)
	addNormalize(cmd, &normalize)
	addStrict(cmd, &strict)
	return cmd
}

// madeBy begins the record of what a codec makes whole.
func madeBy(cmd *cobra.Command, codec *facodec.Codec) (record, error) {
	_, decoder, err := codec.Fingerprints()
	return record{Command: cmd.Name(), Model: fingerprints(codec.TokensFingerprint(), decoder)}, err
}
