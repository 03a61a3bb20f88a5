package facodec

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/atomicfile"
)

// EncodeOptions are those of EncodeFile. Of the FileOptions only Progress has an
// effect.
type EncodeOptions struct {
	FileOptions
	// DropResidual is how many of the last residual books are left out; each takes
	// 800 bit/s in the standard configuration. Decoding does without them.
	DropResidual int
	// EntropyCoding stores the same codes in fewer bits: some 8 % less for seconds of
	// speech, 20 % for minutes. Decoding gives the same samples.
	EntropyCoding bool
	// In, if not nil, is read instead of the file source, which is then its name in
	// errors.
	In io.Reader
	// Out, if not nil, is written instead of the file output, which is then its
	// name in errors.
	Out io.Writer
}

// EncodeFile encodes an audio file of any rate, kind and length in flat memory and
// writes a compressed file, which DecodeFile decodes to what ReconstructFile
// gives. The source is read once, and codes are written as they come, 0.8 seconds
// at a time: both may be pipes. After an error nothing is left of an output file;
// what was written to Out lacks its end, which every reader will notice.
func (c *Codec) EncodeFile(ctx context.Context, source, output string, o EncodeOptions) (FileReport, error) {
	start := time.Now()
	header, err := c.FacHeader(c.Books()[Residual] - o.DropResidual)
	if err != nil {
		return FileReport{}, err
	}
	header.EntropyCoded = o.EntropyCoding
	r, err := c.openAudio(source, o.In)
	if err != nil {
		return FileReport{}, err
	}
	defer r.Close()
	out, commit := o.Out, func() error { return nil }
	if out == nil {
		f, err := atomicfile.Create(output)
		if err != nil {
			return FileReport{}, err
		}
		defer f.Discard()
		out, commit = f, f.Commit
	}
	w, err := NewFacWriter(out, header)
	if err != nil {
		return FileReport{}, err
	}
	report, err := c.encodeTo(ctx, r, source, w, output, o.Progress)
	if err != nil {
		return FileReport{}, err
	}
	if err := commit(); err != nil {
		return FileReport{}, err
	}
	report.Source, report.Output, report.Info = source, output, r.Info()
	report.Bytes, report.Elapsed = w.Bytes(), time.Since(start)
	return report, nil
}

// encodeTo takes codes and timbre from one pass: each finds its own frames, and
// what they find does not depend on how the samples are cut.
func (c *Codec) encodeTo(ctx context.Context, r *audio.Reader, source string, w *FacWriter, output string, progress func(float64)) (FileReport, error) {
	e, v := c.NewEncoder(), c.NewVoiceEncoder()
	write := func(codes Codes) error {
		if err := w.Write(codes); err != nil {
			return writeFault(output, err)
		}
		return nil
	}
	frames := 0
	err := c.readSamples(ctx, r, func(samples []float32) error {
		codes, err := e.Push(samples)
		if err == nil {
			err = v.Push(samples)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
		if progress != nil {
			progress(float64(e.Samples()) / float64(c.SampleRate()))
		}
		frames += codes.Frames()
		return write(codes)
	})
	if err != nil {
		return FileReport{}, err
	}
	samples := int64(e.Samples())
	codes := e.Flush()
	v.EndClip()
	timbre, err := v.Timbre()
	if err != nil {
		return FileReport{}, fmt.Errorf("%s: %w", source, err)
	}
	// An interrupt ends the other side of a pipe too: this end may not be the
	// utterance's.
	if err := ctx.Err(); err != nil {
		return FileReport{}, err
	}
	if err := write(codes); err != nil {
		return FileReport{}, err
	}
	if err := w.Finish(timbre, samples); err != nil {
		return FileReport{}, writeFault(output, err)
	}
	return FileReport{
		Samples: samples, Seconds: float64(samples) / float64(c.SampleRate()), Frames: frames + codes.Frames(),
	}, nil
}

// openAudio opens a file, or the stream that is called so, at the codec's rate.
func (c *Codec) openAudio(source string, stream io.Reader) (*audio.Reader, error) {
	if stream != nil {
		return audio.NewReaderAt(stream, source, c.SampleRate())
	}
	return audio.OpenAt(source, c.SampleRate())
}
