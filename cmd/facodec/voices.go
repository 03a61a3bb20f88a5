package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	inner "github.com/facodec-go/facodec/internal/codec"
)

// references are the files of one voice: clips, enrolled voices, or both.
type references struct {
	files []string
	name  string // what outputs call the voice
}

// findReferences lists the files that args name: files, and the audio files of
// folders; enrolled voices in folders are left alone, because they are likely
// made from what lies beside them. Unlike a source, none may fail: without it the
// voice would be another one. A folder that is skip is passed over.
func findReferences(args []string, skip string) (r references, err error) {
	found := findSources(args, skip, func(_ string, e error) {
		if err == nil {
			err = e
		}
	})
	if err != nil {
		return references{}, err
	}
	for _, s := range found {
		r.files = append(r.files, s.path)
	}
	r.name = voiceName(args, r.files)
	return r, nil
}

// apartFrom refuses an output, "" for none, that is one of the files.
func (r references) apartFrom(output string) error {
	if output == "" || output == dash {
		return nil
	}
	for _, file := range r.files {
		if location(file) == location(output) {
			return fmt.Errorf("%s is a reference, and the output; give another -o", file)
		}
	}
	return nil
}

// voiceName is the one folder's name, or that of the first file.
func voiceName(args, files []string) string {
	if info, err := os.Stat(args[0]); err == nil && info.IsDir() && len(args) == 1 {
		if abs, err := filepath.Abs(args[0]); err == nil {
			return filepath.Base(abs)
		}
	}
	return nameOf(files[0])
}

// clips reports whether there are clips among the files, beside enrolled voices.
func (r references) clips() bool {
	return slices.ContainsFunc(r.files, func(path string) bool { return !facodec.IsVoiceFile(path) })
}

// voice returns the voice, with normalize of clips brought to peak 1, and with frames of them for --match. Its warnings are what is
// likely not as it was meant.
func (r references) voice(ctx context.Context, codec *facodec.Codec, normalize, frames bool) (*facodec.Voice, error) {
	return codec.EnrollFiles(ctx, r.files, facodec.EnrollOptions{Normalize: normalize, Frames: frames})
}

// spectrumNotice tells that a conversion does without a spectrum that the codec could use, nothing where
// it has one.
func (r references) spectrumNotice(codec *facodec.Codec, voice *facodec.Voice) []string {
	_, decoder, err := codec.Fingerprints()
	if err != nil || !inner.Inner(codec).TakesReferences() || voice.Decoder == decoder || !slices.ContainsFunc(r.files, facodec.IsVoiceFile) {
		return nil
	}
	return []string{"the voice has no spectrum of this model, as .voice files of earlier versions and mixes with them: the conversion goes by its timbre alone; enroll it again"}
}

// matchFlags say how much of a conversion's frames is of the reference.
type matchFlags struct {
	match float64
	given bool
}

func (f *matchFlags) add(cmd *cobra.Command) {
	cmd.Flags().Float64Var(&f.match, "match", 0, "`share` of the reference's own frames in what is decoded, 0 to 1, in models with decoder_type source_filter such as the built-in one: more is nearer to its voice, and less clear; 0 is none")
}

func (f *matchFlags) check(cmd *cobra.Command) error {
	if f.given = cmd.Flags().Changed("match"); f.given && !(f.match >= 0 && f.match <= 1) {
		return &usageError{cmd.CommandPath(), fmt.Errorf("--match %g: give 0, none, to 1, frames of the reference alone", f.match)}
	}
	return nil
}

// decoder returns a decoder in a voice of codec.
func (f *matchFlags) decoder(codec *facodec.Codec, voice *facodec.Voice) (*facodec.Decoder, error) {
	if err := f.fits(voice); err != nil {
		return nil, err
	}
	return codec.NewVoiceDecoder(voice, f.match)
}

// fits refuses a share that was asked for of a voice that has no frames.
func (f *matchFlags) fits(voice *facodec.Voice) error {
	if f.match > 0 && voice.Frames.Frames() == 0 {
		return fmt.Errorf("--match %g: the voice has no frames: of models whose decoder_type is source_filter, as the built-in one, clips have some, and .voice files that were enrolled with --frames; mixes of voices have none", f.match)
	}
	return nil
}

// option is the flag as an output's record has it, "" where it changes nothing.
func (f *matchFlags) option(voice *facodec.Voice) string {
	if voice.Frames.Frames() == 0 || f.match == 0 {
		return ""
	}
	return fmt.Sprintf("--match %g", f.match)
}
