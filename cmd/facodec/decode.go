package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/extract"
)

// decodeFlags are a batch's and what is decoded.
type decodeFlags struct {
	pipeFlags
	outputs    outputFlags
	references []string
	match      matchFlags
	parts      string
}

func newDecode() *cobra.Command {
	flags := decodeFlags{pipeFlags: pipeFlags{kind: compressedFiles}}
	cmd := &cobra.Command{
		Use:   "decode FILE... {-o FILE | --output-dir DIR} [--checkpoint-path CHECKPOINT]",
		Short: "Decode .fac files, or arrays of codes, to recordings",
		Long: `Decode decodes compressed files to recordings: mono WAV at the codec's sample rate
(24 kHz), exactly as long as the original, and identical, sample for sample, to the
output of reconstruct. The checkpoint must have the quantizer that the file was encoded
with; another decoder, for example a fine-tuned one, gives a warning.

Output is DIR/<name>.wav, or for a single source the file that -o names, whose
extension sets the format; --output-format, --output-rate and --gain change it, as in
reconstruct. A source called - is standard input, a .fac file, and -o - is standard output.
For a folder, all .fac files and arrays of codes in it are decoded, and its structure is kept
below DIR. The whole file is checked before it is decoded. Standard input is kept in memory up to its end, 600 bytes per
second of audio, because the timbre is stored there.

--reference decodes in another voice, as convert does: prosody and content of the file
with the timbre of the reference, filtered toward its mean spectrum, and with frames of it
with --match, without the residual. From standard input, samples are then written while
codes still arrive.

--parts decodes selected parts only, to listen to what each carries: a list of
prosody, content, residual. With --reference it may include the residual.

Codes of another origin, a language model's, are decoded from arrays in .npz or
.safetensors files, named as extract names them: codes_prosody, codes_content and
codes_residual, integers [books, frames], and timbre, floats [latent]. One part of the
three is enough, and of each its first books; without a timbre, --reference gives the
voice. Such a file is as long as its frames, 12.5 ms each, where it does not tell the
samples, as .safetensors files of extract do. A .npz file cannot tell which model its codes
are of, and no array tells the level of a recording that extract --normalize scaled.

Existing outputs are kept if they were made from the same file with the same weights and
options; any other is an error, and --force overwrites them all. A source that fails is
reported, the others are still processed, and the exit code is 2.`,
		Example: `  facodec encode testdata/speech/en.flac -o en.fac
  facodec decode en.fac -o en.wav
  facodec decode en.fac -o en-as-it.wav --reference testdata/speech/it.flac
  facodec decode en.fac -o en-prosody.wav --parts prosody
  facodec extract --source testdata/speech/en.flac --output-dir codes --what codes,timbre
  facodec decode codes/en.npz -o en.wav`,
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd, args) },
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&flags.references, "reference", nil, "audio `file`s of another voice, a folder of them, or an enrolled voice; may be repeated")
	f.StringVar(&flags.parts, "parts", "", "`list` of the parts to decode: prosody, content, residual (default: all, and with --reference all but the residual)")
	flags.match.add(cmd)
	flags.outputs.add(cmd, false)
	return cmd
}

func (f *decodeFlags) run(cmd *cobra.Command, args []string) error {
	if len(f.sources)+len(args) == 0 && len(f.references) > 0 {
		return &usageError{cmd.CommandPath(), errors.New("no source: all names after --reference are references; name compressed files before it, or with --source")}
	}
	if err := f.check(cmd, args); err != nil {
		return err
	}
	err := f.outputs.check(cmd, f.output)
	if err != nil {
		return err
	}
	var parts []facodec.Part
	if cmd.Flags().Changed("parts") {
		if parts, err = parseParts(f.parts); err != nil {
			return &usageError{cmd.CommandPath(), fmt.Errorf("--parts: %w", err)}
		}
	}
	if err := f.match.check(cmd); err != nil {
		return err
	}
	if f.match.given && (len(f.references) == 0 || parts != nil) {
		return &usageError{cmd.CommandPath(), errors.New("--match is of a --reference without --parts")}
	}
	if parts != nil {
		f.match.match = 0 // what is listened to is of the file
	}
	var voice references
	if len(f.references) > 0 {
		if voice, err = findReferences(f.references, f.outputDir); err == nil {
			err = voice.apartFrom(f.output)
		}
		if err != nil {
			return err
		}
	}
	rename := func(name string) string { return name + f.outputs.extension() }
	b := f.batch(cmd, rename, func(ctx context.Context) (worker, error) {
		var options []facodec.Option
		if !voice.clips() {
			options = append(options, facodec.WithoutEncoder())
		}
		codec, notices, err := f.open(cmd, options...)
		if err != nil {
			return worker{}, err
		}
		var another *facodec.Voice
		var inVoice *facodec.Decoder
		var warnings []error
		quantizer, decoder, err := codec.Fingerprints()
		if err == nil {
			err = f.outputs.probe(codec.SampleRate(), f.outputLike(rename))
		}
		if err == nil && len(voice.files) > 0 {
			if another, err = voice.voice(ctx, codec, false, f.match.match > 0); err == nil {
				warnings = another.Warnings
				inVoice, err = f.match.decoder(codec, another)
			}
			err = f.cureVoices(err, voice.files, codec)
			if notices = append(notices, f.conversionNotices()...); err == nil {
				notices = append(notices, voice.spectrumNotice(codec, another)...)
			}
		}
		if err != nil {
			codec.Close()
			return worker{}, err
		}
		made := record{Command: cmd.Name(), Model: fingerprints(quantizer, decoder), Options: f.outputs.options(f.precisionOption())}
		if another != nil {
			made.Voice, made.Options = hashOfVoice(another, f.match.match), f.outputs.options(f.precisionOption(), f.match.option(another))
		}
		if parts != nil {
			made.Options = f.outputs.options(f.precisionOption(), fmt.Sprintf("--parts %v", parts))
		}
		return worker{
			made:     made,
			warnings: warnings,
			do: func(ctx context.Context, j job, progress func(float64)) (facodec.FileReport, error) {
				e := endsOf(ctx, cmd, j)
				o := fac.DecodeOptions{
					SampleFormat: f.outputs.samples, OutputRate: f.outputs.rate, Gain: f.outputs.gain, Comment: j.comment, Parts: parts, Decoder: inVoice, Progress: progress, In: e.in, Out: e.out,
				}
				decode := fac.Decode
				if extract.IsArrays(j.source) {
					decode = decodeArrays
				}
				r, err := decode(ctx, codec, e.source, e.output, o)
				return r, f.cureModel(err, j.source, codec)
			},
			close:   func() { codec.Close() },
			notices: notices,
		}, nil
	})
	b.outputs = &f.outputs
	return b.run(cmd)
}

// decodeArrays is fac.Decode of a file of arrays.
func decodeArrays(ctx context.Context, c *facodec.Codec, source, output string, o fac.DecodeOptions) (r facodec.FileReport, err error) {
	arrays, err := extract.ReadArrays(source)
	if err != nil {
		return r, err
	}
	if arrays.Timbre == nil && o.Decoder == nil {
		return r, fmt.Errorf("%s: has no timbre: add one, an array of %d floats, or name a voice with --reference", source, c.TimbreLen())
	}
	tokens, err := arrays.Tokens(c)
	if err != nil {
		return r, fmt.Errorf("%s: %w", source, err)
	}
	r, err = fac.DecodeTokens(ctx, c, tokens, source, output, o)
	r.Info.Format = strings.TrimPrefix(strings.ToLower(filepath.Ext(source)), ".")
	return r, err
}

// parseParts reads a list such as "prosody,content,residual".
func parseParts(list string) (parts []facodec.Part, err error) {
	for _, word := range strings.Split(list, ",") {
		part, err := facodec.ParsePart(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}
