package fac

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/fifo"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/recording"
)

// partsOf returns the parts of a file's codes that are decoded, of which wanted are
// those asked for: nil for all that are there, or, in another voice, all but the
// residual. It refuses a part that is not there.
func partsOf(h Header, wanted []facodec.Part, converted bool) ([]facodec.Part, error) {
	if wanted == nil {
		var parts []facodec.Part
		for part := range facodec.NumParts {
			if !converted || slices.Contains(model.ConversionParts, model.Part(part)) {
				parts = append(parts, part)
			}
		}
		return parts, nil
	}
	for _, part := range wanted {
		if part < 0 || part >= facodec.NumParts || h.Books[part] == 0 {
			return nil, leftOut(part)
		}
	}
	return wanted, nil
}

// leftOut is an ErrTokens of a file that is of the codec, but was encoded without a part.
type leftOut facodec.Part

func (p leftOut) Error() string {
	return fmt.Sprintf("holds no %v codes: they were left out when it was encoded", facodec.Part(p))
}

func (p leftOut) Is(target error) bool { return target == facodec.ErrTokens }

// DecodeOptions are those of Decode.
type DecodeOptions struct {
	// SampleFormat is that of a WAV or FLAC file, audio.S16 by default.
	SampleFormat audio.SampleFormat
	// OutputRate is the rate of the file written in Hz; 0 for the codec's, which
	// Out always has.
	OutputRate int
	// Gain scales the samples written, in dB: below 0 where they would be clipped.
	Gain float64
	// Comment is a line of ASCII that the file written carries; see audio.FindComment.
	Comment string
	// Parts are those to decode; nil for all that are there, or, in another voice,
	// all but the residual, as conversion does. Each goes through the norm and the
	// timbre as all together would, so that one alone can be listened to.
	Parts []facodec.Part
	// Decoder, if not nil, is one of the codec in another voice than the file's own
	// (facodec.Codec.NewVoiceDecoder). It can then be used for another file.
	Decoder *facodec.Decoder
	// Progress, if not nil, is called regularly with the seconds done.
	Progress func(seconds float64)
	// In, if not nil, is read instead of the file source, which is then its name in
	// errors.
	In io.Reader
	// Out, if not nil, is written instead of the file output, which is then its
	// name in errors.
	Out io.Writer
}

// Decode decodes a compressed file to a mono file, whose extension sets the format
// (audio.CreateWith), and Out to WAV, of as many samples as were encoded: the same that ReconstructFile of the codec gives where all parts are
// decoded. A file is checked from its first byte to its last before a sample is
// decoded, and no output is made of one that is damaged. After an error nothing is
// left of an output file.
//
// The timbre is known at the end of a compressed file, and files are read twice.
// From In the codes are kept until the end has come, 600 bytes for every second,
// unless Decoder is given: then samples come as the codes do, and an error may come
// after them.
func Decode(ctx context.Context, c *facodec.Codec, source, output string, o DecodeOptions) (facodec.FileReport, error) {
	start := time.Now()
	f := fileDecoder{codec: c, source: source, output: output, options: o, samples: -1}
	report, err := f.run(ctx)
	if err != nil {
		return facodec.FileReport{}, err
	}
	report.Source, report.Output, report.Elapsed = source, output, time.Since(start)
	return report, nil
}

// A fileDecoder decodes one compressed file.
type fileDecoder struct {
	codec          *facodec.Codec
	source, output string
	options        DecodeOptions

	close    func() // of the source; nil where none was opened
	identity recording.Identity
	timbre   []float32 // the file's own, if it is needed
	samples  int64     // of the utterance; -1 before the trailer was read
	w        *audio.Writer
	held     []float32 // may reach past the end of the utterance
}

func (f *fileDecoder) run(ctx context.Context) (facodec.FileReport, error) {
	defer func() {
		if f.close != nil {
			f.close()
		}
	}()
	codes, err := f.open(ctx)
	if err != nil {
		return facodec.FileReport{}, err
	}
	defer func() {
		if f.w != nil {
			f.w.Discard()
		}
	}()
	report, err := f.decode(ctx, codes)
	if err != nil {
		return facodec.FileReport{}, err
	}
	if err := f.w.Commit(); err != nil {
		return facodec.FileReport{}, err
	}
	report.Clipped, report.Peak = f.w.Clipped(), f.w.Peak()
	return report, nil
}

// open returns what to decode from, with timbre set if it is needed. Where the file can be read
// twice or its own timbre is wanted, it has been checked whole.
func (f *fileDecoder) open(ctx context.Context) (io.Reader, error) {
	in := f.options.In
	if in == nil {
		f.identity = recording.IdentityOf(f.source)
		file, err := fifo.Open(ctx, f.source)
		if err != nil {
			return nil, fileerr.Read(f.source, err)
		}
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			err := f.scan(ctx, file)
			if err == nil {
				_, err = file.Seek(0, io.SeekStart)
			}
			f.close = func() { file.Close() }
			return file, err
		}
		pipe, stop := fifo.Reader(ctx, file)
		f.close = func() {
			stop()
			file.Close()
		}
		in = pipe
	}
	if f.options.Decoder != nil {
		return in, nil
	}
	var kept bytes.Buffer
	err := f.scan(ctx, io.TeeReader(in, &kept))
	return &kept, err
}

// scan reads a file to its end for its timbre and length.
func (f *fileDecoder) scan(ctx context.Context, in io.Reader) error {
	r, err := NewReader(in)
	if err != nil {
		return fileerr.Read(f.source, err)
	}
	// Before the rest: it is no use to wait for what cannot be decoded.
	if _, err := r.Header().Check(f.codec); err != nil {
		return fileerr.Read(f.source, err)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fileerr.Read(f.source, err)
		}
	}
	f.timbre = r.Timbre()
	f.samples = r.Samples()
	return nil
}

// decode decodes.
func (f *fileDecoder) decode(ctx context.Context, in io.Reader) (facodec.FileReport, error) {
	c := f.codec
	r, err := NewReader(in)
	if err != nil {
		return facodec.FileReport{}, fileerr.Read(f.source, err)
	}
	h := r.Header()
	sameDecoder, err := h.Check(c)
	if err != nil {
		return facodec.FileReport{}, fileerr.Read(f.source, err)
	}
	parts, err := partsOf(h, f.options.Parts, f.options.Decoder != nil)
	if err != nil {
		return facodec.FileReport{}, fmt.Errorf("%s: %w", f.source, err)
	}
	d := f.options.Decoder
	if d == nil {
		if d, err = c.NewDecoder(f.timbre); err != nil {
			return facodec.FileReport{}, fmt.Errorf("%s: %w", f.source, err)
		}
	}
	d.Reset() // of a file that was broken off
	for {
		if err := ctx.Err(); err != nil {
			return facodec.FileReport{}, err
		}
		codes, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return facodec.FileReport{}, fileerr.Read(f.source, err)
		}
		// The first samples are those of a few frames: whoever listens to a pipe need not wait
		// for a whole block.
		for _, piece := range firstFrames(codes.Only(parts...), f.w == nil) {
			samples, err := d.Push(piece)
			if err == nil {
				err = f.write(samples, h.HopLength)
			}
			if err != nil {
				return facodec.FileReport{}, err
			}
		}
		if f.options.Progress != nil {
			f.options.Progress(float64(r.Frames()) / c.FrameRate())
		}
	}
	if f.samples >= 0 && f.samples != r.Samples() {
		return facodec.FileReport{}, fmt.Errorf("%s: %w", f.source, audio.ErrChanged)
	}
	if err := f.identity.Check(); err != nil {
		return facodec.FileReport{}, err
	}
	f.samples = r.Samples()
	last, err := d.Flush()
	if err == nil {
		err = f.write(last, 0)
	}
	if err != nil {
		return facodec.FileReport{}, err
	}
	report := facodec.FileReport{
		Info:    audio.Info{Format: "fac", Encoding: plural.Of(h.NumBooks(), "book"), SampleRate: h.SampleRate, Channels: 1, Frames: r.Samples()},
		Samples: r.Samples(), Seconds: float64(r.Samples()) / float64(h.SampleRate), Frames: int(r.Frames()),
	}
	if !sameDecoder {
		report.Warnings = append(report.Warnings, f.source+": encoded with another decoder beside the same quantizer, a fine-tuned one perhaps; the samples are not those of the codec that encoded it")
	}
	return report, nil
}

// firstFrames cuts the first frames off, as many as a decoder of the standard size needs before
// it returns samples, and some more; of a stream that has started it returns all codes.
func firstFrames(codes facodec.Codes, start bool) []facodec.Codes {
	const first = 12
	if n := codes.Frames(); start && n > first {
		return []facodec.Codes{codes.Slice(0, first), codes.Slice(first, n)}
	}
	return []facodec.Codes{codes}
}

// write passes samples on but for the last hold: how many of the last frame's
// belong to the utterance, its end tells.
func (f *fileDecoder) write(samples []float32, hold int) (err error) {
	f.held = append(f.held, samples...)
	n := max(0, len(f.held)-hold)
	if f.w == nil && (n > 0 || hold == 0) {
		rate, format := f.codec.SampleRate(), f.options.SampleFormat
		if f.options.Out != nil {
			f.w, err = audio.NewWriter(f.options.Out, f.output, rate, format, f.samples)
		} else {
			f.w, err = audio.CreateWith(f.output, audio.WriteOptions{Rate: rate, FileRate: f.options.OutputRate, Format: format, Comment: f.options.Comment})
		}
		if err != nil {
			return err
		}
	}
	if hold == 0 {
		n = int(min(int64(n), f.samples-f.w.Samples()))
	}
	if n == 0 {
		return nil
	}
	recording.Decibels(f.options.Gain).Apply(f.held[:n])
	err = f.w.Write(f.held[:n])
	f.held = append(f.held[:0], f.held[n:]...)
	return err
}
