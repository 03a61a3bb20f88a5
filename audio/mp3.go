package audio

import (
	"encoding/binary"
	"io"

	"github.com/hajimehoshi/go-mp3"

	"github.com/facodec-go/facodec/internal/plural"
)

// mp3Decay is how many samples MPEG audio decoders are late, beside the delay that
// the encoder tells of itself: 528 of the filter bank and 1.
const mp3Decay = 528 + 1

// mp3Decoder decodes MPEG-1 and MPEG-2 layer III. The decoder in it delivers 16
// bits, always two channels.
type mp3Decoder struct {
	src    *source
	frames *mp3Frames
	known  int64 // of Info
	width  int   // values of a frame
	dec    *mp3.Decoder
	feed   mp3Feed
	pos    int64 // decoded samples, before anything is cut off
	raw    []byte
	out    []float32 // decoded, not yet read
	buf    []float32
}

// mp3Feed hands frames to the decoder and remembers what ended them.
type mp3Feed struct {
	frames *mp3Frames
	rest   []byte
	err    error
}

func (f *mp3Feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 && f.err == nil {
		f.rest, f.err = f.frames.next()
	}
	if f.err != nil {
		return 0, io.EOF // it must not look at it
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// newMP3 opens MPEG audio, without the ID3 tag before it.
func newMP3(src *source) (decoder, error) {
	d := &mp3Decoder{src: src, known: -1, width: 1}
	if src.seekable() {
		if err := d.survey(); err != nil {
			return nil, err
		}
	}
	d.frames = &mp3Frames{br: src.br, odd: &src.notices, foreign: src.junk}
	d.feed.frames = d.frames
	if err := d.decodeFrame(); err != nil && err != io.EOF {
		return nil, err
	}
	return d, nil
}

// survey goes through all frames of a file without decoding: it takes a hundredth
// of the time that decoding does, and a file for ffmpeg, a damaged one and the
// number of samples are known before the first.
func (d *mp3Decoder) survey() error {
	start, err := d.src.offset()
	if err != nil {
		return err
	}
	d.frames = &mp3Frames{br: d.src.br, odd: &d.src.notices, offset: start, foreign: d.src.junk}
	for err == nil {
		_, err = d.frames.next()
	}
	if err == io.EOF {
		err = d.checkEnd()
	}
	if err != io.EOF {
		return err
	}
	all := d.frames.count * int64(d.frames.first.samples())
	first, from, to := d.cuts()
	d.known = max(0, all-first)
	if cut := max(from, first); cut < min(to, all) {
		d.known -= min(to, all) - cut
	}
	return d.src.rewind(start)
}

// cuts returns the first sample that is sound, and the range at the end that is
// none, counted as the decoder delivers them.
func (d *mp3Decoder) cuts() (first, from, to int64) {
	tag := d.frames.tag
	if !tag.lame {
		return 0, 0, 0
	}
	to = tag.frames * int64(d.frames.first.samples())
	return int64(tag.delay + mp3Decay), to - int64(tag.padding-mp3Decay), to
}

// checkEnd is io.EOF if there is sound, and says so if it is not as much as the tag of
// the encoder tells, which is not renewed by those that cut recordings. Encoders differ
// in whether they count the frame with the tag.
func (d *mp3Decoder) checkEnd() error {
	f := d.frames
	missing := f.tag.frames - f.count
	switch {
	case f.count == 0:
		return faultf(ErrEmpty, "the file has tags but no samples")
	case f.gap > 0 && abs(missing) > 1:
		return faultf(ErrCorrupt, "there are %d MP3 frames, the tag tells of %d, and there are other bytes from byte %d on", f.count, f.tag.frames, f.gap)
	case missing > 1:
		if err := d.src.odd(ErrTruncated, "the MP3 tag tells of %s, and there are %d", plural.Of(f.tag.frames, "frame"), f.count); err != nil {
			return err
		}
	}
	if d.src.seekable() && d.pos > 0 {
		if err := d.src.checkUnchanged(); err != nil {
			return err
		}
	}
	return io.EOF
}

func (d *mp3Decoder) info() Info {
	info := Info{Format: "mp3", Encoding: "layer3", SampleRate: d.frames.first.rate, Channels: 2, Frames: d.known}
	if d.frames.first.mono {
		info.Channels = 1
	}
	return info
}

func (d *mp3Decoder) read(dst []float32) (int, error) {
	for len(d.out) == 0 {
		if err := d.decodeFrame(); err != nil {
			return 0, err
		}
	}
	n := copy(dst[:len(dst)/d.width*d.width], d.out)
	d.out = d.out[n:]
	return n, nil
}

// decodeFrame decodes the next frame into out.
func (d *mp3Decoder) decodeFrame() error {
	err := guard("MP3", func() (err error) {
		if d.dec == nil {
			if d.dec, err = mp3.NewDecoder(&d.feed); err != nil {
				return err
			}
			d.raw = make([]byte, 4*d.frames.first.samples())
			d.width = d.src.width(d.info().Channels)
		}
		_, err = io.ReadFull(d.dec, d.raw)
		return err
	})
	// Where the frames ended the decoder has an error, too, but not the reason.
	if d.feed.err == io.EOF && err != nil {
		return d.checkEnd()
	}
	if other, ok := d.feed.err.(forFFmpeg); ok && d.pos > 0 {
		return faultf(ErrUnsupported, "%s in a stream", other.kind)
	}
	if d.feed.err != nil {
		return d.feed.err
	}
	if err != nil {
		return err
	}
	d.mix()
	return nil
}

// mix takes the mean over the channels, equal ones for a mono file, or keeps them, and
// cuts off what is no sound.
func (d *mp3Decoder) mix() {
	le := binary.LittleEndian
	first, from, to := d.cuts()
	d.buf = d.buf[:0]
	for b := d.raw; len(b) > 0; b = b[4:] {
		if d.pos >= first && (d.pos < from || d.pos >= to) {
			left, right := int16(le.Uint16(b)), int16(le.Uint16(b[2:]))
			if d.width == 2 {
				d.buf = append(d.buf, float32(left)/(1<<15), float32(right)/(1<<15))
			} else {
				d.buf = append(d.buf, float32(int32(left)+int32(right))/(1<<16))
			}
		}
		d.pos++
	}
	d.out = d.buf
}

func (d *mp3Decoder) close() error { return d.src.close() }
