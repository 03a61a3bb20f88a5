package audio

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/plural"
)

// SampleFormat is how a Writer stores samples.
type SampleFormat int

const (
	S16 SampleFormat = iota // 16-bit integers, rounded to nearest, without dither
	F32                     // 32-bit floats, exact
	S24                     // 24-bit integers, rounded to nearest
)

var sampleFormats = map[SampleFormat]string{S16: "s16", F32: "f32", S24: "s24"}

// String returns the name that ParseSampleFormat takes.
func (f SampleFormat) String() string {
	if name, ok := sampleFormats[f]; ok {
		return name
	}
	return fmt.Sprintf("SampleFormat(%d)", int(f))
}

// ParseSampleFormat takes "s16", "s24" or "f32". Anything else is ErrUnsupported.
func ParseSampleFormat(s string) (SampleFormat, error) {
	for f, name := range sampleFormats {
		if s == name {
			return f, nil
		}
	}
	return 0, faultf(ErrUnsupported, "sample format %q; s16, s24 and f32 are", s)
}

// width returns the bytes of a sample.
func (f SampleFormat) width() int {
	switch f {
	case F32:
		return 4
	case S24:
		return 3
	}
	return 2
}

// integer returns a sample as a number of so many bits, and whether it was outside full
// scale. +1 is one step above the largest number: it gets that one, which nobody calls
// clipping.
func integer(x float32, bits int) (s int32, clipped bool) {
	scale := float64(int64(1) << (bits - 1))
	return int32(min(max(math.RoundToEven(float64(x)*scale), -scale), scale-1)), x > 1 || x < -1
}

// WriteOptions say what CreateWith writes.
type WriteOptions struct {
	Rate     int          // Hz, of the samples that Write takes
	Channels int          // interleaved; 0 is 1
	Format   SampleFormat // of WAV and FLAC
	FileRate int          // Hz, of the file; 0 is Rate
	Bitrate  int          // bit/s of MP3 and Opus; 0 leaves it to the encoder
	Comment  string       // a line that the file carries; "" for none
}

// outFile is what a Writer needs of its file; tests put failing ones in its place.
type outFile interface {
	io.Writer
	io.ReaderAt
	io.WriterAt
	Commit() error
	Discard()
}

// encoder writes a file of some format.
type encoder interface {
	// encode takes whole frames of finite samples and returns how many of them it
	// clipped.
	encode(samples []float32) (clipped int64, err error)
	// finish completes what is in the file, discard ends what is at work on it.
	finish() error
	discard()
}

// A Writer writes a sound file aside its destination, where it appears, whole, at
// Commit. It serves one goroutine at a time.
type Writer struct {
	name     string
	channels int
	file     outFile
	enc      encoder
	resample *channelResampler // nil: the file has the rate of the samples
	samples  int64             // frames taken
	clipped  int64
	peak     float32
	err      error // the first error; it stays
}

// Create begins a mono file of the given rate in Hz (ErrRate if it is not served); see
// CreateWith.
func Create(path string, rate int, format SampleFormat) (*Writer, error) {
	return CreateWith(path, WriteOptions{Rate: rate, Format: format})
}

// CreateWith begins a sound file, whose extension sets the format: FLAC (.flac; s16 or
// s24), MP3 (.mp3) and Opus (.opus, .ogg, .oga), or WAV for .wav and any that is not one
// of another sound format. MP3 and Opus are encoded by ffmpeg, and without it are
// ErrNoFFmpeg. What this package reads of the file is as long as what was written, to
// the sample: n samples, or ResampledLen(n, Rate, FileRate) at another rate of the file.
// Opus is always at 48 kHz when it is read.
//
// The directory must exist. The Writer must end in Commit or Discard; `defer
// w.Discard()` right after CreateWith is the usual way.
func CreateWith(path string, o WriteOptions) (*Writer, error) {
	kind, err := o.complete(path)
	if err != nil {
		return nil, writeError(path, err)
	}
	w := &Writer{name: path, channels: o.Channels}
	if o.FileRate != o.Rate {
		if w.resample, err = newChannelResampler(o.Channels, o.Rate, o.FileRate); err != nil {
			return nil, writeError(path, err)
		}
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return nil, err // names the file
	}
	w.file = f
	switch kind {
	case "wav":
		w.enc = newWAVEncoder(f, o)
	case "flac":
		w.enc, err = newFLACEncoder(f, o)
	default:
		w.enc, err = newFFmpegEncoder(f.Name(), kind, o)
	}
	if err != nil {
		f.Discard()
		return nil, writeError(path, err)
	}
	return w, nil
}

// complete fills in what is left to us, finds out the format and refuses what it cannot
// hold.
func (o *WriteOptions) complete(path string) (kind string, err error) {
	if len(o.Comment) > maxComment || strings.ContainsFunc(o.Comment, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", faultf(ErrUnsupported, "a comment of more than %d bytes, or of other letters than ASCII", maxComment)
	}
	if kind, err = writtenFormat(path); err != nil {
		return "", err
	}
	if o.Channels == 0 {
		o.Channels = 1
	}
	if o.FileRate == 0 {
		o.FileRate = o.Rate
		if kind == "opus" && !slices.Contains(opusRates, o.Rate) {
			o.FileRate = opusRate
		}
	}
	for _, err := range []error{checkFormat(o.Rate, o.Format), checkFormat(o.FileRate, o.Format), o.check(kind)} {
		if err != nil {
			return "", err
		}
	}
	return kind, nil
}

// writtenFormat is the format that a file's extension sets.
func writtenFormat(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".flac":
		return "flac", nil
	case ".mp3":
		return "mp3", nil
	case ".opus", ".ogg", ".oga":
		return "opus", nil
	case ".wav", ".wave", ".rf64", ".bw64":
		return "wav", nil
	default:
		if HasExtension(path) {
			return "", faultf(ErrUnsupported, "%s is not written; .wav, .flac, .mp3 and .opus are", ext)
		}
		return "wav", nil
	}
}

// The rates in Hz that MP3 and Opus are encoded at.
var (
	mp3WriteRates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}
	opusRates     = []int{8000, 12000, 16000, 24000, 48000}
)

// check refuses what a format cannot hold.
func (o *WriteOptions) check(kind string) error {
	channels, rates := 8, []int(nil)
	switch kind {
	case "mp3":
		channels, rates = 2, mp3WriteRates
	case "opus":
		channels, rates = 2, opusRates
	}
	switch {
	case o.Channels < 1 || o.Channels > channels:
		return faultf(ErrUnsupported, "%s; %s is written with 1 to %d", plural.Of(o.Channels, "channel"), kind, channels)
	case kind == "flac" && o.Format == F32:
		return faultf(ErrUnsupported, "FLAC holds integers: s16 or s24 instead of f32")
	case rates != nil && !slices.Contains(rates, o.FileRate):
		return faultf(ErrRate, "%s of %d Hz; its rates are %v", kind, o.FileRate, rates)
	}
	return nil
}

func writeError(name string, err error) error {
	return fmt.Errorf("write %s: %w", printable(name), err)
}

// Write appends samples, full scale ±1, of whole frames. In all formats but F32, what
// lies outside full scale is clipped and counted. A sample that is NaN or infinite is
// ErrNotFinite, and none of that call is written. After an error the file cannot be
// committed.
func (w *Writer) Write(samples []float32) error {
	if w.err != nil {
		return w.err
	}
	if len(samples)%w.channels != 0 {
		return w.fail(fmt.Errorf("%s, not whole frames of %s", plural.Of(len(samples), "sample"), plural.Of(w.channels, "channel")))
	}
	if i := indexNotFinite(samples); i >= 0 {
		return w.fail(faultf(ErrNotFinite, "sample %d is %v", w.samples+int64(i/w.channels), samples[i]))
	}
	w.samples += int64(len(samples) / w.channels)
	if w.resample == nil {
		return w.encode(samples)
	}
	for len(samples) > 0 { // in blocks, so that a whole file in one call takes no memory
		n := min(len(samples), blockFrames*w.channels)
		if err := w.encode(w.resample.process(samples[:n])); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

func (w *Writer) encode(samples []float32) error {
	for _, x := range samples {
		w.peak = max(w.peak, x, -x)
	}
	clipped, err := w.enc.encode(samples)
	w.clipped += clipped
	if err != nil {
		return w.fail(err)
	}
	return nil
}

// fail keeps the first error, with the file's name.
func (w *Writer) fail(err error) error {
	w.err = writeError(w.name, err)
	return w.err
}

// Samples returns how many samples of each channel Write took.
func (w *Writer) Samples() int64 { return w.samples }

// Clipped returns how many samples of the file lay outside ±1 and were clipped; F32
// clips none.
func (w *Writer) Clipped() int64 { return w.clipped }

// Peak returns the largest magnitude of the file's samples, 1 at full scale, as it was before
// they were clipped.
func (w *Writer) Peak() float64 { return float64(w.peak) }

// Commit completes the file and puts it in its place, replacing what is there. A
// file without samples is allowed. After an error, now or in Write, nothing is
// left behind and the destination is as it was. WAV files past 4 GiB become RF64.
func (w *Writer) Commit() error {
	if w.err == nil && w.resample != nil {
		w.encode(w.resample.flush())
	}
	if w.err == nil {
		if err := w.enc.finish(); err != nil {
			w.fail(err)
		}
	}
	if w.err != nil {
		w.enc.discard()
		w.file.Discard()
		return w.err
	}
	err := w.file.Commit() // names the file
	w.err = writeError(w.name, os.ErrClosed)
	return err
}

// Discard drops the unfinished file. After Commit it does nothing.
func (w *Writer) Discard() {
	if w.err == nil {
		w.err = writeError(w.name, os.ErrClosed)
	}
	w.enc.discard()
	w.file.Discard()
}
