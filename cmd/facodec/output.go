package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/atomicfile"
)

// outputFlags say how recordings are written.
type outputFlags struct {
	sampleFormat string
	format       string
	rate         int
	channels     string  // "" where there is no choice
	gain         float64 // dB

	samples audio.SampleFormat // what sampleFormat says
}

// outputFormats are the extensions of what --output-format takes.
var outputFormats = []string{"wav", "flac", "mp3", "opus"}

func (f *outputFlags) add(cmd *cobra.Command, channels bool) {
	flags := cmd.Flags()
	flags.StringVar(&f.format, "output-format", "wav", "`format` of the outputs: wav, flac, or through ffmpeg mp3, opus; with -o its extension says it")
	addFormat(cmd, &f.sampleFormat)
	flags.IntVar(&f.rate, "output-rate", 0, "sample rate of the outputs in `Hz`, 44100 or 48000 say (default: the codec's)")
	flags.Float64Var(&f.gain, "gain", 0, "scale the outputs by so many `dB`: -3 say, where they would be clipped")
	if channels {
		flags.StringVar(&f.channels, "channels", "mix", "mix: the mean of a source's channels, one; keep: each by itself, as many as there are")
	}
}

// addFormat adds the flag of the commands that write samples.
func addFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "sample-format", "s16", "s16, s24: integers of 16 or 24 bit, clipping counted; f32: 32-bit floats, nothing lost (WAV only)")
}

func parseFormat(cmd *cobra.Command, format string) (audio.SampleFormat, error) {
	f, err := audio.ParseSampleFormat(format)
	if err != nil {
		return f, &usageError{cmd.CommandPath(), err}
	}
	return f, nil
}

// addStrict adds the flag of the commands that read recordings.
func addStrict(cmd *cobra.Command, strict *bool) {
	cmd.Flags().BoolVar(strict, "strict", false, "refuse recordings that are odd, though all of their sound is there; otherwise a notice tells what is")
}

// check refuses what needs no file to be seen wrong; output is what -o names, "" for
// none.
func (f *outputFlags) check(cmd *cobra.Command, output string) (err error) {
	usage := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
	}
	if f.samples, err = parseFormat(cmd, f.sampleFormat); err != nil {
		return err
	}
	if !slices.Contains(outputFormats, f.format) {
		return usage("--output-format: %q is not one of %s", f.format, strings.Join(outputFormats, ", "))
	}
	if output == dash && cmd.Flags().Changed("output-format") {
		return usage("--output-format with -o -: a pipe gets a WAV file; leave it out, or name a file")
	}
	if output != "" && cmd.Flags().Changed("output-format") {
		return usage("--output-format and -o: the file extension of -o sets the format")
	}
	if output != "" && output != dash {
		if err := checkExtension(output); err != nil {
			return usage("%v", err)
		}
	}
	if format := f.lossy(output); format != "" && f.samples != audio.S16 {
		return usage("--sample-format %s: %s has no sample format; leave it out, or write .wav", f.samples, format)
	}
	if f.channels != "" && f.channels != "mix" && f.channels != "keep" {
		return usage("--channels: %q is not mix or keep", f.channels)
	}
	if cmd.Flags().Changed("output-rate") && (f.rate < audio.MinRate || f.rate > audio.MaxRate) {
		return usage("--output-rate: %d Hz; rates from %d to %d Hz are written", f.rate, audio.MinRate, audio.MaxRate)
	}
	if !(f.gain >= -maxGain && f.gain <= maxGain) {
		return usage("--gain %g: want %d to %d dB", f.gain, -maxGain, maxGain)
	}
	if output == dash && f.rate != 0 {
		return usage("--output-rate with -o -: a pipe is written at the codec's rate")
	}
	return nil
}

// maxGain is the largest of --gain, up or down, in dB: the dynamic range of 16 bits.
const maxGain = 96

// cureClipping says how an output is made of which samples were clipped, and none are: with
// the gain that its peak leaves room for, or as floats where the format has them.
func (f *outputFlags) cureClipping(r facodec.FileReport) string {
	over := 20 * math.Log10(r.Peak)
	cure := fmt.Sprintf("by up to %.1f dB, and are clipped; --gain %.1f lowers the output enough", over, math.Floor(10*(f.gain-over)-1e-6)/10)
	if extension := strings.ToLower(filepath.Ext(r.Output)); extension != ".flac" && f.lossy(r.Output) == "" {
		cure += ", --sample-format f32 keeps them as they are"
	}
	return cure
}

// checkExtension refuses a recording's name whose extension says no format; devices and
// pipes need none.
func checkExtension(output string) error {
	if atomicfile.IsStream(output) || audio.HasExtension(output) || slices.Contains(waveExtensions, strings.ToLower(filepath.Ext(output))) {
		return nil
	}
	return fmt.Errorf("-o %s: the file extension sets the format; give .wav, .flac, .mp3 or .opus", output)
}

// waveExtensions are those of WAV files beside .wav.
var waveExtensions = []string{".wave", ".rf64", ".bw64"}

// lossy returns the name of the format of the outputs, if it is one that keeps no samples;
// output is what -o names.
func (f *outputFlags) lossy(output string) string {
	extension := f.extension()
	if output != "" {
		extension = strings.ToLower(filepath.Ext(output))
	}
	switch extension {
	case ".mp3":
		return "MP3"
	case ".opus", ".ogg", ".oga":
		return "Opus"
	}
	return ""
}

// extension is that of outputs below --output-dir, with its dot.
func (f *outputFlags) extension() string { return "." + f.format }

func (f *outputFlags) keepChannels() bool { return f.channels == "keep" }

// probe says before any work what keeps outputs such as path from being written at all:
// ffmpeg that is missing, a rate that the format does not have.
func (f *outputFlags) probe(rate int, path string) error {
	if path == dash {
		return nil
	}
	dir, err := os.MkdirTemp("", "facodec-")
	if err != nil {
		return nil // the outputs will tell
	}
	defer os.RemoveAll(dir)
	probe := filepath.Join(dir, "output"+filepath.Ext(path))
	w, err := audio.CreateWith(probe, audio.WriteOptions{Rate: rate, FileRate: f.rate, Format: f.samples})
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil { // without the name of the probe
			err = inner
		}
		return err
	}
	w.Discard()
	return nil
}

// options returns the flags that change what is written, as they are given.
func (f *outputFlags) options(more ...string) string {
	list := slices.Clone(more)
	if f.samples != audio.S16 {
		list = append(list, "--sample-format "+f.samples.String())
	}
	if f.rate != 0 {
		list = append(list, fmt.Sprintf("--output-rate %d", f.rate))
	}
	if f.gain != 0 {
		list = append(list, fmt.Sprintf("--gain %g", f.gain))
	}
	if f.keepChannels() {
		list = append(list, "--channels keep")
	}
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), " ")
}

// given is flag if it is set.
func given(set bool, flag string) string {
	if set {
		return flag
	}
	return ""
}
