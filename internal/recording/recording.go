// Package recording reads audio files as input of a codec: at the codec's rate, in
// pieces, in constant memory.
package recording

import (
	"context"
	"errors"
	"io"

	"github.com/facodec-go/facodec/audio"
)

// Options say how a recording is read.
type Options struct {
	Rate         int  // Hz, at which samples are read
	Normalize    bool // brought to peak 1
	KeepChannels bool // all channels, interleaved, and not their mean
	Strict       bool // what is odd about the file is an error (audio.Options)
	// Opener, if not nil, opens a recording that is no file of its own: one in a shard, a
	// segment. Its path is only what it is called.
	Opener Opener
}

// An Opener opens a recording, as often as it is called.
type Opener func(ctx context.Context, o audio.Options) (Reader, error)

// A Reader reads the samples of a recording, see audio.Reader.
type Reader interface {
	Read(dst []float32) (int, error)
	Channels() int
	Info() audio.Info
	Notices() []string
	Close() error
}

// A Recording is an audio file that is read as often as is needed.
type Recording struct {
	Path     string
	Channels int // of the samples that Read gives
	Gain         // of all of them
	options  Options
	at       Identity
}

// Open returns a recording. The peak that it is normalized by is that of the samples as
// a codec takes them, at its rate: a peak between two samples of the source counts,
// and of the mean over channels, channels that cancel out do not. To find it takes a
// reading of its own.
func Open(ctx context.Context, path string, o Options) (Recording, error) {
	r := Recording{Path: path, Gain: 1, Channels: 1, options: o}
	if o.Opener == nil {
		r.at = IdentityOf(path)
	}
	if o.KeepChannels {
		in, err := r.open(ctx)
		if err != nil {
			return r, err
		}
		r.Channels = in.Channels()
		in.Close()
	}
	if !o.Normalize {
		return r, nil
	}
	var peak float32
	_, err := r.Read(ctx, func(samples []float32) error {
		peak = peakOf(peak, samples)
		return nil
	})
	r.Gain = gainOf(peak)
	return r, err
}

func (r Recording) open(ctx context.Context) (Reader, error) {
	o := audio.Options{Rate: r.options.Rate, KeepChannels: r.options.KeepChannels, Strict: r.options.Strict}
	if r.options.Opener != nil {
		return r.options.Opener(ctx, o)
	}
	return audio.OpenWith(ctx, r.Path, o)
}

// A Result is what is known of a recording that was read.
type Result struct {
	Info    audio.Info
	Notices []string // what is odd about the file, without its name
}

// Read calls take with the samples of the recording, in pieces. take may change
// them, but not keep them. A file that another has replaced since Open, or that was
// written to, is audio.ErrChanged.
func (r Recording) Read(ctx context.Context, take func([]float32) error) (Result, error) {
	in, err := r.open(ctx)
	if err != nil {
		return Result{}, err
	}
	defer in.Close()
	var peak float32
	err = ReadFrom(ctx, in, func(samples []float32) error {
		peak = peakOf(peak, samples)
		r.Apply(samples)
		return take(samples)
	})
	if err == nil || errors.Is(err, audio.ErrCorrupt) || errors.Is(err, audio.ErrTruncated) {
		if changed := r.at.Check(); changed != nil {
			err = changed
		}
	}
	if err != nil {
		return Result{}, err
	}
	notices := in.Notices()
	if r.options.Opener == nil && !r.options.KeepChannels {
		canceled, err := CancelNotices(ctx, r.Path, in.Info(), peak, r.options.Strict)
		if err != nil {
			return Result{}, err
		}
		notices = append(notices, canceled...)
	}
	return Result{in.Info(), notices}, nil
}

// pieceSamples is how much is read at a time: 0.8 seconds at 24 kHz.
const pieceSamples = 64 * 300

// ErrStop is returned by who has read enough: reading ends without an error.
var ErrStop = errors.New("enough was read")

// ReadFrom calls take with what is left of in, in pieces.
func ReadFrom(ctx context.Context, in Reader, take func([]float32) error) error {
	piece := make([]float32, pieceSamples*in.Channels())
	for {
		n, err := readFull(in, piece)
		if n > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := take(piece[:n]); err == ErrStop {
				return nil
			} else if err != nil {
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
func readFull(in Reader, dst []float32) (n int, err error) {
	for n < len(dst) && err == nil {
		var m int
		m, err = in.Read(dst[n:])
		n += m
	}
	return n, err
}
