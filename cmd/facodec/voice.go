package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"time"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/atomicfile"
	inner "github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/plural"
)

func newVoice() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "voice",
		Short: "Store a voice, or compare two",
		Long: `Voice stores the timbre of recordings, and their mean spectrum, in a small file, which
--reference accepts in their place, and measures how similar two voices are.`,
		Example: `  facodec voice enroll --source testdata/speech/it.flac -o it.voice
  facodec convert --source testdata/speech/en.flac --reference it.voice --output-dir out
  facodec voice compare it.voice testdata/speech/fr.flac`,
		Args: commandArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newVoiceEnroll(), newVoiceCompare())
	return cmd
}

// enrollFlags are those of voice enroll.
type enrollFlags struct {
	modelFlags
	sources []string
	output  string
	frames  bool
	force   bool
	quiet   bool
	json    bool
}

func newVoiceEnroll() *cobra.Command {
	var f enrollFlags
	cmd := &cobra.Command{
		Use:   "enroll --source FILE... -o VOICE [--checkpoint-path CHECKPOINT]",
		Short: "Store the voice of recordings in a small file",
		Long: `Enroll computes the timbre of recordings of one speaker, with models whose decoder_type is
source_filter also their mean spectrum, and writes them to a file of 3 KB with the built-in
model (4 KB with the published codec), .voice by convention. --reference accepts it in place
of the recordings, with the same result. The recordings cannot be recovered from it, unless
--frames puts codes of them there.

Sources are audio files, folders of them, or enrolled voices; together they become one
voice, their mean weighted by length. If one fails, nothing is written. A voice works
with the checkpoint that made it, and with any that has the same timbre encoder.
docs/voice.md describes the file. An existing output is kept if it is the same voice; any other,
of other recordings or of a --precision that gives another timbre, is an error, and --force overwrites it.`,
		Example: `  facodec voice enroll --source testdata/speech/it.flac -o it.voice
  facodec convert --source testdata/speech/en.flac --reference it.voice --output-dir out`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.sources, "source", nil, "audio `file`s of one speaker, or folders of them; may be repeated")
	flags.StringVarP(&f.output, "output", "o", "", "`file` to write the voice to, alice.voice say")
	f.add(cmd)
	flags.BoolVar(&f.frames, "frames", false, "also keep codes of the recordings, up to a minute, for --match of convert: what was said can be heard from them")
	flags.BoolVar(&f.force, "force", false, "overwrite an output that exists; otherwise it is kept if it is the same voice")
	flags.BoolVar(&f.quiet, "quiet", false, "print nothing but errors and warnings")
	flags.BoolVar(&f.json, "json", false, "print a report to stdout")
	return cmd
}

func (f *enrollFlags) check(cmd *cobra.Command) error {
	switch {
	case len(f.sources) == 0:
		return &usageError{cmd.CommandPath(), errors.New("no --source: name an audio file of the speaker, or a folder of them")}
	case f.output == "":
		return &usageError{cmd.CommandPath(), errors.New("no --output: name the file for the voice, -o alice.voice say")}
	}
	return f.modelFlags.check()
}

// enrollReport is what --json prints.
type enrollReport struct {
	Output  string   `json:"output"`
	Sources []string `json:"sources"`
	Seconds float64  `json:"seconds"` // of audio
	Values  int      `json:"values"`  // of the timbre
	Model   string   `json:"timbre_encoder"`
	Kept    bool     `json:"kept"` // the output existed; what is reported is its
	Elapsed float64  `json:"elapsed_seconds"`
}

func (f *enrollFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	show := newDisplay(cmd.ErrOrStderr(), f.quiet)
	found, err := findReferences(f.sources, "")
	if err != nil {
		return err
	}
	for _, source := range found.files {
		if location(source) == location(f.output) {
			return fmt.Errorf("%s: is a source; name another file for the voice", f.output)
		}
	}
	if f.force || !exists(f.output) {
		if err := atomicfile.Probe(f.output); err != nil {
			return err
		}
	}
	r := enrollReport{Output: f.output, Sources: found.files}
	codec, notices, err := f.open(cmd, timbreOnly...)
	if err != nil {
		return err
	}
	more := inner.Inner(codec).TakesReferences() // its voices have a spectrum, and may have frames
	if more {
		codec.Close()
		if codec, notices, err = f.open(cmd); err != nil {
			return err
		}
	}
	defer codec.Close()
	start := time.Now()
	voice, err := enroll(cmd, codec, show, found.files, f.frames && more)
	if err != nil {
		return f.cureVoices(err, found.files, codec)
	}
	for _, warning := range voice.Warnings {
		show.warning("%v", warning)
	}
	if f.frames && voice.Frames.Frames() == 0 {
		return fmt.Errorf("--frames: there are none: the codec's decoder_type is not source_filter, or the source is a .voice without frames, or one of several sources; enroll clips, or leave --frames out")
	}
	if exists(f.output) && !f.force {
		if err := f.checkKept(voice); err != nil {
			return err
		}
		r.Kept = true
		show.info("%s: exists and is kept; --force overwrites it", f.output)
	} else {
		if err := voice.Save(f.output); err != nil {
			return err
		}
		r.Elapsed = round(time.Since(start).Seconds())
		for _, text := range notices {
			show.notice("%s", text)
		}
		show.info("%s: the voice of %.2f s of audio in %s", f.output, voice.Seconds, plural.Of(len(found.files), "file"))
	}
	r.Seconds, r.Values, r.Model = round(voice.Seconds), len(voice.Timbre), voice.Model.String()
	if f.json {
		return printJSON(cmd.OutOrStdout(), r)
	}
	return nil
}

// checkKept refuses a file that is there and is not the voice.
func (f *enrollFlags) checkKept(voice *facodec.Voice) error {
	was, err := facodec.LoadVoice(f.output)
	switch {
	case err != nil:
		return fmt.Errorf("%w; --force overwrites it", err)
	case was.Model != voice.Model:
		return fmt.Errorf("%s: was made with other weights; --force overwrites it, or give another -o", f.output)
	case len(was.Spectrum) != len(voice.Spectrum) || was.Decoder != voice.Decoder:
		return fmt.Errorf("%s: has no spectrum, as voices of earlier versions of this program, or that of another decoder; --force overwrites it, or give another -o", f.output)
	case !reflect.DeepEqual(was.Frames, voice.Frames):
		return fmt.Errorf("%s: has other frames of recordings, or was made with or without --frames; --force overwrites it, or give another -o", f.output)
	case was.Seconds != voice.Seconds || distance(voice.Timbre, was.Timbre) > sameTimbre || distance(voice.Spectrum, was.Spectrum) > sameSpectrum:
		return fmt.Errorf("%s: was made of other recordings, or with another --precision; --force overwrites it, or give another -o", f.output)
	}
	return nil
}

// sameSpectrum is the relative RMS up to which two spectra are those of the same recordings: codes
// that another processor rounds to their neighbors change the mean a little.
const sameSpectrum = 0.02

// timbreOnly opens a codec for voices alone, a small part of it.
var timbreOnly = []facodec.Option{facodec.WithoutEncoder(), facodec.WithoutDecoder()}

// enroll finds the voice of files, with a bar.
func enroll(cmd *cobra.Command, codec *facodec.Codec, show *display, files []string, frames bool) (*facodec.Voice, error) {
	total := 0.0
	if show.terminal() {
		for _, file := range files {
			total += secondsOf(file)
		}
	}
	show.startBar(total, func(done, total float64) string { return clock(done) + " of " + clock(total) })
	defer show.stopBar()
	progress := func(seconds float64) {
		total = max(total, seconds)
		show.progress(seconds, total, filepath.Base(files[0]))
	}
	return codec.EnrollFiles(cmd.Context(), files, facodec.EnrollOptions{Frames: frames, Progress: progress})
}
