package collection

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/fileerr"
)

// An Item is a recording of a collection, or a segment of one.
type Item struct {
	// Key names the item in its collection, and its outputs: a path below any folder,
	// see CleanKey.
	Key string
	// Extension is that of the name of its sound, ".flac" say; "" for a segment, and where
	// the sound has no name.
	Extension string
	// Unit is what work is divided by: the name of the item's shard, which is read best
	// by one, or Key where there are no shards.
	Unit string
	// Speaker is who speaks, as the corpus labels it; "" where it does not.
	Speaker string

	set          *Set
	shard        *shard // nil for a file of its own
	offset, size int64  // in a tar; the offset is the row in a table
	file         string // without a shard
	listed       bool   // by a list of paths
	segment      segment
}

// A segment is a stretch of a recording, or one of its channels.
type segment struct {
	start   float64 // seconds
	length  float64 // seconds; 0 is up to the end
	channel int     // from 1; 0 is the mean of all
}

// maxSeconds is what no recording lasts: samples up to it can be counted at any rate.
const maxSeconds = 1e9

func (s segment) check() error {
	if !(s.start >= 0 && s.start <= maxSeconds && s.length >= 0 && s.length <= maxSeconds) {
		return fmt.Errorf("a segment from %v s of %v s", s.start, s.length)
	}
	return nil
}

// String names the item for a message: the shard and the key, or the file.
func (it Item) String() string {
	switch {
	case it.shard != nil:
		return it.shard.path + ": " + it.Key
	case it.segment != segment{}:
		return it.file + ": " + it.Key
	}
	return it.file
}

// A Reader reads an item's samples, mono.
type Reader struct {
	name   string
	in     *audio.Reader
	closer io.Closer // of the shard, nil without

	// Of a segment; counted in frames of the recording.
	cut      bool
	segment  segment
	skip     int64
	left     int64 // -1 for all
	short    int64 // how much of left may lack at the end
	resample *audio.Resampler
	raw      []float32
	out      []float32 // resampled, not yet read
	ended    bool
}

// maxOvershoot is how far, in seconds, a segment may reach beyond the end of its
// recording: as in Kaldi (extract-segments --max-overshoot).
const maxOvershoot = 0.5

// Open opens the item at o.Rate, 0 for its own, mono whatever o says. A segment is as if it were a file
// of its own: samples are counted at the recording's rate, and what lies around has no
// part in resampling. Errors name the item.
func (it Item) Open(ctx context.Context, o audio.Options) (*Reader, error) {
	r := &Reader{name: it.String(), segment: it.segment, cut: it.segment != segment{}}
	rate := o.Rate
	if o.KeepChannels = it.segment.channel > 0; r.cut {
		o.Rate = 0
	}
	var err error
	switch {
	case it.shard == nil:
		r.in, err = audio.OpenWith(ctx, it.file, o)
	case it.shard.kind == Tar:
		f, e := it.shard.open()
		if e != nil {
			return nil, fmt.Errorf("%s: %w", r.name, e)
		}
		r.closer = f
		r.in, err = audio.NewReaderWith(io.NewSectionReader(f, it.offset, it.size), r.name, o)
	default:
		data, e := it.set.tables.read(it.shard, it.offset)
		if e != nil {
			return nil, fmt.Errorf("%s: %w", r.name, e)
		}
		r.in, err = audio.NewReaderWith(bytes.NewReader(data), r.name, o)
	}
	if err == nil && r.cut {
		err = r.begin(rate)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// begin finds the segment's place in the recording.
func (r *Reader) begin(rate int) error {
	native := r.in.Info().SampleRate
	if c := r.segment.channel; c > r.in.Info().Channels {
		return fmt.Errorf("%s: channel %d, counted from 0, of a recording of %d", r.name, c-1, r.in.Info().Channels)
	}
	// As lhotse counts samples (compute_num_samples): half up.
	count := func(seconds float64) int64 { return int64(math.Floor(seconds*float64(native) + 0.5)) }
	r.skip, r.left = count(r.segment.start), -1
	if r.segment.length > 0 {
		r.left = count(r.segment.length)
		r.short = int64(maxOvershoot * float64(native))
	}
	r.raw = make([]float32, 4096*r.in.Channels())
	if rate == 0 || rate == native {
		return nil
	}
	var err error
	if r.resample, err = audio.NewResampler(native, rate); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

// Info returns what the recording is, of which the item may be a segment.
func (r *Reader) Info() audio.Info { return r.in.Info() }

// Channels is 1.
func (r *Reader) Channels() int { return 1 }

// Notices are what is odd about the recording, see audio.Reader.Notices.
func (r *Reader) Notices() []string { return r.in.Notices() }

// Read reads samples into dst and returns their number, as audio.Reader.Read does:
// io.EOF comes alone, behind the last.
func (r *Reader) Read(dst []float32) (int, error) {
	if !r.cut {
		return r.in.Read(dst)
	}
	for len(r.out) == 0 && len(dst) > 0 {
		if r.ended {
			return 0, io.EOF
		}
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	n := copy(dst, r.out)
	r.out = r.out[n:]
	return n, nil
}

// more decodes some of the segment.
func (r *Reader) more() error {
	n, err := r.in.Read(r.raw)
	if err != nil && err != io.EOF {
		return err
	}
	frames := r.mono(n)
	drop := min(r.skip, int64(len(frames)))
	r.skip -= drop
	frames = frames[drop:]
	if r.left >= 0 {
		frames = frames[:min(int64(len(frames)), r.left)]
		r.left -= int64(len(frames))
	}
	if err == io.EOF && (r.skip > 0 || r.left > r.short) {
		return fmt.Errorf("%s: the segment from %g s of %g s reaches beyond the end of the recording", r.name, r.segment.start, r.segment.length)
	}
	r.ended = err == io.EOF || r.left == 0
	if r.resample == nil {
		r.out = frames
		return nil
	}
	r.out = r.resample.Process(nil, frames)
	if r.ended {
		r.out = r.resample.Flush(r.out)
	}
	return nil
}

// mono is the n values of raw, or of one channel of them.
func (r *Reader) mono(n int) []float32 {
	if r.segment.channel == 0 {
		return r.raw[:n]
	}
	channels := r.in.Channels()
	for i := range n / channels {
		r.raw[i] = r.raw[i*channels+r.segment.channel-1]
	}
	return r.raw[:n/channels]
}

// File returns the path of an item that has no other name, since a list names it by that,
// and whether it is one.
func (it Item) File() (path string, ok bool) { return it.file, it.listed }

// Stat returns the size and the time, in nanoseconds since 1970, of the item's shard or
// file.
func (it Item) Stat() (size, modTime int64, err error) {
	if it.shard != nil {
		return it.shard.size, it.shard.modTime, nil
	}
	info, err := os.Stat(it.file)
	if err != nil {
		return 0, 0, fileerr.Read(it.file, err)
	}
	return info.Size(), info.ModTime().UnixNano(), nil
}

// Version returns a number, a hash of the item's place and of the size and time of what it
// lies in: while it is the same, so is the item.
func (it Item) Version() (int64, error) {
	size, modTime, err := it.Stat()
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d %v", size, modTime, it.offset, it.size, it.segment))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 1), nil
}

// SHA256 returns the hash, in hexadecimal, of the item's sound as it is encoded. That of
// a segment is of its place, and of its recording's path, size and time: a recording may
// have thousands of segments.
func (it Item) SHA256() (string, error) {
	var in io.Reader
	switch {
	case it.shard == nil && it.segment != segment{}:
		size, modTime, err := it.Stat()
		if err != nil {
			return "", err
		}
		in = strings.NewReader(fmt.Sprintf("%q %d %d %v", it.file, size, modTime, it.segment))
	case it.shard == nil:
		f, err := os.Open(it.file)
		if err != nil {
			return "", fileerr.Read(it.file, err)
		}
		defer f.Close()
		in = f
	case it.shard.kind == Tar:
		f, err := it.shard.open()
		if err != nil {
			return "", fileerr.Read(it.String(), err)
		}
		defer f.Close()
		in = io.NewSectionReader(f, it.offset, it.size)
	default:
		data, err := it.set.tables.read(it.shard, it.offset)
		if err != nil {
			return "", fileerr.Read(it.String(), err)
		}
		in = bytes.NewReader(data)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, in); err != nil {
		return "", fileerr.Read(it.String(), err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// Close closes the item.
func (r *Reader) Close() error {
	var errs []error
	if r.in != nil {
		errs = append(errs, r.in.Close())
	}
	if r.closer != nil {
		errs = append(errs, r.closer.Close())
	}
	return errors.Join(errs...)
}
