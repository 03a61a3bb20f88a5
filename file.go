package facodec

import (
	"context"
	"fmt"
	"time"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/recording"
)

// FileOptions are what the functions on audio files have in common.
type FileOptions struct {
	// SampleFormat is that of the WAV files written, audio.S16 by default.
	SampleFormat audio.SampleFormat
	// Normalize brings each file to peak 1, the level of the recordings that the
	// model was trained on, and the output back to the file's own. It takes another
	// reading of the file. Silence stays what it is.
	Normalize bool
	// Progress, if not nil, is told now and then how many seconds of the source
	// are done.
	Progress func(seconds float64)
}

// A FileReport says what was done to a file.
type FileReport struct {
	Source   string
	Output   string
	Info     audio.Info // of the source
	Samples  int64      // of the utterance, at the codec's rate
	Seconds  float64
	Frames   int
	Clipped  int64    // samples of the output beyond full scale
	Bytes    int64    // of an output that is no audio file
	Warnings []string // what is likely not as it was meant
	Elapsed  time.Duration
}

// ReconstructFile encodes and decodes an audio file of any rate, kind and length
// in flat memory, and writes a mono WAV file of the codec's rate: n samples at
// rate r give exactly ceil(n·SampleRate/r). The file is read twice, first for its
// timbre; with Normalize three times. After an error nothing is left of the output.
func (c *Codec) ReconstructFile(ctx context.Context, source, output string, o FileOptions) (FileReport, error) {
	start := time.Now()
	if err := c.model.Need(codec.Decoder); err != nil {
		return FileReport{}, err
	}
	in, err := recording.Open(ctx, source, c.SampleRate(), o.Normalize)
	if err != nil {
		return FileReport{}, err
	}
	timbre, encoder, err := c.timbreOf(ctx, in)
	if err != nil {
		return FileReport{}, err
	}
	d, err := c.NewDecoder(timbre)
	if err != nil {
		return FileReport{}, fmt.Errorf("%s: %w", source, err)
	}
	s := c.NewStream(d)
	s.encoder = encoder
	return c.decodeFile(ctx, start, in, output, s, o)
}

// timbreOf reads a recording for its timbre, and returns what encodes it when it is read
// again. Where the timbre comes from the encoder's frames, that is what it gave now.
func (c *Codec) timbreOf(ctx context.Context, in recording.Recording) ([]float32, *Encoder, error) {
	if !c.model.TimbreFromEncoder {
		v := c.NewVoiceEncoder()
		if _, err := in.Read(ctx, v.Push); err != nil {
			return nil, nil, err
		}
		v.EndClip()
		timbre, err := v.Timbre()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", in.Path, err)
		}
		return timbre, c.NewEncoder(), nil
	}
	a := c.NewAnalyzer()
	var codes Codes
	_, err := in.Read(ctx, func(samples []float32) error {
		more, err := a.Push(samples)
		codes.Append(more)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if a.total == 0 {
		return nil, nil, fmt.Errorf("%s: no samples: %w", in.Path, ErrEmpty)
	}
	codes.Append(a.Flush())
	timbre, err := a.Timbre()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", in.Path, err)
	}
	return timbre, &Encoder{codec: c, stream: &recorded{codes: model.Codes(codes), hop: c.HopLength()}}, nil
}

// recorded is an encoder's stream that gives the codes of an utterance that was encoded
// before, as its samples come.
type recorded struct {
	codes            model.Codes
	hop, at, samples int
}

func (r *recorded) Push(samples []float32, last bool) model.Codes {
	r.samples += len(samples)
	frames := r.samples / r.hop
	if last {
		frames = (r.samples + r.hop - 1) / r.hop
	}
	from := r.at
	r.at = max(from, min(frames, r.codes.Frames()))
	return r.codes.Slice(from, r.at)
}

func (r *recorded) Reset() { r.at, r.samples = 0, 0 }

func (r *recorded) Profile(*op.Profiler) {}

// ConvertFile converts an audio file to the voice of d, which NewDecoder of the
// codec or of a redecoder gave, as ReconstructFile does but without the residual. d
// is left ready for another utterance.
func (c *Codec) ConvertFile(ctx context.Context, source, output string, d *Decoder, o FileOptions) (FileReport, error) {
	start := time.Now()
	in, err := recording.Open(ctx, source, c.SampleRate(), o.Normalize)
	if err != nil {
		return FileReport{}, err
	}
	return c.decodeFile(ctx, start, in, output, c.NewStream(d, Prosody, Content), o)
}

// decodeFile sends a file through s.
func (c *Codec) decodeFile(ctx context.Context, start time.Time, in recording.Recording, output string, s *Stream, o FileOptions) (FileReport, error) {
	defer s.Reset()
	var w *audio.Writer // made when there is something to write: bad input leaves no trace
	defer func() {
		if w != nil {
			w.Discard()
		}
	}()
	write := func() (err error) {
		if s.Buffered() == 0 {
			return nil
		}
		if w == nil {
			if w, err = audio.Create(output, c.SampleRate(), o.SampleFormat); err != nil {
				return err
			}
		}
		samples := make([]float32, s.Buffered())
		s.Read(samples)
		in.Undo(samples)
		return w.Write(samples)
	}
	report := FileReport{Source: in.Path, Output: output}
	info, err := in.Read(ctx, func(samples []float32) error {
		if err := s.Write(samples); err != nil {
			return err
		}
		report.Samples += int64(len(samples))
		if o.Progress != nil {
			o.Progress(float64(report.Samples) / float64(c.SampleRate()))
		}
		return write()
	})
	if err != nil {
		return FileReport{}, err
	}
	if report.Samples == 0 {
		return FileReport{}, fmt.Errorf("%s: no samples: %w", in.Path, ErrEmpty)
	}
	if err := s.Flush(); err != nil {
		return FileReport{}, err
	}
	if err := write(); err != nil {
		return FileReport{}, err
	}
	if err := w.Commit(); err != nil {
		return FileReport{}, err
	}
	hop := int64(c.HopLength())
	report.Info, report.Frames = info, int((report.Samples+hop-1)/hop)
	report.Seconds = float64(report.Samples) / float64(c.SampleRate())
	report.Clipped, report.Elapsed = w.Clipped(), time.Since(start)
	return report, nil
}
