package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plot"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/recording"
	"github.com/facodec-go/facodec/internal/scope"
)

// noCodec is the name of no codec: the sound alone is drawn.
const noCodec = "none"

// plotFlags are those of plot.
type plotFlags struct {
	modelFlags
	named    bool     // the codec was
	notices  []string // of the codec
	output   string
	codes    []string
	title    string
	width    int
	height   int
	from, to float64
	force    bool
	quiet    bool
}

func newPlot() *cobra.Command {
	var f plotFlags
	cmd := &cobra.Command{
		Use:   "plot {FILE... -o PICTURE | RUN...}",
		Short: "Draw recordings and codes, or a training run's curves",
		Long: `Plot draws recordings as a PNG or SVG picture (the file extension sets which): the
waveform, the mel spectrogram, the pitch (pYIN, 50 to 600 Hz), and the codes
with a row per book and a color per code. Several recordings are drawn below each other
on the same scales, to compare them.

Codes come from a codec that encodes the recordings: the built-in model, or that of
--checkpoint-path; with --checkpoint-path none only the audio is drawn. Or they come from
--codes, a .npz or .safetensors of facodec extract or a .fac of facodec encode for each
recording, in the same order. Without a recording, only the codes are drawn. Memory does not grow with the
length, except for the codes. An existing picture is kept if it is the
same; another is an error, and --force overwrites it.

Given the folder of a training run (with a log.jsonl), plot draws the curves: losses,
validation, codebooks, gradients and learning rate, smoothed, with the logged values
faint behind. Crosses mark values that were NaN or infinite. Several runs are drawn over
each other, each in its own color. Without --output the picture of a single run is
` + curvesName + ` in its folder, overwritten each time.`,
		Example: `  facodec plot testdata/speech/en.flac -o en.png
  facodec plot testdata/speech/en.flac testdata/speech/it.flac -o two.svg --checkpoint-path none
  facodec plot testdata/speech/en.flac -o half.png --from 0.5 --to 1 --title "Half a second"
  facodec plot runs/x
  facodec plot runs/x runs/y -o compared.svg --from 10000`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&f.output, "output", "o", "", "`file` for the picture: .png or .svg")
	flags.StringArrayVar(&f.codes, "codes", nil, ".npz, .safetensors or .fac `file` with a recording's codes; may be repeated")
	f.add(cmd)
	flags.Lookup("checkpoint-path").Usage += "; none: the sound alone"
	flags.StringVar(&f.title, "title", "", "`text` above the picture")
	flags.Float64Var(&f.from, "from", 0, "`seconds`, or the training step, at which the picture begins")
	flags.Float64Var(&f.to, "to", 0, "`seconds`, or the training step, at which it ends (default: the end)")
	flags.IntVar(&f.width, "width", 1200, "width in `pixels`")
	flags.IntVar(&f.height, "height", 0, "height in `pixels` (default: what the panels need)")
	flags.BoolVar(&f.force, "force", false, "overwrite a picture that exists; otherwise it is kept if it is the same")
	flags.BoolVar(&f.quiet, "quiet", false, "print nothing but errors and warnings")
	return cmd
}

// check refuses what needs no file to be seen wrong.
func (f *plotFlags) check(args []string) (format plot.Format, err error) {
	const most = 1e7 // seconds, four months: far from what overflows
	switch {
	case len(args) == 0 && len(f.codes) == 0:
		return "", errors.New("nothing to draw: name an audio file, a training run's folder, or --codes")
	case f.output == "":
		return "", errors.New("no --output: name the picture, -o picture.png say")
	case len(f.codes) > 0 && f.named && f.checkpoint != noCodec:
		return "", errors.New("--codes and --checkpoint-path both give the codes; leave one out")
	case !(f.from >= 0 && f.from <= most):
		return "", fmt.Errorf("--from %g: not a time in a recording", f.from)
	case f.to != 0 && !(f.to > f.from && f.to <= most):
		return "", fmt.Errorf("--to %g: not a time after --from %g", f.to, f.from)
	}
	return f.checkPicture()
}

// checkPicture is the part of check that no picture is without.
func (f *plotFlags) checkPicture() (plot.Format, error) {
	switch {
	case f.width < 2*plot.MinSize || f.width > plot.MaxSize:
		return "", fmt.Errorf("--width %d: not %d to %d", f.width, 2*plot.MinSize, plot.MaxSize)
	case f.height != 0 && (f.height < plot.MinSize || f.height > plot.MaxSize):
		return "", fmt.Errorf("--height %d: not %d to %d", f.height, plot.MinSize, plot.MaxSize)
	}
	return plot.FormatOf(f.output)
}

func (f *plotFlags) run(cmd *cobra.Command, args []string) error {
	f.named = cmd.Flags().Changed("checkpoint-path")
	if logs := findLogs(args); logs != nil {
		return f.plotRuns(cmd, args, logs)
	}
	for _, path := range args { // a run that is not there is no recording
		if _, err := os.Stat(path); err != nil {
			return fileerr.In(path, err)
		}
	}
	format, err := f.check(args)
	if err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	show := newDisplay(cmd.ErrOrStderr(), f.quiet)
	var failed error
	sources := findSources(args, "", func(path string, err error) {
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			err = fmt.Errorf("%w; nor is there a %s, which a training run has", err, eventlog.FileName)
		}
		if failed == nil {
			failed = err
		}
	})
	switch {
	case failed != nil:
		return failed
	case len(args) > 0 && len(f.codes) > 0 && len(f.codes) != len(sources):
		return &usageError{cmd.CommandPath(), fmt.Errorf("%s and %s of codes; give one for each, in the same order",
			plural.Of(len(sources), "recording"), plural.Of(len(f.codes), "file"))}
	}
	for _, path := range append(paths(sources), f.codes...) {
		if location(path) == location(f.output) {
			return fmt.Errorf("%s: is a source, and the picture would replace it", path)
		}
	}
	for _, s := range sources {
		if isCodes(s.path) {
			return fmt.Errorf("%s: holds codes and no recording; --codes %s draws them", s.path, s.path)
		}
	}
	if err := atomicfile.Probe(f.output); err != nil {
		return err
	}
	recordings, err := f.recordings(cmd, show, sources)
	if err != nil {
		return err
	}
	canvas, err := scope.Draw(recordings, scope.Layout{Format: format, Width: f.width, Height: f.height, Title: f.title})
	if err != nil {
		return err
	}
	return f.save(show, canvas)
}

func (f *plotFlags) save(show *display, canvas *plot.Canvas) error {
	kept, err := writeOrKeep(f.output, f.force, canvas.Save)
	if err != nil {
		return err
	}
	if kept {
		show.info("%s: exists and is kept; --force overwrites it", f.output)
		return nil
	}
	for _, text := range f.notices {
		show.notice("%s", text)
	}
	show.info("%s: %d x %s", f.output, canvas.Width, plural.Of(canvas.Height, "pixel"))
	return nil
}

func paths(sources []source) (paths []string) {
	for _, s := range sources {
		paths = append(paths, s.path)
	}
	return paths
}

// recordings measures all that is drawn.
func (f *plotFlags) recordings(cmd *cobra.Command, show *display, sources []source) ([]*scope.Recording, error) {
	ctx := cmd.Context()
	options := scope.Options{Width: f.width, From: f.from, To: f.to}
	var codes []*scope.Codes
	for _, path := range f.codes {
		c, err := readCodes(path)
		if err != nil {
			return nil, err
		}
		codes = append(codes, c)
	}
	var recordings []*scope.Recording
	if len(sources) == 0 {
		for i, c := range codes {
			r, err := scope.Silent(filepath.Base(f.codes[i]), c, options)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.codes[i], err)
			}
			recordings = append(recordings, r)
		}
		return recordings, nil
	}
	var codec *facodec.Codec
	if codes == nil && f.checkpoint != noCodec {
		if err := f.modelFlags.check(); err != nil {
			return nil, err
		}
		c, notices, err := f.open(cmd, facodec.WithoutDecoder())
		if err != nil {
			return nil, err
		}
		defer c.Close()
		codec, f.notices = c, notices
	}
	total, before := 0.0, 0.0
	for _, s := range sources {
		total += secondsOf(s.path)
	}
	show.startBar(total, func(done, total float64) string { return clock(done) + " of " + clock(total) })
	defer show.stopBar()
	for i, s := range sources {
		base := filepath.Base(s.path)
		options.Progress = func(seconds float64) { show.progress(before+seconds, total, base) }
		at := recording.IdentityOf(s.path)
		r, err := scope.Measure(ctx, s.path, base, options)
		if err != nil {
			return nil, err
		}
		before += r.Seconds()
		switch {
		case codec != nil:
			if r.Codes, err = encodeForPlot(ctx, codec, s.path, f.to); err == nil {
				err = at.Check()
			}
			if err != nil {
				return nil, err
			}
		case codes != nil:
			r.Codes = codes[i]
			f.compare(show, r, f.codes[i])
		}
		recordings = append(recordings, r)
	}
	return recordings, nil
}

// compare warns of codes that are another recording's, as far as lengths tell.
func (f *plotFlags) compare(show *display, r *scope.Recording, path string) {
	seconds := float64(r.Codes.Frames()) / r.Codes.Rate
	late := r.Seconds() - seconds
	early := -late
	if f.to > 0 { // not all was read
		early = 0
	}
	if max(late, early) > 2/r.Codes.Rate {
		show.warning("%s: %.2f s of codes, for %s with %.2f s: those of another recording?", path, seconds, r.Name, r.Seconds())
	}
}

// encodeForPlot encodes a recording up to a time, 0 for the end.
func encodeForPlot(ctx context.Context, codec *facodec.Codec, path string, to float64) (*scope.Codes, error) {
	in, err := recording.Open(ctx, path, recording.Options{Rate: codec.SampleRate()})
	if err != nil {
		return nil, err
	}
	left := math.MaxInt
	if to > 0 {
		left = int(math.Ceil(to * float64(codec.SampleRate())))
	}
	encoder := codec.NewEncoder()
	var codes facodec.Codes
	_, err = in.Read(ctx, func(samples []float32) error {
		more, err := encoder.Push(samples[:min(left, len(samples))])
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		codes.Append(more)
		if left -= len(samples); left <= 0 {
			return recording.ErrStop
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	last, err := encoder.Flush()
	if err != nil {
		return nil, err
	}
	codes.Append(last)
	return codeRows(codes, codec.FrameRate()), nil
}
