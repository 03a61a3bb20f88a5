package audio

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"slices"

	"github.com/facodec-go/facodec/internal/plural"
)

// The sample rates that are read, resampled and written, in Hz.
const (
	MinRate = 8000
	MaxRate = 192000
)

// blockFrames is how many frames are worked on at a time: enough to make calls
// and system calls cheap, little enough to stay in the cache.
const blockFrames = 4096

// Info describes an audio file as it is stored, before the mean over channels
// and before resampling.
type Info struct {
	Format     string // "wav", "flac", "mp3", "ogg", "webm", or "ffmpeg" for what ffmpeg decodes
	Encoding   string // "pcm_u8", "pcm_s16", "pcm_f32", "pcm_mulaw", ..., "layer3", "vorbis", "opus"; "" where ffmpeg decodes
	SampleRate int    // Hz
	Channels   int
	Frames     int64 // samples per channel; -1 where only reading to the end can tell
}

// decoder is what Reader asks of a file format.
type decoder interface {
	info() Info
	// read puts the next frames into dst, as means over their channels, or with all
	// of them interleaved if the source says so; dst has room for a frame. It returns
	// n > 0 values, of whole frames, or an error; io.EOF is a sound end.
	read(dst []float32) (n int, err error)
	close() error
}

// A Reader yields the samples of an audio file, full scale ±1: mono, or all channels
// interleaved if Options say so, at the rate of the file or the one asked for. It
// serves one goroutine at a time.
type Reader struct {
	name   string
	src    *source
	dec    decoder
	width  int   // values of a frame that are delivered
	frames int64 // decoded so far
	err    error // the first error, io.EOF included; it stays

	// Only with a rate of one's own:
	resample *channelResampler
	in       []float32
	pending  []float32 // resampled, not yet read
}

// Open opens an audio file at its own sample rate. What the file is, is seen from
// its content. Read the package's introduction for what is refused here and what
// is found only on the way; every error names the file.
func Open(path string) (*Reader, error) {
	return OpenWith(context.Background(), path, Options{})
}

// OpenAt is Open with the samples converted to rate: n frames of the file become
// exactly ResampledLen(n, fileRate, rate) samples. A rate not served is ErrRate.
func OpenAt(path string, rate int) (*Reader, error) {
	if err := checkRate(rate); err != nil {
		return nil, readError(path, err)
	}
	return OpenWith(context.Background(), path, Options{Rate: rate})
}

// NewReader reads an audio file from a stream, say an upload, at its own sample
// rate. The name is for the errors. Formats that ffmpeg can only decode by
// seeking (some MP4) cannot be read this way. Close does not close stream; if
// ffmpeg decodes, stream must not be used by others until Close has returned.
func NewReader(stream io.Reader, name string) (*Reader, error) {
	return newReader(newSource(stream, name), Options{})
}

// ReadFile returns all samples of the file, converted to rate in Hz.
func ReadFile(path string, rate int) ([]float32, error) {
	r, err := OpenAt(path, rate)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info := r.Info()
	// A WAV's frame count was checked against the length of the file; that of a
	// FLAC is only its word, and its file may be a few bytes long. The others may
	// not tell it.
	most := int64(1 << 20)
	if info.Format == "wav" {
		most = 1 << 28 // of what an address space of 32 bits can hold, half
	}
	samples := make([]float32, 0, max(0, min(r.Samples(), most)))
	for {
		if len(samples) == cap(samples) {
			samples = append(samples, 0)[:len(samples)]
		}
		n, err := r.Read(samples[len(samples):cap(samples)])
		samples = samples[:len(samples)+n]
		if err == io.EOF {
			return samples, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func newReader(src *source, o Options) (*Reader, error) {
	src.keep, src.strict = o.KeepChannels, o.Strict
	dec, err := src.decoder()
	if err == nil {
		err = checkInfo(dec.info())
		if err != nil {
			dec.close()
		}
	} else {
		src.close()
	}
	if err != nil {
		return nil, readError(src.name, err)
	}
	r := &Reader{name: src.name, src: src, dec: dec, width: src.width(dec.info().Channels)}
	if err := r.setRate(o.Rate); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// checkInfo refuses what no decoder should let pass on.
func checkInfo(info Info) error {
	if info.Channels < 1 {
		return faultf(ErrCorrupt, "%s", plural.Of(info.Channels, "channel"))
	}
	if info.Frames == 0 {
		return faultf(ErrEmpty, "the file has a header but no samples")
	}
	return checkRate(info.SampleRate)
}

func (r *Reader) setRate(rate int) error {
	from := r.dec.info().SampleRate
	if rate == 0 || from == rate {
		return nil
	}
	resample, err := newChannelResampler(r.width, from, rate)
	if err != nil {
		return readError(r.name, err)
	}
	r.resample = resample
	r.in = make([]float32, max(1, blockFrames/r.width)*r.width)
	return nil
}

// Info describes the file, not what is delivered; for that see Rate, Channels and
// Samples.
func (r *Reader) Info() Info { return r.dec.info() }

// Rate returns the rate of the samples that Read delivers, in Hz.
func (r *Reader) Rate() int {
	if r.resample != nil {
		return r.resample.each[0].to
	}
	return r.dec.info().SampleRate
}

// Channels returns how many channels Read delivers, interleaved: 1, or all with
// Options.KeepChannels.
func (r *Reader) Channels() int { return r.width }

// Notices returns what is odd about the file but no error, as far as is known by now:
// all of it after the last sample. Each is a line that does not name the file.
func (r *Reader) Notices() []string { return slices.Clone(r.src.list) }

// Samples returns how many samples of each channel Read delivers in all, or -1 where
// only reading to the end can tell. For FLAC, and a WAV that is a stream, it is the
// file's word, checked at its end.
func (r *Reader) Samples() int64 {
	info := r.dec.info()
	if info.Frames < 0 || r.resample == nil {
		return info.Frames
	}
	return ResampledLen(info.Frames, r.resample.each[0].from, r.resample.each[0].to)
}

// Read puts the next samples into dst and returns how many: n > 0 with a nil error, or
// 0 with an error, which is io.EOF after the last sample. It may return fewer than
// len(dst) before the end. Of several channels it returns whole frames, for one of
// which dst must have room (io.ErrShortBuffer).
func (r *Reader) Read(dst []float32) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	if len(dst) < r.width {
		return 0, io.ErrShortBuffer
	}
	dst = dst[:len(dst)/r.width*r.width]
	if r.resample == nil {
		return r.decode(dst)
	}
	for len(r.pending) == 0 {
		n, err := r.decode(r.in)
		switch {
		case err == nil:
			r.pending = r.resample.process(r.in[:n])
		case err == io.EOF && !r.resample.flushed():
			r.pending = r.resample.flush()
		default:
			return 0, err
		}
	}
	n := copy(dst, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

// decode is Read at the file's own rate.
func (r *Reader) decode(dst []float32) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.dec.read(dst)
	if err == nil {
		err = r.checkFinite(dst[:n])
	}
	if err == io.EOF && r.frames == 0 {
		err = faultf(ErrEmpty, "the file has a header but no samples")
	}
	if err != nil {
		if err != io.EOF {
			err = readError(r.name, err)
		}
		r.err = err
		return 0, err
	}
	r.frames += int64(n / r.width)
	return n, nil
}

func (r *Reader) checkFinite(samples []float32) error {
	i := indexNotFinite(samples)
	if i < 0 {
		return nil
	}
	return faultf(ErrNotFinite, "sample %d is %v", r.frames+int64(i/r.width), samples[i])
}

// indexNotFinite returns the index of the first sample that is NaN or infinite,
// or -1. Both have all bits of the exponent set.
func indexNotFinite(samples []float32) int {
	const exponent = 0xff << 23
	for i, x := range samples {
		if math.Float32bits(x)&exponent == exponent {
			return i
		}
	}
	return -1
}

// Close releases the file and ends ffmpeg if it is at work. Read fails after it.
// Closing twice is harmless.
func (r *Reader) Close() error {
	if errors.Is(r.err, os.ErrClosed) {
		return nil
	}
	r.err = readError(r.name, os.ErrClosed)
	r.pending = nil
	r.in = nil
	if err := r.dec.close(); err != nil {
		return readError(r.name, err)
	}
	return nil
}
