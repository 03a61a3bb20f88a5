package audio

import (
	"errors"
	"io"
	"math"
	"os"
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
	// read puts the next frames, as means over their channels, into dst, which
	// is not empty. It returns n > 0 or an error; io.EOF is a sound end.
	read(dst []float32) (n int, err error)
	close() error
}

// A Reader yields the samples of an audio file: mono, full scale ±1, at the rate
// of the file or the one given to OpenAt. It serves one goroutine at a time.
type Reader struct {
	name   string
	dec    decoder
	frames int64 // decoded so far
	err    error // the first error, io.EOF included; it stays

	// Only with a rate of one's own:
	resample *Resampler
	in, out  []float32
	pending  []float32 // the part of out that is not yet read
}

// Open opens an audio file at its own sample rate. What the file is, is seen from
// its content. Read the package's introduction for what is refused here and what
// is found only on the way; every error names the file.
func Open(path string) (*Reader, error) {
	src, err := openSource(path)
	if err != nil {
		return nil, err // names the file already
	}
	return newReader(src)
}

// OpenAt is Open with the samples converted to rate: n frames of the file become
// exactly ResampledLen(n, fileRate, rate) samples. A rate not served is ErrRate.
func OpenAt(path string, rate int) (*Reader, error) {
	if err := checkRate(rate); err != nil {
		return nil, readError(path, err)
	}
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	if err := r.setRate(rate); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// NewReader reads an audio file from a stream, say an upload, at its own sample
// rate. The name is for the errors. Formats that ffmpeg can only decode by
// seeking (some MP4) cannot be read this way. Close does not close stream; if
// ffmpeg decodes, stream must not be used by others until Close has returned.
func NewReader(stream io.Reader, name string) (*Reader, error) {
	return newReader(newSource(stream, name))
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

func newReader(src *source) (*Reader, error) {
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
	return &Reader{name: src.name, dec: dec}, nil
}

// checkInfo refuses what no decoder should let pass on.
func checkInfo(info Info) error {
	if info.Channels < 1 {
		return faultf(ErrCorrupt, "%d channels", info.Channels)
	}
	if info.Frames == 0 {
		return faultf(ErrEmpty, "the file has a header but no samples")
	}
	return checkRate(info.SampleRate)
}

func (r *Reader) setRate(rate int) error {
	from := r.dec.info().SampleRate
	if from == rate {
		return nil
	}
	resample, err := NewResampler(from, rate)
	if err != nil {
		return readError(r.name, err)
	}
	r.resample = resample
	r.in = make([]float32, blockFrames)
	return nil
}

// Info describes the file, not what is delivered; for that see Rate and Samples.
func (r *Reader) Info() Info { return r.dec.info() }

// Rate returns the rate of the samples that Read delivers, in Hz.
func (r *Reader) Rate() int {
	if r.resample != nil {
		return r.resample.to
	}
	return r.dec.info().SampleRate
}

// Samples returns how many samples Read delivers in all, or -1 where only reading
// to the end can tell. For FLAC it is the file's word, checked at its end.
func (r *Reader) Samples() int64 {
	info := r.dec.info()
	if info.Frames < 0 || r.resample == nil {
		return info.Frames
	}
	return ResampledLen(info.Frames, r.resample.from, r.resample.to)
}

// Read puts the next samples into dst and returns how many: n > 0 with a nil
// error, or 0 with an error, which is io.EOF after the last sample. It may return
// fewer than len(dst) before the end.
func (r *Reader) Read(dst []float32) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	if r.resample == nil {
		return r.decode(dst)
	}
	for len(r.pending) == 0 {
		n, err := r.decode(r.in)
		switch {
		case err == nil:
			r.out = r.resample.Process(r.out[:0], r.in[:n])
		case err == io.EOF && !r.resample.flushed():
			r.out = r.resample.Flush(r.out[:0])
		default:
			return 0, err
		}
		r.pending = r.out
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
	r.frames += int64(n)
	return n, nil
}

func (r *Reader) checkFinite(samples []float32) error {
	i := indexNotFinite(samples)
	if i < 0 {
		return nil
	}
	return faultf(ErrNotFinite, "sample %d is %v", r.frames+int64(i), samples[i])
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
	if r.resample != nil {
		r.resample.hist = nil
	}
	if err := r.dec.close(); err != nil {
		return readError(r.name, err)
	}
	return nil
}
