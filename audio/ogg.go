package audio

import (
	"bytes"
	"io"
)

// packetDecoder is a codec that comes in packets.
type packetDecoder interface {
	// header takes the first packets of a stream, in order, and tells whether it
	// was the last one before the sound. A packet that was too long is nil.
	header(packet []byte) (done bool, err error)
	// decode appends the samples of a packet, mixed to mono.
	decode(dst []float32, packet []byte) ([]float32, error)
	// format is known after the first header. skip is how many of the first
	// samples are none of the recording.
	format() (encoding string, rate, channels int)
	skip() int64
}

// oggDecoder decodes the first stream of sound in an Ogg file, and those of further
// recordings appended to it, which Ogg allows ("chained") if they are of the same
// codec and rate.
type oggDecoder struct {
	src     *source
	page    oggPage
	unread  bool // page is read, but not used
	packets oggPackets
	codec   packetDecoder
	ready   bool // all headers are read
	ended   bool // the stream's last page is read
	first   Info // of the first recording

	// Positions in samples, as decoded:
	done int64 // so far
	base int64 // what the stream's own count is ahead; -1: not known
	skip int64 // first sample of the recording

	out, buf []float32
}

func newOgg(src *source) (decoder, error) {
	d := &oggDecoder{src: src}
	if err := d.page.read(src.br); err != nil {
		return nil, err
	}
	if err := d.startStream(); err != nil {
		return nil, err
	}
	d.first.Format, d.first.Frames = "ogg", -1
	d.first.Encoding, d.first.SampleRate, d.first.Channels = d.codec.format()
	for !d.ready {
		if err := d.advance(); err == io.EOF {
			return nil, faultf(ErrTruncated, "the file ends in the %s headers", d.first.Encoding)
		} else if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// startStream looks through the first pages of all streams, which come together, d.page
// being one of them, and chooses the first with sound.
func (d *oggDecoder) startStream() error {
	d.codec, d.ready, d.ended = nil, false, false
	for d.page.flags&oggFirst != 0 {
		if d.codec == nil {
			if err := d.choose(); err != nil {
				return err
			}
		}
		if err := d.page.read(d.src.br); err == io.EOF {
			return faultf(ErrTruncated, "the file ends after the first Ogg pages")
		} else if err != nil {
			return err
		}
	}
	d.unread = true
	if d.codec == nil {
		return forFFmpeg{"Ogg without Vorbis or Opus"}
	}
	d.done, d.base, d.skip = 0, -1, d.codec.skip()
	return nil
}

// choose makes the stream of this page the one to decode if it has sound.
func (d *oggDecoder) choose() error {
	var codec packetDecoder
	switch head := d.page.body; {
	case bytes.HasPrefix(head, []byte("\x01vorbis")):
		codec = &vorbisDecoder{}
	case bytes.HasPrefix(head, []byte("OpusHead")):
		codec = &opusDecoder{}
	case bytes.HasPrefix(head, []byte("Speex   ")):
		return forFFmpeg{"Ogg Speex"}
	case bytes.HasPrefix(head, []byte("\x7fFLAC")):
		return forFFmpeg{"Ogg FLAC"}
	default:
		return nil
	}
	if len(d.page.lacing) == 0 || d.page.lacing[len(d.page.lacing)-1] == 255 {
		return faultf(ErrCorrupt, "the first Ogg page has no whole packet")
	}
	d.codec = codec
	d.packets = oggPackets{serial: d.page.serial, sequence: d.page.sequence}
	return d.packets.split(&d.page, func(packet []byte) error {
		_, err := codec.header(packet)
		return err
	})
}

func (d *oggDecoder) info() Info { return d.first }

func (d *oggDecoder) read(dst []float32) (int, error) {
	for len(d.out) == 0 {
		err := d.advance()
		if other, ok := err.(forFFmpeg); ok {
			err = faultf(ErrUnsupported, "a second recording in the file is %s", other.kind)
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(dst, d.out)
	d.out = d.out[n:]
	return n, nil
}

// advance decodes the next page into out.
func (d *oggDecoder) advance() error {
	if !d.unread {
		if err := d.page.read(d.src.br); err == io.EOF && !d.ended {
			return faultf(ErrTruncated, "the Ogg stream has no last page")
		} else if err != nil {
			return err
		}
	}
	d.unread = false
	if d.ended && d.page.flags&oggFirst != 0 {
		return d.nextRecording()
	}
	if d.page.serial != d.packets.serial {
		return nil
	}
	if d.ended {
		return faultf(ErrCorrupt, "an Ogg page behind the last of its stream")
	}
	d.buf = d.buf[:0]
	err := d.packets.split(&d.page, func(packet []byte) (err error) {
		switch {
		case !d.ready:
			d.ready, err = d.codec.header(packet)
		case packet == nil:
			err = faultf(ErrCorrupt, "a packet of more than %d bytes", maxPacket)
		default:
			d.buf, err = d.codec.decode(d.buf, packet)
		}
		return err
	})
	if err != nil {
		return err
	}
	d.ended = d.page.flags&oggLast != 0
	d.trim()
	return nil
}

// trim cuts off what is before and behind the recording. The count on the first page
// tells where a stream that was cut out of a longer one begins; one on the last that
// is lower than what was decoded is where the sound ends (RFC 7845, section 4).
func (d *oggDecoder) trim() {
	from, to := d.done, d.done+int64(len(d.buf))
	d.done = to
	if d.page.granule >= 0 && len(d.buf) > 0 && d.base < 0 {
		d.base = 0
		switch ahead := d.page.granule - to; {
		case ahead > 0:
			d.base = ahead
		case ahead < 0 && !d.ended:
			d.base = ahead
			d.skip = max(d.skip, -ahead)
		}
	}
	end := to
	if d.ended && d.page.granule >= 0 {
		end = min(to, max(d.page.granule-d.base, from))
	}
	start := min(max(from, d.skip), end)
	d.out = d.buf[start-from : end-from]
}

// nextRecording begins a recording that is appended to the one that ended.
func (d *oggDecoder) nextRecording() error {
	if err := d.startStream(); err != nil {
		return err
	}
	encoding, rate, _ := d.codec.format()
	if encoding != d.first.Encoding || rate != d.first.SampleRate {
		return faultf(ErrUnsupported, "a second recording in the file, %s at %d Hz after %s at %d Hz",
			encoding, rate, d.first.Encoding, d.first.SampleRate)
	}
	return nil
}

func (d *oggDecoder) close() error { return d.src.close() }
