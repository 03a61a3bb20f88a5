// Package recording reads audio files as codecs take them: mono, at the codec's
// rate, in pieces, in flat memory.
package recording

import (
	"context"
	"errors"
	"io"

	"github.com/facodec-go/facodec/audio"
)

// A Recording is an audio file that is read as often as is needed.
type Recording struct {
	Path string
	Rate int // Hz, at which samples are read
	Gain     // of all samples that Read gives
}

// Open returns a recording, peak normalized or as it is. The peak is that of the
// samples as a codec takes them, mixed and at its rate: a peak between two samples
// of the source counts, and channels that cancel out do not. To find it takes a
// reading of its own.
func Open(ctx context.Context, path string, rate int, normalize bool) (Recording, error) {
	r := Recording{Path: path, Rate: rate, Gain: 1}
	if !normalize {
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

// Read calls take with the samples of the recording, in pieces. take may change
// them, but not keep them.
func (r Recording) Read(ctx context.Context, take func([]float32) error) (audio.Info, error) {
	in, err := audio.OpenAt(r.Path, r.Rate)
	if err != nil {
		return audio.Info{}, err
	}
	defer in.Close()
	err = ReadFrom(ctx, in, func(samples []float32) error {
		r.Apply(samples)
		return take(samples)
	})
	if err != nil {
		return audio.Info{}, err
	}
	return in.Info(), nil
}

// pieceSamples is how much is read at a time: 0.8 seconds at 24 kHz.
const pieceSamples = 64 * 300

// ErrStop is returned by who has read enough: reading ends without an error.
var ErrStop = errors.New("enough was read")

// ReadFrom calls take with what is left of in, in pieces.
func ReadFrom(ctx context.Context, in *audio.Reader, take func([]float32) error) error {
	piece := make([]float32, pieceSamples)
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
func readFull(in *audio.Reader, dst []float32) (n int, err error) {
	for n < len(dst) && err == nil {
		var m int
		m, err = in.Read(dst[n:])
		n += m
	}
	return n, err
}
