package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/kernel"
)

// errChanged: the file is not the one that was scanned.
var errChanged = errors.New("has changed since the folder was scanned")

// Load returns a clip's samples, mono, at the set's rate, scaled to peak 1 as upstream
// does (Plachtaa/FAcodec, meldataset.py): what validation sees, and training before
// its gain. The slice is the caller's.
func (s *Set) Load(ctx context.Context, c Clip) ([]float32, error) {
	samples, shared, err := s.load(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable(c.Path), err)
	}
	if shared {
		samples = slices.Clone(samples)
	}
	return samples, nil
}

// load is Load; shared samples are in memory for others, too, and must not be
// written to. Its errors do not name the clip.
func (s *Set) load(ctx context.Context, c Clip) (samples []float32, shared bool, err error) {
	if samples := s.memory.get(c); samples != nil {
		return samples, true, nil
	}
	samples, err = s.read(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		return nil, false, err
	}
	return samples, s.memory.put(c, samples), nil
}

func (s *Set) read(ctx context.Context, c Clip) ([]float32, error) {
	// Decoders do not see all changes: what is another file is not even tried.
	size, modTime, open, err := s.find(c.Path)
	if err != nil {
		return nil, fileerr.Cause(err)
	}
	if size != c.Size || modTime != c.ModTime {
		return nil, errChanged
	}
	samples, stored, err := s.store.read(ctx, open, c)
	if err == nil && !stored {
		samples, err = readRange(ctx, open, s.rate, c.Start, c.Samples)
	}
	if err != nil {
		return nil, err
	}
	// As at the scan; the same file has the same peak.
	if !peakNormalize(samples) {
		return nil, errChanged
	}
	return samples, nil
}

// peakNormalize scales samples to peak 1, unless they are silent.
func peakNormalize(samples []float32) (ok bool) {
	peak := kernel.Peak(samples)
	if peak < silence {
		return false
	}
	for i := range samples {
		samples[i] /= peak
	}
	return true
}

// readRange returns n samples of a file at a rate from start on: to the bit those
// of the whole file, but what lies before them is decoded and not resampled, which
// is most of the work.
func readRange(ctx context.Context, open opener, rate int, start int64, n int) ([]float32, error) {
	r, err := open(ctx, 0)
	if err != nil {
		return nil, errors.New(messageOf(err))
	}
	defer r.Close()
	native := r.Info().SampleRate
	resample, err := audio.NewResampler(native, rate)
	if err != nil {
		return nil, errors.New(messageOf(err))
	}
	periodIn, periodOut := resample.Period()
	in, out := int64(periodIn), int64(periodOut)
	// A resampler begun at input sample k·in computes the same outputs from k·out on once
	// its window, 96 crossings of zero, 13 ms at most, lies behind the beginning.
	k := max(0, start-int64(rate)/10) / out
	buf := make([]float32, 4096)
	skip, drop := k*in, start-k*out
	want := drop + int64(n)
	samples := make([]float32, 0, want+int64(len(buf))*int64(rate)/int64(native)+int64(rate)/10)
	for int64(len(samples)) < want {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, err := r.Read(buf)
		switch {
		case err == io.EOF:
			if samples = resample.Flush(samples); int64(len(samples)) < want {
				return nil, errChanged
			}
		case err != nil:
			return nil, errors.New(messageOf(err))
		case skip >= int64(got):
			skip -= int64(got)
		default:
			samples = resample.Process(samples, buf[skip:got])
			skip = 0
		}
	}
	return samples[drop:want:want], nil
}
