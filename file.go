package facodec

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/facodec-go/facodec/audio"
)

// FileOptions are what the functions on files have in common.
type FileOptions struct {
	// SampleFormat is that of the WAV files written, audio.S16 by default.
	SampleFormat audio.SampleFormat
	// Normalize brings each file to peak 1, the level of the recordings that the
	// model was trained on, and what is spoken back to the file's own. It takes
	// another reading of the file. Silence stays what it is.
	Normalize bool
	// Progress, if not nil, is told now and then how many seconds of the source
	// are done.
	Progress func(seconds float64)
}

// A FileReport says what was done to a file.
type FileReport struct {
	Source  string     `json:"source"`
	Output  string     `json:"output"`
	Info    audio.Info `json:"-"`
	Samples int64      `json:"samples"` // of the utterance, at the codec's rate
	Seconds float64    `json:"seconds"`
	Frames  int        `json:"frames"`
	Clipped int64      `json:"clipped"` // samples of the output beyond full scale
	Bytes   int64      `json:"bytes"`   // of a compressed or extracted file, or line, that was written
	// SHA256 is that of what was extracted, in hexadecimal; "" for other outputs.
	SHA256 string `json:"sha256,omitempty"`
	// Warnings say what is likely not as it was meant.
	Warnings []string      `json:"warnings,omitempty"`
	Elapsed  time.Duration `json:"-"`
}

// RealTimeFactor returns how long the work took for each second of sound.
func (r FileReport) RealTimeFactor() float64 { return r.Elapsed.Seconds() / r.Seconds }

// ReconstructFile encodes and decodes an audio file of any rate, kind and length
// in flat memory, and writes a mono WAV file of the codec's rate: n samples at
// rate r give exactly ceil(n·SampleRate/r). The file is read twice, first for its
// timbre; with Normalize three times. After an error nothing is left of the output.
func (c *Codec) ReconstructFile(ctx context.Context, source, output string, o FileOptions) (FileReport, error) {
	start := time.Now()
	if err := c.need(networkDecoder); err != nil {
		return FileReport{}, err
	}
	clip, err := c.measureFile(ctx, source, o)
	if err != nil {
		return FileReport{}, err
	}
	d, err := c.NewDecoder(clip.timbre)
	if err != nil {
		return FileReport{}, fmt.Errorf("%s: %w", source, err)
	}
	return c.speakFile(ctx, start, source, output, clip.gain, d, func(codes Codes) Codes { return codes }, o)
}

// ConvertFile speaks an audio file in the voice of d, which NewDecoder of the
// codec or of a redecoder gave, as ReconstructFile does but without the
// residual. d is left ready for another utterance.
func (c *Codec) ConvertFile(ctx context.Context, source, output string, d *Decoder, o FileOptions) (FileReport, error) {
	start := time.Now()
	gain, err := c.gainOf(ctx, source, o)
	if err != nil {
		return FileReport{}, err
	}
	return c.speakFile(ctx, start, source, output, gain, d, func(codes Codes) Codes {
		codes[Residual] = nil
		return codes
	}, o)
}

func (c *Codec) speakFile(ctx context.Context, start time.Time, source, output string, gain float32, d *Decoder,
	parts func(Codes) Codes, o FileOptions) (FileReport, error) {
	defer d.Reset()
	var w *audio.Writer // made when there is something to write: bad input leaves no trace
	defer func() {
		if w != nil {
			w.Discard()
		}
	}()
	// The last frame reaches past the end of the utterance, whose length, total,
	// is known by then.
	write := func(samples []float32, total int64) (err error) {
		if len(samples) == 0 {
			return nil
		}
		if w == nil {
			if w, err = audio.Create(output, c.SampleRate(), o.SampleFormat); err != nil {
				return err
			}
		}
		if left := total - w.Samples(); total >= 0 && int64(len(samples)) > left {
			samples = samples[:left]
		}
		if gain != 1 {
			scale(samples, 1/gain)
		}
		return w.Write(samples)
	}
	report, err := c.encodeFile(ctx, source, gain, o.Progress, func(codes Codes, total int64) error {
		samples, err := d.Push(parts(codes))
		if err != nil {
			return err
		}
		return write(samples, total)
	})
	if err != nil {
		return FileReport{}, err
	}
	if err := write(d.Flush(), report.Samples); err != nil {
		return FileReport{}, err
	}
	if err := w.Commit(); err != nil {
		return FileReport{}, err
	}
	report.Output, report.Clipped, report.Elapsed = output, w.Clipped(), time.Since(start)
	return report, nil
}

// TimbreOfFiles returns the timbre of one voice from audio files, in flat memory.
func (c *Codec) TimbreOfFiles(ctx context.Context, sources ...string) ([]float32, error) {
	v := c.NewVoiceEncoder()
	for _, source := range sources {
		if _, err := c.readFile(ctx, source, v.Push); err != nil {
			return nil, err
		}
		v.EndClip()
	}
	return v.Timbre()
}

// encodeFile calls frames with the codes of a file, scaled by gain, as they come,
// and with the number of its samples, which is -1 until the last.
func (c *Codec) encodeFile(ctx context.Context, source string, gain float32, progress func(float64),
	frames func(codes Codes, total int64) error) (FileReport, error) {
	e := c.NewEncoder()
	report := FileReport{Source: source}
	info, err := c.readFile(ctx, source, scaled(gain, func(samples []float32) error {
		codes, err := e.Push(samples)
		if err != nil {
			return err
		}
		if progress != nil {
			progress(float64(e.Samples()) / float64(c.SampleRate()))
		}
		report.Frames += codes.Frames()
		return frames(codes, -1)
	}))
	if err != nil {
		return FileReport{}, err
	}
	report.Info, report.Samples = info, int64(e.Samples())
	report.Seconds = float64(report.Samples) / float64(c.SampleRate())
	codes := e.Flush()
	report.Frames += codes.Frames()
	return report, frames(codes, report.Samples)
}

// pieceFrames is how much of a file is read at a time.
const pieceFrames = 64

// readFile calls take with the samples of a file at the codec's rate, in pieces.
func (c *Codec) readFile(ctx context.Context, source string, take func([]float32) error) (audio.Info, error) {
	r, err := audio.OpenAt(source, c.SampleRate())
	if err != nil {
		return audio.Info{}, err
	}
	defer r.Close()
	if err := c.readSamples(ctx, r, take); err != nil {
		return audio.Info{}, err
	}
	return r.Info(), nil
}

// readSamples calls take with the samples that are left of r, in pieces.
func (c *Codec) readSamples(ctx context.Context, r *audio.Reader, take func([]float32) error) error {
	piece := make([]float32, pieceFrames*c.HopLength())
	for {
		n, err := readFull(r, piece)
		if n > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := take(piece[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readFull fills dst, or returns the error that kept it from that.
func readFull(r *audio.Reader, dst []float32) (n int, err error) {
	for n < len(dst) && err == nil {
		var m int
		m, err = r.Read(dst[n:])
		n += m
	}
	return n, err
}
