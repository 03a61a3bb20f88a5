package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/fileerr"
)

// compareReport is what voice compare --json prints.
type compareReport struct {
	Cosine float64         `json:"cosine"`
	Voices []comparedVoice `json:"voices"`
	Model  string          `json:"timbre_encoder"`
}

type comparedVoice struct {
	Path    string  `json:"path"`
	Seconds float64 `json:"seconds"` // of audio
}

func newVoiceCompare() *cobra.Command {
	var f modelFlags
	var quiet, asJSON bool
	cmd := &cobra.Command{
		Use:   "compare A B [--checkpoint-path CHECKPOINT]",
		Short: "Measure how similar two voices are",
		Long: `Compare prints the cosine similarity of the timbres of A and B: 1 for the same voice,
lower for less similar ones. What counts as similar depends on the model and on how much
speech there is: docs/voice.md has the figures of the built-in one; for another, compare
clips of one speaker and of two to see.

A and B are enrolled voices, audio files, or folders of audio files. Two enrolled voices
are compared without a codec. Voices made by different models cannot be
compared.`,
		Example: `  facodec voice compare testdata/speech/it.flac testdata/speech/fr.flac
  facodec voice compare testdata/speech/it.flac testdata/speech --json`,
		Args: wantArgs("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			voices, err := f.voices(cmd, args, newDisplay(cmd.ErrOrStderr(), quiet))
			if err != nil {
				return err
			}
			cosine, err := voices[0].Cosine(voices[1])
			if err != nil {
				return fmt.Errorf("%s and %s: %w", args[0], args[1], err)
			}
			if !asJSON {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%.4f\n", cosine); err != nil {
					return fileerr.Write("stdout", err)
				}
				return nil
			}
			r := compareReport{Cosine: cosine, Model: voices[0].Model.String()}
			for i, v := range voices {
				r.Voices = append(r.Voices, comparedVoice{args[i], round(v.Seconds)})
			}
			return printJSON(cmd.OutOrStdout(), r)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.add(cmd)
	flags.BoolVar(&quiet, "quiet", false, "print nothing but the cosine, errors and warnings")
	flags.BoolVar(&asJSON, "json", false, "print a report to stdout")
	return cmd
}

// voices returns the voice of each argument; a codec is opened only if one of
// them has to be enrolled.
func (f *modelFlags) voices(cmd *cobra.Command, args []string, show *display) ([]*facodec.Voice, error) {
	var found [][]string
	for _, arg := range args {
		r, err := findReferences([]string{arg}, "")
		if err != nil {
			return nil, err
		}
		found = append(found, r.files)
	}
	voices := make([]*facodec.Voice, len(args))
	if !slices.ContainsFunc(found, func(files []string) bool { return !facodec.IsVoiceFile(files[0]) }) {
		for i, files := range found {
			var err error
			if voices[i], err = facodec.LoadVoice(files[0]); err != nil {
				return nil, err
			}
		}
		return voices, nil
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	codec, notices, err := f.open(cmd, timbreOnly...)
	if err != nil {
		return nil, err
	}
	defer codec.Close()
	for i, files := range found {
		if voices[i], err = enroll(cmd, codec, show, files, false); err != nil {
			return nil, f.cureVoices(err, files, codec)
		}
		for _, warning := range voices[i].Warnings {
			show.warning("%v", warning)
		}
	}
	for _, text := range notices {
		show.notice("%s", text)
	}
	return voices, nil
}
