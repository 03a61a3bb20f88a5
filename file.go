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

// FileOptions are the options of ReconstructFile and ConvertFile.
type FileOptions struct {
	// SampleFormat is that of the WAV and FLAC files written, audio.S16 by default.
	SampleFormat audio.SampleFormat
	// OutputRate is the rate of the files written in Hz; 0 for the codec's.
	OutputRate int
	// KeepChannels treats each channel of a file as an utterance of its own, in its own
	// timbre, and writes as many channels; otherwise their mean is taken.
	KeepChannels bool
	// Strict turns oddities of a file into errors (audio.Options).
	Strict bool
	// Comment is a line of ASCII that the files written carry; see audio.FindComment.
	Comment string
	// Normalize scales each file to peak 1, the level of the recordings that the
	// model was trained on, and the output back to the file's level. The file is read
	// once more. Silence remains silence.
	Normalize bool
	// Gain scales the output, in dB: below 0 where it would be clipped. See FileReport.Peak.
	Gain float64
	// Progress, if not nil, is called regularly with the seconds of the source that
	// are done.
	Progress func(seconds float64)
}

// A FileReport describes the processing of one file.
type FileReport struct {
	Source   string
	Output   string
	Info     audio.Info // of the source
	Samples  int64      // of the utterance, at the codec's rate
	Seconds  float64
	Frames   int
	Clipped  int64    // samples of the output beyond full scale
	Peak     float64  // the largest magnitude of the output's samples, above 1 if they were clipped
	Bytes    int64    // of an output that is no audio file
	Notices  []string // oddities of the source, without its name
	Warnings []string // likely mistakes
	Elapsed  time.Duration
}

// recording returns the options that a source is read with.
func (o FileOptions) recording(rate int) recording.Options {
	return recording.Options{Rate: rate, Normalize: o.Normalize, KeepChannels: o.KeepChannels, Strict: o.Strict}
}

// ReconstructFile encodes and decodes an audio file of any rate, kind and length
// in flat memory, and writes one whose extension sets the format (audio.CreateWith), of
// the codec's rate and mono unless o says otherwise: n samples at rate r give exactly
// ceil(n·SampleRate/r). The file is read twice, first for its timbre; with Normalize
// three times. After an error nothing is left of the output.
func (c *Codec) ReconstructFile(ctx context.Context, source, output string, o FileOptions) (FileReport, error) {
	start := time.Now()
	if err := c.model.Need(codec.Decoder); err != nil {
		return FileReport{}, err
	}
	in, err := recording.Open(ctx, source, o.recording(c.SampleRate()))
	if err != nil {
		return FileReport{}, err
	}
	timbres, encoders, err := c.timbresOf(ctx, in)
	if err != nil {
		return FileReport{}, err
	}
	var streams []*Stream
	for i, timbre := range timbres {
		d, err := c.NewDecoder(timbre)
		if err != nil {
			return FileReport{}, fmt.Errorf("%s: %w", source, err)
		}
		s := c.NewStream(d)
		s.encoder = encoders[i]
		streams = append(streams, s)
	}
	return c.decodeFile(ctx, start, in, output, streams, o)
}

// timbresOf reads a recording for the timbre of each channel, and returns what encodes
// them when it is read again. Where the timbre comes from the encoder's frames, that is
// what it gave now.
func (c *Codec) timbresOf(ctx context.Context, in recording.Recording) (timbres [][]float32, encoders []*Encoder, err error) {
	channels := make([]firstPass, in.Channels)
	for i := range channels {
		channels[i] = c.newFirstPass()
	}
	var one []float32
	_, err = in.Read(ctx, func(samples []float32) error {
		for i, a := range channels {
			one = channel(one, samples, i, len(channels))
			if err := a.push(one); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, a := range channels {
		timbre, encoder, err := a.end()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", in.Path, err)
		}
		timbres, encoders = append(timbres, timbre), append(encoders, encoder)
	}
	return timbres, encoders, nil
}

// channel returns one of some interleaved channels, in dst if there are several.
func channel(dst, samples []float32, i, channels int) []float32 {
	if channels == 1 {
		return samples
	}
	dst = dst[:0]
	for ; i < len(samples); i += channels {
		dst = append(dst, samples[i])
	}
	return dst
}

// A firstPass reads an utterance for its timbre, before it is decoded.
type firstPass interface {
	push(samples []float32) error
	end() (timbre []float32, encoder *Encoder, err error)
}

func (c *Codec) newFirstPass() firstPass {
	if c.model.TimbreFromEncoder {
		return &encodePass{encoder: c.NewAnalyzer()}
	}
	return timbrePass{c.newVoiceEncoder(wantTimbre)}
}

// timbrePass only computes the timbre.
type timbrePass struct{ voice *VoiceEncoder }

func (a timbrePass) push(samples []float32) error { return a.voice.Push(samples) }

func (a timbrePass) end() ([]float32, *Encoder, error) {
	a.voice.EndClip()
	timbre, err := a.voice.Timbre()
	return timbre, a.voice.codec.NewEncoder(), err
}

// encodePass computes timbre and codes, and keeps the codes.
type encodePass struct {
	encoder *Encoder
	codes   Codes
}

func (a *encodePass) push(samples []float32) error {
	codes, err := a.encoder.Push(samples)
	a.codes.Append(codes)
	return err
}

func (a *encodePass) end() ([]float32, *Encoder, error) {
	if a.encoder.Samples() == 0 {
		return nil, nil, fmt.Errorf("no samples: %w", ErrEmpty)
	}
	codes, err := a.encoder.Flush()
	if err != nil {
		return nil, nil, err
	}
	a.codes.Append(codes)
	timbre, err := a.encoder.Timbre()
	c := a.encoder.codec
	return timbre, &Encoder{codec: c, stream: &replayStream{codes: model.Codes(a.codes), hop: c.HopLength()}}, err
}

// A replayStream is an encoder stream that returns the codes of an utterance that was encoded
// before, as its samples come.
type replayStream struct {
	codes            model.Codes
	hop, at, samples int
}

func (r *replayStream) Push(samples []float32, last bool) model.Codes {
	r.samples += len(samples)
	frames := r.samples / r.hop
	if last {
		frames = (r.samples + r.hop - 1) / r.hop
	}
	from := r.at
	r.at = max(from, min(frames, r.codes.Frames()))
	return r.codes.Slice(from, r.at)
}

func (r *replayStream) Append(codes *model.Codes, samples []float32, last bool) {
	codes.Append(r.Push(samples, last))
}

func (r *replayStream) Reset() { r.at, r.samples = 0, 0 }

func (r *replayStream) Profile(*op.Profiler) {}

// ConvertFile converts an audio file to the voice of d, a decoder of the codec or of its
// redecoder, like ReconstructFile but without the residual. d can then be used for
// another utterance.
func (c *Codec) ConvertFile(ctx context.Context, source, output string, d *Decoder, o FileOptions) (FileReport, error) {
	start := time.Now()
	in, err := recording.Open(ctx, source, o.recording(c.SampleRate()))
	if err != nil {
		return FileReport{}, err
	}
	streams := []*Stream{c.NewStream(d, conversionParts...)}
	for len(streams) < in.Channels {
		another, err := d.newDecoder()
		if err != nil {
			return FileReport{}, err
		}
		streams = append(streams, c.NewStream(another, conversionParts...))
	}
	return c.decodeFile(ctx, start, in, output, streams, o)
}

// decodeFile sends the channels of a file through streams, one each.
func (c *Codec) decodeFile(ctx context.Context, start time.Time, in recording.Recording, output string, streams []*Stream, o FileOptions) (FileReport, error) {
	out := fileOutput{path: output, streams: streams, in: in, gain: recording.Decibels(o.Gain),
		options: audio.WriteOptions{Rate: c.SampleRate(), FileRate: o.OutputRate, Channels: in.Channels, Format: o.SampleFormat, Comment: o.Comment}}
	defer out.discard()
	report := FileReport{Source: in.Path, Output: output}
	var one []float32
	result, err := in.Read(ctx, func(samples []float32) error {
		for i, s := range streams {
			one = channel(one, samples, i, len(streams))
			if err := s.Write(one); err != nil {
				return err
			}
		}
		report.Samples += int64(len(samples) / len(streams))
		if o.Progress != nil {
			o.Progress(float64(report.Samples) / float64(c.SampleRate()))
		}
		return out.write()
	})
	if err != nil {
		return FileReport{}, err
	}
	if report.Samples == 0 {
		return FileReport{}, fmt.Errorf("%s: no samples: %w", in.Path, ErrEmpty)
	}
	for _, s := range streams {
		if err := s.Flush(); err != nil {
			return FileReport{}, err
		}
	}
	if err := out.write(); err != nil {
		return FileReport{}, err
	}
	if err := out.w.Commit(); err != nil {
		return FileReport{}, err
	}
	hop := int64(c.HopLength())
	report.Info, report.Notices, report.Frames = result.Info, result.Notices, int((report.Samples+hop-1)/hop)
	report.Seconds = float64(report.Samples) / float64(c.SampleRate())
	report.Clipped, report.Peak, report.Elapsed = out.w.Clipped(), out.w.Peak(), time.Since(start)
	return report, nil
}

// A fileOutput writes what streams have ready.
type fileOutput struct {
	path    string
	options audio.WriteOptions
	streams []*Stream
	in      recording.Recording
	gain    recording.Gain
	w       *audio.Writer // made when there is something to write: bad input leaves no trace
}

// write writes what all streams have ready: as many samples each, since they got as
// many.
func (f *fileOutput) write() (err error) {
	n := f.streams[0].Buffered()
	if n == 0 {
		return nil
	}
	if f.w == nil {
		if f.w, err = audio.CreateWith(f.path, f.options); err != nil {
			return err
		}
	}
	samples := make([]float32, n*len(f.streams))
	one := samples
	if len(f.streams) > 1 {
		one = make([]float32, n)
	}
	for i, s := range f.streams {
		s.Read(one)
		if len(f.streams) > 1 {
			for t, x := range one {
				samples[t*len(f.streams)+i] = x
			}
		}
	}
	f.in.Undo(samples)
	f.gain.Apply(samples)
	return f.w.Write(samples)
}

func (f *fileOutput) discard() {
	for _, s := range f.streams {
		s.Reset()
	}
	if f.w != nil {
		f.w.Discard()
	}
}
