package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
)

type evalFlags struct {
	modelFlags
	sources   []string
	decoded   string
	rate      int
	outputDir string
	format    string
	normalize bool
	quiet     bool
	json      bool
}

func newEval() *cobra.Command {
	var flags evalFlags
	cmd := &cobra.Command{
		Use:   "eval --source FILE... [--checkpoint-path CHECKPOINT | --decoded FOLDER]",
		Short: "Measure how close a codec's reconstructions are to recordings",
		Long: `Eval encodes and decodes recordings, each with its own timbre, and measures how close
the reconstructions are: a row per recording, then the means with their 95 % confidence
intervals, then the use of the codebooks over all recordings.

  mel      mel distance, the loss that the codec is trained with: L1 of log10 mel spectra,
           summed over seven resolutions; lower is better
  stft     STFT distance: the same for linear spectra, two resolutions; lower is better
  si_sdr   scale-invariant signal-to-distortion ratio of the waveform, in dB; higher is
           better. It is near or below 0 for a codec that does not keep the phase
  stoi     intelligibility, 0 to 1; higher is better
  estoi    extended STOI, stricter; higher is better
  f0_cor   f0_correlation: correlation of log pitch, -1 to 1; higher is better
  cents    f0_cents: mean absolute error of the pitch; 100 cents are a semitone; lower is better
  rms      f0_cents_rms: root mean square of the same, dominated by octave errors;
           lower is better
  gross    f0_gross_error: share of frames voiced in both whose pitch is off by
           more than 20 %; lower is better
  voic     f0_voicing_error: share of frames voiced in only one of the two;
           lower is better

Which of them agree with public judges: over seven versions of the built-in model, on 30
recordings, estoi, stoi and f0_cents ranked as PESQ, DNSMOS and speaker similarity did
(rank correlation at least 0.93), and on most single recordings, too; the other errors of
pitch on average alone; mel less (0.79 to 0.86); si_sdr and stft did not. None says which of
two recordings of one model sounds better. docs/training.md has the table.

  perplexity   effective number of entries in use, 1 to the size of the codebook;
               higher is better. A low value means a collapsed book, or too little
               audio: each frame is one code of each book

A metric that is undefined for a recording is NaN (null in the report of --json), and is
left out of the mean and counted: pitch if nothing is voiced, si_sdr of silence, stoi of
less than 0.41 s of speech, mel and stft of less than 0.043 s. The intervals treat
recordings as independent: those of one speaker say little about other speakers.

Validation during training measures the mel distance at peak 1; --normalize scales
recordings to peak 1 and measures there. Each recording is held in memory. If there are
many, each thread processes one. --output-dir keeps the reconstructions as
DIR/reconstructed_<name>.wav, in the structure of the source folders; existing outputs
are overwritten.

--decoded measures what any other codec made of the recordings, with no model at all: its
folder has a file for each source, at the same place below it as the source below the folder that
was named, and called as the source (en.wav or en.flac.wav for en.flac), or as reconstruct and
convert call their outputs. Both are resampled to --rate and compared from their
first sample on: a delay that the other codec adds is to be cut off before. Above the band of a
source (8 kHz, of one of 16 kHz) there is nothing but the rounding of the files: mel and stft,
which are logarithms, are comparable for files of one sample format, or at the rate of the source.

A recording that cannot be read is reported, the others are still measured, and the exit
code is 2.`,
		Example: `  facodec eval --source testdata/speech
  facodec eval --source testdata/speech --json
  facodec eval --source testdata/speech/en.flac --output-dir reconstructed
  facodec eval --source testdata/speech --decoded other-codec --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.sources = append(flags.sources, args...)
			return flags.run(cmd)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&flags.sources, "source", nil, "audio `file`s, or folders of them; may be repeated")
	f.StringVar(&flags.decoded, "decoded", "", "`folder` of what another codec decoded of the sources, or the file of a single one, to be measured in place of this codec's")
	f.IntVar(&flags.rate, "rate", decodedRate, "sample rate in `Hz` at which --decoded is compared")
	flags.modelFlags.add(cmd)
	f.StringVar(&flags.outputDir, "output-dir", "", "`folder` for the reconstructions (default: they are not kept)")
	addFormat(cmd, &flags.format)
	f.BoolVar(&flags.normalize, "normalize", false, "scale recordings to peak 1, the level that the published model was trained on, and measure at that level; outputs are scaled back")
	f.BoolVar(&flags.quiet, "quiet", false, "print no progress and no notices")
	f.BoolVar(&flags.json, "json", false, "print a report to stdout instead of the table")
	return cmd
}

func (f *evalFlags) check(cmd *cobra.Command) error {
	for _, source := range f.sources {
		if source == "" {
			return &usageError{cmd.CommandPath(), errors.New("--source is empty: name an audio file or a folder of them")}
		}
	}
	if len(f.sources) == 0 {
		return &usageError{cmd.CommandPath(), errors.New("no --source: name an audio file or a folder of them")}
	}
	if err := f.checkDecoded(cmd); err != nil {
		return err
	}
	return f.modelFlags.check()
}

func (f *evalFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	format, err := parseFormat(cmd, f.format)
	if err != nil {
		return err
	}
	e := &evaluation{
		evalFlags: f, format: format, show: newDisplay(cmd.ErrOrStderr(), f.quiet),
		table: metric.NewTable(metric.SpeechNames()...),
	}
	jobs, err := e.jobs()
	if err != nil {
		return err
	}
	defer e.made.removeEmpty()
	if len(jobs) > 0 {
		defer func() {
			if e.codec != nil {
				e.codec.Close()
			}
		}()
		if err := e.open(cmd, jobs); err != nil {
			return err
		}
	}
	return e.run(cmd, jobs)
}

// An evaluation is one run of eval.
type evaluation struct {
	*evalFlags
	format audio.SampleFormat
	show   *display
	made   folders

	codec    *facodec.Codec // nil with --decoded
	pairs    *pairing       // with --decoded
	notices  []string
	files    int                 // at a time
	speeches chan *metric.Speech // one for each of them

	results   []evalFile
	failed    []failed
	unwritten bool // a failure is of the place that outputs go to
	table     *metric.Table
	books     []string
	uses      []*metric.CodebookUse
}

func (e *evaluation) fail(source string, err error) {
	e.unwritten = e.unwritten || isOutputs(err)
	e.failed = append(e.failed, failed{source, oneLine(err.Error())})
	e.show.failure(err)
}

// jobs finds the recordings, each once, and their outputs, "" where none are kept.
func (e *evaluation) jobs() ([]job, error) {
	skip := e.outputDir
	if e.decoded != "" {
		skip = e.decoded // it may lie in the folder of the sources
	}
	sources := findSources(e.sources, skip, e.fail)
	if e.outputDir != "" {
		return plan(sources, e.outputDir, func(name string) string { return "reconstructed_" + name + ".wav" })
	}
	var jobs []job
	seen := map[string]bool{}
	for _, s := range sources {
		if key := location(s.path); !seen[key] {
			seen[key] = true
			jobs = append(jobs, job{source: s.path, path: s.relative()})
		}
	}
	return jobs, nil
}

// open makes ready what the recordings need.
func (e *evaluation) open(cmd *cobra.Command, jobs []job) (err error) {
	if e.outputDir != "" {
		if err := e.made.make(e.outputDir); err != nil {
			return err
		}
		if err := probeOutputs(outputsToMake(jobs, true)); err != nil {
			return err
		}
	}
	b := batch{batchFlags: &batchFlags{modelFlags: e.modelFlags}, together: true}
	e.files = b.files(cmd, len(jobs))
	e.alone = e.files > 1
	if e.decoded != "" {
		if e.pairs, err = pair(jobs, e.decoded, e.fail); err != nil {
			return err
		}
	} else {
		if e.codec, e.notices, err = e.modelFlags.open(cmd); err != nil {
			return err
		}
		e.rate = e.codec.SampleRate()
	}
	e.speeches = make(chan *metric.Speech, e.files)
	for range e.files {
		speech, err := metric.NewSpeech(e.rate)
		if err != nil {
			return err
		}
		e.speeches <- speech
	}
	if e.codec == nil {
		return nil
	}
	e.books = model.BookNames(e.codec.Books())
	for range e.books {
		e.uses = append(e.uses, metric.NewCodebookUse(e.codec.CodebookSize()))
	}
	return nil
}

// run evaluates all recordings and prints.
func (e *evaluation) run(cmd *cobra.Command, jobs []job) error {
	ctx, start := cmd.Context(), time.Now()
	m := newMeter(e.show, jobs)
	printer := newEvalPrinter(cmd.OutOrStdout(), e, jobs)
	var interrupted error
	for i, o := range ordered(e.files, len(jobs), func(i int) evaluated { return e.one(ctx, jobs[i], m.begin(i)) }) {
		m.end(i, o.file.Seconds)
		if errors.Is(o.err, context.Canceled) {
			interrupted = o.err
			continue
		}
		err := o.err
		if err == nil {
			err = e.add(o)
		}
		if err != nil {
			e.fail(jobs[i].source, err)
			continue
		}
		for _, text := range e.notices {
			e.show.notice("%s", text)
		}
		e.notices = nil
		printer.row(o.file)
		if o.file.Clipped > 0 {
			e.show.warning("%s: %s beyond full scale, clipped after the measurement; --sample-format f32 clips none",
				o.file.Output, plural.Of(o.file.Clipped, "sample"))
		}
	}
	m.close()
	if e.pairs != nil {
		if text := e.pairs.left(e.decoded); text != "" {
			e.show.notice("%s", text)
		}
	}
	for i, use := range e.uses {
		if u := use.Usage(); u.Collapsed() {
			e.show.warning("%s: %s used %d of %s: the codes have collapsed, or the recordings are silent; is the checkpoint whole, and are these its files?",
				e.books[i], plural.Of(u.Codes, "frame"), u.Distinct, plural.Of(u.Entries, "entry"))
		}
	}
	if err := printer.end(e.report(time.Since(start), interrupted != nil)); err != nil {
		return err
	}
	switch {
	case interrupted != nil:
		return interrupted
	case e.unwritten:
		return errOutputsFailed
	case len(e.failed) > 0:
		return errSomeFailed
	}
	return nil
}

// add enters a recording into what is said of all.
func (e *evaluation) add(o evaluated) error {
	for i, book := range o.codes.Books() {
		if err := e.uses[i].Add(book); err != nil {
			return fmt.Errorf("%s: %s: %w", o.file.Source, e.books[i], err)
		}
	}
	if err := e.table.Add(o.file.Source, o.file.measured); err != nil {
		return err
	}
	e.results = append(e.results, o.file)
	return nil
}
