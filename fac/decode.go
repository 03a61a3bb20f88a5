package fac

import (
	"bytes"
	"context"
	"errors"
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

// leftOut is an ErrTokens of codes that are of the codec, but have not a part.
type leftOut facodec.Part

func (p leftOut) Error() string { return fmt.Sprintf("holds no %v codes", facodec.Part(p)) }

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
	defer func() {
		if f.close != nil {
			f.close()
		}
	}()
	in, err := f.open(ctx)
	if err != nil {
		return facodec.FileReport{}, err
	}
	return f.run(start, func() (facodec.FileReport, error) { return f.decodeFile(ctx, in) })
}

// DecodeTokens is Decode of codes that are in no compressed file: those that a language model
// made, say. A part may have its first books only, or none, and Timbre may be nil where a Decoder
// is given. name stands for the codes in errors; In is not read. Codes that the codec does not
// have are facodec.ErrTokens, and a length that is not that of the frames, too.
func DecodeTokens(ctx context.Context, c *facodec.Codec, t *facodec.Tokens, name, output string, o DecodeOptions) (facodec.FileReport, error) {
	start := time.Now()
	if t == nil {
		return facodec.FileReport{}, fmt.Errorf("%s: no codes: %w", name, facodec.ErrTokens)
	}
	f := fileDecoder{codec: c, source: name, output: output, options: o, timbre: t.Timbre, samples: int64(t.Samples)}
	return f.run(start, func() (facodec.FileReport, error) { return f.decodeTokens(ctx, t) })
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

// run decodes, and completes the output.
func (f *fileDecoder) run(start time.Time, decode func() (facodec.FileReport, error)) (facodec.FileReport, error) {
	defer func() {
		if f.w != nil {
			f.w.Discard()
		}
	}()
	report, err := decode()
	if err != nil {
		return facodec.FileReport{}, err
	}
	if err := f.w.Commit(); err != nil {
		return facodec.FileReport{}, err
	}
	report.Info.SampleRate, report.Info.Channels, report.Info.Frames = f.codec.SampleRate(), 1, f.samples
	report.Samples, report.Seconds = f.samples, float64(f.samples)/float64(f.codec.SampleRate())
	report.Clipped, report.Peak = f.w.Clipped(), f.w.Peak()
	report.Source, report.Output, report.Elapsed = f.source, f.output, time.Since(start)
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

// decodeFile decodes a compressed file.
func (f *fileDecoder) decodeFile(ctx context.Context, in io.Reader) (facodec.FileReport, error) {
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
		return facodec.FileReport{}, fmt.Errorf("%s: %w: they were left out when it was encoded", f.source, err)
	}
	err = f.decode(ctx, parts, func() (facodec.Codes, error) {
		codes, err := r.Next()
		if err != nil && err != io.EOF {
			err = fileerr.Read(f.source, err)
		}
		return codes, err
	}, func() error {
		if f.samples >= 0 && f.samples != r.Samples() {
			return fmt.Errorf("%s: %w", f.source, audio.ErrChanged)
		}
		f.samples = r.Samples()
		return f.identity.Check()
	})
	if err != nil {
		return facodec.FileReport{}, err
	}
	report := facodec.FileReport{Info: audio.Info{Format: "fac", Encoding: plural.Of(h.NumBooks(), "book")}, Frames: int(r.Frames())}
	if !sameDecoder {
		report.Warnings = append(report.Warnings, f.source+": encoded with another decoder beside the same quantizer, a fine-tuned one perhaps; the samples are not those of the codec that encoded it")
	}
	return report, nil
}

// decodeTokens decodes codes.
func (f *fileDecoder) decodeTokens(ctx context.Context, t *facodec.Tokens) (facodec.FileReport, error) {
	fail := func(err error) (facodec.FileReport, error) {
		return facodec.FileReport{}, fmt.Errorf("%s: %w", f.source, err)
	}
	h := Header{HopLength: f.codec.HopLength()}
	for part, books := range t.Codes {
		h.Books[part] = len(books)
	}
	if err := model.Codes(t.Codes).Check(f.codec.Books(), f.codec.CodebookSize()); err != nil {
		return fail(fmt.Errorf("%w: %w", err, facodec.ErrTokens))
	}
	frames := t.Frames()
	if frames == 0 {
		return fail(fmt.Errorf("%s for 0 frames: %w", plural.Of(t.Samples, "sample"), facodec.ErrTokens))
	}
	if most := int64(frames) * int64(h.HopLength); int64(t.Samples) > most || int64(t.Samples) <= most-int64(h.HopLength) {
		return fail(fmt.Errorf("%s for %s, want %d to %d: %w", plural.Of(t.Samples, "sample"), plural.Of(frames, "frame"), most-int64(h.HopLength)+1, most, facodec.ErrTokens))
	}
	parts, err := partsOf(h, f.options.Parts, f.options.Decoder != nil)
	if err != nil {
		return fail(err)
	}
	if t.Only(parts...).Frames() == 0 {
		if f.options.Parts != nil {
			return fail(errors.New("no part to decode"))
		}
		return fail(errors.New("holds residual codes alone, without which another voice is decoded"))
	}
	at := 0
	err = f.decode(ctx, parts, func() (facodec.Codes, error) {
		from := at
		if from == frames {
			return facodec.Codes{}, io.EOF
		}
		at = min(frames, from+blockFrames)
		return t.Slice(from, at), nil
	}, func() error { return nil })
	if err != nil {
		return facodec.FileReport{}, err
	}
	return facodec.FileReport{Info: audio.Info{Format: "codes", Encoding: plural.Of(h.NumBooks(), "book")}, Frames: frames}, nil
}

// decode decodes the frames that next returns, until io.EOF, of some parts. end, called then, sets
// how many samples they are, where that was not known.
func (f *fileDecoder) decode(ctx context.Context, parts []facodec.Part, next func() (facodec.Codes, error), end func() error) error {
	d := f.options.Decoder
	if d == nil {
		var err error
		if d, err = f.codec.NewDecoder(f.timbre); err != nil {
			return fmt.Errorf("%s: %w", f.source, err)
		}
	}
	d.Reset() // of a file that was broken off
	frames := 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		codes, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		// The first samples are those of a few frames: whoever listens to a pipe need not wait
		// for a whole block.
		for _, piece := range firstFrames(codes.Only(parts...), f.w == nil) {
			samples, err := d.Push(piece)
			if err != nil {
				return fmt.Errorf("%s: %w", f.source, err)
			}
			if err := f.write(samples, f.codec.HopLength()); err != nil {
				return err
			}
		}
		frames += codes.Frames()
		if f.options.Progress != nil {
			f.options.Progress(float64(frames) / f.codec.FrameRate())
		}
	}
	if err := end(); err != nil {
		return err
	}
	last, err := d.Flush()
	if err != nil {
		return err
	}
	return f.write(last, 0)
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
