package fac

import (
	"context"
	"fmt"
	"io"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/recording"
)

// EncodeOptions are those of Encode.
type EncodeOptions struct {
	// DropResidual is how many of the last residual books are left out; each takes
	// 800 bit/s in the standard configuration. Decoding does without them.
	DropResidual int
	// EntropyCoding stores the same codes in fewer bits: some 8 % less for seconds of
	// speech, 20 % for minutes. Decoding gives the same samples.
	EntropyCoding bool
	// Strict takes for an error what is odd about a source (audio.Options).
	Strict bool
	// Progress, if not nil, is told now and then how many seconds of the source are
	// done.
	Progress func(seconds float64)
	// In, if not nil, is read instead of the file source, which is then its name in
	// errors.
	In io.Reader
	// Out, if not nil, is written instead of the file output, which is then its
	// name in errors.
	Out io.Writer
}

// Encode encodes an audio file of any rate, kind and length in flat memory and
// writes a compressed file, which Decode decodes to what ReconstructFile of the codec
// gives. The source is read once, and codes are written as they come, 0.8 seconds
// at a time: both may be pipes. After an error nothing is left of an output file;
// what was written to Out lacks its end, which every reader will notice.
func Encode(ctx context.Context, c *facodec.Codec, source, output string, o EncodeOptions) (facodec.FileReport, error) {
	start := time.Now()
	header, err := HeaderFor(c, c.Books()[facodec.Residual]-o.DropResidual)
	if err != nil {
		return facodec.FileReport{}, err
	}
	header.EntropyCoded = o.EntropyCoding
	r, err := openAudio(ctx, c, source, o)
	if err != nil {
		return facodec.FileReport{}, err
	}
	defer r.Close()
	out, commit := o.Out, func() error { return nil }
	if out == nil {
		f, err := atomicfile.Create(output)
		if err != nil {
			return facodec.FileReport{}, err
		}
		defer f.Discard()
		out, commit = f, f.Commit
	}
	w, err := NewWriter(out, header)
	if err != nil {
		return facodec.FileReport{}, err
	}
	e := fileEncoder{codec: c, source: source, output: output, w: w, progress: o.Progress}
	report, err := e.encode(ctx, r)
	if err != nil {
		return facodec.FileReport{}, err
	}
	notices := r.Notices()
	if o.In == nil {
		canceled, err := recording.CancelNotices(ctx, source, r.Info(), e.peak, o.Strict)
		if err != nil {
			return facodec.FileReport{}, err
		}
		notices = append(notices, canceled...)
	}
	if err := commit(); err != nil {
		return facodec.FileReport{}, err
	}
	report.Source, report.Output, report.Info, report.Notices = source, output, r.Info(), notices
	report.Bytes, report.Elapsed = w.Bytes(), time.Since(start)
	return report, nil
}

// openAudio opens a file, or the stream that is called so, at the codec's rate.
func openAudio(ctx context.Context, c *facodec.Codec, source string, o EncodeOptions) (*audio.Reader, error) {
	options := audio.Options{Rate: c.SampleRate(), Strict: o.Strict}
	if o.In != nil {
		return audio.NewReaderWith(o.In, source, options)
	}
	return audio.OpenWith(ctx, source, options)
}

// A fileEncoder encodes one recording.
type fileEncoder struct {
	codec          *facodec.Codec
	source, output string // in errors
	w              *Writer
	progress       func(seconds float64)
	peak           float32
}

// encode takes codes and timbre from one pass: each finds its own frames, and what
// they find does not depend on how the samples are cut.
func (f *fileEncoder) encode(ctx context.Context, r *audio.Reader) (facodec.FileReport, error) {
	e := f.codec.NewAnalyzer()
	rate := float64(f.codec.SampleRate())
	frames, samples := 0, int64(0)
	err := recording.ReadFrom(ctx, r, func(piece []float32) error {
		codes, err := e.Push(piece)
		if err != nil {
			return fmt.Errorf("%s: %w", f.source, err)
		}
		samples += int64(len(piece))
		for _, x := range piece {
			f.peak = max(f.peak, x, -x)
		}
		if f.progress != nil {
			f.progress(float64(samples) / rate)
		}
		frames += codes.Frames()
		return f.write(codes)
	})
	if err != nil {
		return facodec.FileReport{}, err
	}
	codes, err := e.Flush()
	if err != nil {
		return facodec.FileReport{}, err
	}
	timbre, err := e.Timbre()
	if err != nil {
		return facodec.FileReport{}, fmt.Errorf("%s: %w", f.source, err)
	}
	// An interrupt ends the other side of a pipe too: this end may not be the
	// utterance's.
	if err := ctx.Err(); err != nil {
		return facodec.FileReport{}, err
	}
	if err := f.write(codes); err != nil {
		return facodec.FileReport{}, err
	}
	if err := f.w.Finish(timbre, samples); err != nil {
		return facodec.FileReport{}, fileerr.Write(f.output, err)
	}
	return facodec.FileReport{Samples: samples, Seconds: float64(samples) / rate, Frames: frames + codes.Frames()}, nil
}

func (f *fileEncoder) write(codes facodec.Codes) error {
	if err := f.w.Write(codes); err != nil {
		return fileerr.Write(f.output, err)
	}
	return nil
}
