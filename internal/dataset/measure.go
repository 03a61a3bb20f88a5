package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/facodec-go/facodec/audio"

	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/kernel"
)

// A Reason is why a file is left out.
type Reason string

const (
	TooShort   Reason = "too short"         // under Options.Duration
	Silent     Reason = "silent"            // its peak is under SilenceDB
	Broken     Reason = "broken"            // no audio file, or a damaged one
	NeedFFmpeg Reason = "in need of ffmpeg" // which is not installed
	Unreadable Reason = "unreadable"        // the system does not give it
)

// reasons is the order in which they are counted.
var reasons = []Reason{TooShort, Silent, Broken, NeedFFmpeg, Unreadable}

// A block is what is kept of 10 ms of sound to find silences by.
type block struct{ sum, square, peak float32 }

// profile is the loudness of a file over time.
type profile struct {
	samples int64
	block   int     // samples of a block
	blocks  []block // the last one may be shorter
}

// measure decodes a file in flat memory but for its profile, 12 bytes for 10 ms, and for
// what the recorder keeps.
func measure(ctx context.Context, open opener, lim limits, record *recorder) (*profile, error) {
	r, err := open(ctx, lim.rate)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p := &profile{block: lim.block()}
	var b block
	filled := 0 // samples of b
	buf := make([]float32, 16*p.block)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := r.Read(buf)
		if err != nil && err != io.EOF {
			return nil, err
		}
		if err == io.EOF {
			if filled > 0 {
				p.blocks = append(p.blocks, b)
			}
			return p, nil
		}
		p.samples += int64(n)
		record.add(buf[:n])
		for x := buf[:n]; len(x) > 0; {
			part := x[:min(len(x), p.block-filled)]
			b.add(part)
			x = x[len(part):]
			if filled += len(part); filled == p.block {
				p.blocks = append(p.blocks, b)
				b, filled = block{}, 0
			}
		}
	}
}

func (b *block) add(samples []float32) {
	sum, square := b.sum, b.square
	for _, x := range samples {
		sum += x
		square += x * x
	}
	*b = block{sum, square, max(b.peak, kernel.Peak(samples))}
}

// peak returns that of the blocks that a piece touches.
func (p *profile) peak(from, to int64) float32 {
	var peak float32
	size := int64(p.block)
	for _, b := range p.blocks[from/size : (to+size-1)/size] {
		peak = max(peak, b.peak)
	}
	return peak
}

// cutBlocks is how far to both sides of a cut it should be quiet: 100 ms in all are
// more than the closure of a plosive within a word.
const cutBlocks = 5

// loudness returns the mean power around the boundary before block i, without the
// mean of the samples: a recording's offset is no sound.
func (p *profile) loudness(i int) float64 {
	var sum, square, n float64
	for _, b := range p.blocks[max(0, i-cutBlocks):min(len(p.blocks), i+cutBlocks)] {
		sum += float64(b.sum)
		square += float64(b.square)
		n += float64(p.block)
	}
	mean := sum / n
	return max(0, square/n-mean*mean)
}

// silence is SilenceDB as a factor.
var silence = float32(math.Pow(10, SilenceDB/20.0))

// scanFile says what can be taken from a file, and keeps that in memory where there is room.
// An error is ctx's.
func scanFile(ctx context.Context, f found, lim limits, memory *memory) (entry, error) {
	e := entry{Path: f.path, Size: f.size, ModTime: f.modTime}
	record := &recorder{memory: memory}
	defer record.discard()
	p, err := measure(ctx, f.open, lim, record)
	if err != nil {
		if ctx.Err() != nil {
			return e, ctx.Err()
		}
		e.Skip, e.lasting = faultOf(err)
		e.Fault = messageOf(err)
		return e, nil
	}
	e.Samples, e.lasting = p.samples, true
	switch peak := p.peak(0, p.samples); {
	case p.samples < lim.min:
		e.Skip = TooShort
	case peak < silence:
		e.Skip = Silent
		e.Fault = "silent: its peak is 0"
		if peak > 0 {
			e.Fault = fmt.Sprintf("silent: its peak is %.0f dB of full scale", 20*math.Log10(float64(peak)))
		}
	default:
		for _, piece := range p.cut(lim) {
			if p.peak(piece.Start, piece.Start+piece.Samples) < silence {
				e.SilentPieces++
			} else {
				e.Pieces = append(e.Pieces, piece)
			}
		}
		record.keep(f, e.Pieces, lim.rate)
	}
	return e, nil
}

// faultOf sorts a decoder's error, and tells whether it lasts as long as the file
// does: what ffmpeg or the system could not do today may be possible tomorrow.
func faultOf(err error) (reason Reason, lasting bool) {
	switch {
	case errors.Is(err, audio.ErrNoFFmpeg):
		return NeedFFmpeg, false
	case errors.Is(err, audio.ErrFFmpeg):
		return Broken, false
	}
	for _, fault := range []error{audio.ErrEmpty, audio.ErrTruncated, audio.ErrCorrupt, audio.ErrUnsupported, audio.ErrNotFinite, audio.ErrRate} {
		if errors.Is(err, fault) {
			return Broken, true
		}
	}
	return Unreadable, false
}

// messageOf is a decoder's error without the file's name, which a report has.
func messageOf(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return fileerr.Cause(inner).Error()
	}
	return err.Error()
}
