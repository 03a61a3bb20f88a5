package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
)

// convertFlags are a batch's and the voice's.
type convertFlags struct {
	pipeFlags
	redecoder  redecoderFlags
	outputs    outputFlags
	match      matchFlags
	references []string
	normalize  bool
	strict     bool
}

func newConvert() *cobra.Command {
	flags := convertFlags{pipeFlags: pipeFlags{kind: audioFiles}}
	cmd := &cobra.Command{
		Use:   "convert --source FILE... --reference FILE... {--output-dir DIR | -o FILE} [--checkpoint-path CHECKPOINT]",
		Short: "Convert recordings to the voice of a reference clip",
		Long: `Convert changes the voice of recordings: it decodes prosody and content of the source
with the timbre of the reference. A few seconds of clean speech are enough for a reference.

With the built-in model, and others whose decoder_type is source_filter, the conversion is
filtered toward the mean spectrum of the reference, by some 12 dB at most, once enough of
the source has been heard to know its own. So a reference should be recorded as the output
is to sound.

--match, with the same models, puts frames of the reference itself, those nearest in sound
and pitch, in place of the source's. The voice comes nearer, and words become less clear, the
more so the larger the share and the shorter the reference is (docs/model.md has figures):
try 0.3 first, and up to a minute of the reference.

Output is DIR/converted_<source>_to_<reference>.wav, or for a single source the file
that -o names: mono, at the codec's sample rate (24 kHz), exactly as long as the source.
--output-format, --output-rate, --channels and --gain change that, as in reconstruct. Several
references, or a folder of them, are taken as one voice, named after the folder if only
a folder is given, and otherwise after the first clip. A .voice file of facodec voice
enroll can be used in place of the clips it was made from, alone or together with others.

--redecoder-checkpoint decodes with a redecoder, a model trained for conversion only,
instead of the codec's own decoder.

The published model was trained on recordings with peak 1. --normalize scales sources
and reference clips to peak 1, and outputs back to the level of their source.

Values must follow their flag: --source a.wav b.wav --reference r.wav.
Existing outputs are kept if they were made from the same source, in the same voice, with
the same weights and options; any other is an error, and --force overwrites them all. A
source that fails is reported, the others are still processed, and the exit code is 2.`,
		Example: `  facodec convert --source testdata/speech/en.flac --reference testdata/speech/it.flac --output-dir out
  facodec weights random try.safetensors
  facodec weights random --redecoder try-redecoder.safetensors
  facodec convert --source testdata/speech/en.flac --reference testdata/speech/fr.flac --output-dir out --checkpoint-path try.safetensors --redecoder-checkpoint try-redecoder.safetensors`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&flags.references, "reference", nil, "audio `file`s of one voice, a folder of them, or a .voice (facodec voice enroll); may be repeated")
	flags.match.add(cmd)
	flags.redecoder.add(cmd)
	flags.outputs.add(cmd, true)
	addNormalize(cmd, &flags.normalize)
	addStrict(cmd, &flags.strict)
	return cmd
}

func (f *convertFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd, nil); err != nil {
		return err
	}
	if len(f.references) == 0 {
		return &usageError{cmd.CommandPath(), errors.New("no --reference: name an audio file of the voice to convert to")}
	}
	if err := f.redecoder.check(); err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	if err := f.match.check(cmd); err != nil {
		return err
	}
	if f.redecoder.checkpoint != "" && f.match.given {
		return &usageError{cmd.CommandPath(), errors.New("--match is of the codec's own decoder; a redecoder takes the timbre alone")}
	}
	if err := f.outputs.check(cmd, f.output); err != nil {
		return err
	}
	voice, err := findReferences(f.references, f.outputDir)
	if err == nil {
		err = voice.apartFrom(f.output)
	}
	if err != nil {
		return err
	}
	rename := func(name string) string {
		return "converted_" + name + "_to_" + voice.name + f.outputs.extension()
	}
	b := f.batch(cmd, rename, func(ctx context.Context) (worker, error) {
		return f.open(ctx, cmd, voice, f.outputLike(rename))
	})
	b.together, b.outputs = false, &f.outputs
	return b.run(cmd)
}

func (f *convertFlags) open(ctx context.Context, cmd *cobra.Command, voice references, like string) (worker, error) {
	var options []facodec.Option
	if f.redecoder.checkpoint != "" {
		options = append(options, facodec.WithoutDecoder()) // the redecoder has its own
	}
	codec, notices, err := f.modelFlags.open(cmd, options...)
	if err != nil {
		return worker{}, err
	}
	if f.redecoder.checkpoint == "" {
		notices = append(notices, f.conversionNotices()...)
	}
	w := worker{close: func() { codec.Close() }, notices: notices}
	if err = f.outputs.probe(codec.SampleRate(), like); err != nil {
		w.close()
		return worker{}, err
	}
	decoder, err := f.decoder(ctx, cmd, codec, &w, voice)
	if err != nil {
		w.close()
		return worker{}, err
	}
	w.do = func(ctx context.Context, j job, progress func(float64)) (facodec.FileReport, error) {
		return codec.ConvertFile(ctx, j.source, j.output, decoder, facodec.FileOptions{
			SampleFormat: f.outputs.samples, OutputRate: f.outputs.rate, KeepChannels: f.outputs.keepChannels(), Strict: f.strict,
			Normalize: f.normalize, Gain: f.outputs.gain, Comment: j.comment, Progress: progress,
		})
	}
	return w, nil
}

// decoder returns the decoder in the voice of the references; w closes it.
func (f *convertFlags) decoder(ctx context.Context, cmd *cobra.Command, codec *facodec.Codec, w *worker, voice references) (*facodec.Decoder, error) {
	redecoder, err := f.redecoder.open(cmd, codec)
	if err != nil {
		return nil, err
	}
	if redecoder != nil {
		w.close = func() {
			redecoder.Close()
			codec.Close()
		}
	}
	v, err := voice.voice(ctx, codec, f.normalize, f.match.match > 0)
	if err != nil {
		return nil, f.cureVoices(err, voice.files, codec)
	}
	w.warnings = v.Warnings
	w.made = record{Command: cmd.Name(), Options: f.outputs.options(f.precisionOption(), given(f.normalize, "--normalize"))}
	if redecoder != nil {
		w.made.Model, w.made.Voice = fingerprints(codec.TokensFingerprint(), redecoder.Fingerprint), hashOfVoice(&facodec.Voice{Timbre: v.Timbre}, 0)
		return redecoder.NewDecoder(v.Timbre)
	}
	made, err := madeBy(cmd, codec)
	if err != nil {
		return nil, err
	}
	w.notices = append(w.notices, voice.spectrumNotice(codec, v)...)
	w.made.Model, w.made.Voice = made.Model, hashOfVoice(v, f.match.match)
	w.made.Options = f.outputs.options(f.precisionOption(), f.match.option(v), given(f.normalize, "--normalize"))
	return f.match.decoder(codec, v)
}
