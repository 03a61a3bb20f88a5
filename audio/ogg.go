package audio

import (
	"bytes"
	"io"

	"github.com/facodec-go/facodec/internal/plural"
)

// packetDecoder is a codec that comes in packets.
type packetDecoder interface {
	// header takes the first packets of a stream, in order, and tells whether it
	// was the last one before the sound. A packet that was too long is nil.
	header(packet []byte) (done bool, err error)
	// decode appends the samples of a packet: width values a frame.
	decode(dst []float32, packet []byte, width int) ([]float32, error)
	// format is known after the first header. skip is how many of the first
	// samples are none of the recording.
	format() (encoding string, rate, channels int)
	skip() int64
}

// oggDecoder decodes the first stream of sound in an Ogg file, and those of further
// recordings appended to it, which Ogg allows ("chained"), at the rate of the first. Sound is missing where the count of samples on a page tells so, or a
// packet has a part only.
type oggDecoder struct {
	src     *source
	page    oggPage
	unread  bool // page is read, but not used
	packets oggPackets
	codec   packetDecoder
	ready   bool              // all headers are read
	ended   bool              // the stream's last page is read
	damaged bool              // a page with a wrong checksum may be one of ours that is missing
	hole    bool              // the numbers of pages do not fit, and no count has told yet what that means
	first   Info              // of the first recording
	width   int               // values of a frame
	link    *channelResampler // of a further recording with another rate

	// Positions in samples, as decoded:
	done int64 // so far
	base int64 // what the stream's own count is ahead; -1: not known
	skip int64 // first sample of the recording

	out, buf []float32
}

var errOggSum = faultf(ErrCorrupt, "an Ogg page with a wrong checksum")

func newOgg(src *source) (decoder, error) {
	d := &oggDecoder{src: src}
	if err := d.nextPage(); err == io.EOF {
		return nil, faultf(ErrTruncated, "the file ends within its first Ogg page")
	} else if err != nil {
		return nil, err
	}
	if err := d.startStream(); err != nil {
		return nil, err
	}
	d.first.Format, d.first.Frames = "ogg", -1
	d.first.Encoding, d.first.SampleRate, d.first.Channels = d.codec.format()
	d.width = src.width(d.first.Channels)
	for !d.ready {
		if err := d.advance(); err == io.EOF {
			return nil, faultf(ErrTruncated, "the file ends in the %s headers", d.first.Encoding)
		} else if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// nextPage reads the next page and says what was odd about the way to it.
func (d *oggDecoder) nextPage() error {
	err := d.page.read(d.src.br)
	if err != nil && err != io.EOF {
		return err
	}
	p := &d.page
	d.damaged = d.damaged || p.damaged
	switch {
	case p.skipped == 0:
		return err
	case p.damaged && d.codec == nil:
		return errOggSum
	case err == io.EOF && p.damaged && !d.ended:
		return err // checkEnd says so
	case err == io.EOF && p.cut && !d.ended:
		return faultf(ErrTruncated, "the file ends within an Ogg page")
	case d.codec == nil:
		return faultf(ErrCorrupt, "no Ogg page where one should begin")
	}
	where := "between Ogg pages"
	if err == io.EOF {
		where = "behind the last Ogg page"
	}
	if oddErr := d.src.odd(ErrCorrupt, "%s %s that are none of them", plural.Of(p.skipped, "byte"), where); oddErr != nil {
		return oddErr
	}
	return err
}

// startStream looks through the first pages of all streams, which come together, d.page
// being one of them, and chooses the first with sound.
func (d *oggDecoder) startStream() error {
	d.codec, d.ready, d.ended, d.hole, d.damaged = nil, false, false, false, false
	for d.page.flags&oggFirst != 0 {
		if d.codec == nil {
			if err := d.choose(); err != nil {
				return err
			}
		}
		if err := d.nextPage(); err == io.EOF {
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
	d.packets = oggPackets{serial: d.page.serial}
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
	n := copy(dst[:len(dst)/d.width*d.width], d.out)
	d.out = d.out[n:]
	return n, nil
}

// advance decodes the next page into out.
func (d *oggDecoder) advance() error {
	if !d.unread {
		if err := d.nextPage(); err == io.EOF {
			if d.flushLink() {
				return nil
			}
			return d.checkEnd()
		} else if err != nil {
			return err
		}
	}
	d.unread = false
	p := &d.page
	if p.flags&oggFirst != 0 && (d.ready || d.ended) {
		if d.flushLink() {
			d.unread = true
			return nil
		}
		if err := d.checkEnd(); err != io.EOF {
			return err
		}
		return d.nextRecording()
	}
	switch {
	case p.serial != d.packets.serial:
		return nil
	case d.ended:
		if err := d.src.odd(ErrCorrupt, "an Ogg page behind the last of its stream"); err != nil {
			return err
		}
	case d.packets.repeated(p):
		return d.src.odd(ErrCorrupt, "an Ogg page that is there twice")
	}
	if err := d.checkNumber(); err != nil {
		return err
	}
	d.buf = d.buf[:0]
	err := d.packets.split(p, func(packet []byte) (err error) {
		switch {
		case !d.ready:
			d.ready, err = d.codec.header(packet)
		case packet == nil:
			err = faultf(ErrCorrupt, "a packet of more than %d bytes", maxPacket)
		default:
			d.buf, err = d.codec.decode(d.buf, packet, d.width)
		}
		return err
	})
	if err != nil {
		return err
	}
	d.ended = p.flags&oggLast != 0
	if err := d.checkHole(); err != nil {
		return err
	}
	if err := d.checkCount(); err != nil {
		return err
	}
	d.trim()
	return nil
}

// checkCount drops a count of samples that cannot be one: zero behind sound, or on the
// last page fewer than there were before it. By such a count sound would be cut off that
// other decoders play.
func (d *oggDecoder) checkCount() error {
	granule := d.page.granule
	if granule < 0 || len(d.buf) == 0 || granule > 0 && (d.base < 0 || !d.ended || granule >= d.base+d.done) {
		return nil
	}
	d.page.granule = -1
	return d.src.odd(ErrCorrupt, "an Ogg page counts %s, and there are more before its end", plural.Of(granule, "sample"))
}

// checkNumber looks at the number of the page and at how it goes on with the packet of
// the one before. Where numbers do not fit, sound is missing only if the count of
// samples says so, too; a recording that was cut out of a longer one has none before.
func (d *oggDecoder) checkNumber() error {
	p := &d.page
	fits := p.sequence == d.packets.sequence
	continued := p.flags&oggContinued != 0
	switch {
	case !d.ready && continued != d.packets.open:
		return faultf(ErrCorrupt, "Ogg pages are missing before number %d, in the headers", p.sequence)
	case continued != d.packets.open && (d.base >= 0 || d.packets.open):
		if fits {
			return faultf(ErrCorrupt, "a packet is not continued on Ogg page %d", p.sequence)
		}
		return faultf(ErrCorrupt, "Ogg pages are missing before number %d, and a packet with them", p.sequence)
	case !fits && d.damaged && d.base < 0:
		return errOggSum
	case !fits:
		d.hole = true
		return d.src.odd(ErrCorrupt, "the numbers of the Ogg pages have holes, or start anew")
	}
	return nil
}

// checkHole compares the count on a page behind a hole in the numbers with what was
// decoded.
func (d *oggDecoder) checkHole() error {
	if !d.hole {
		d.damaged = false // nothing is missing
	}
	if !d.hole || d.page.granule < 0 || !d.ready {
		return nil
	}
	if d.base >= 0 {
		to := d.base + d.done + int64(len(d.buf)/d.width)
		if missing := d.page.granule - to; missing > 0 {
			return faultf(ErrCorrupt, "%s missing before Ogg page %d", plural.Of(missing, "sample"), d.page.sequence)
		} else if missing < 0 && !d.ended {
			d.base += missing // another count begins
		}
	}
	if len(d.buf) > 0 {
		d.hole, d.damaged = false, false
	}
	return nil
}

// checkEnd is io.EOF for a stream that is all there, as far as it tells.
func (d *oggDecoder) checkEnd() error {
	switch {
	case d.ended:
	case d.damaged:
		return errOggSum
	case !d.ready:
	case d.packets.open:
		return faultf(ErrTruncated, "the Ogg stream ends within a packet")
	default:
		if err := d.src.odd(ErrTruncated, "the Ogg stream has no last page"); err != nil {
			return err
		}
	}
	return io.EOF
}

// trim cuts off what is before and behind the recording. The count on the first page
// tells where a stream that was cut out of a longer one begins; one on the last that
// is lower than what was decoded is where the sound ends (RFC 7845, section 4).
func (d *oggDecoder) trim() {
	from, to := d.done, d.done+int64(len(d.buf)/d.width)
	d.done = to
	if d.page.granule >= 0 && len(d.buf) > 0 && d.base < 0 {
		d.base = 0
		switch ahead := d.page.granule - to; {
		case ahead > 0:
			d.base = ahead
		case ahead < 0 && !d.ended:
			d.base = ahead
			// Vorbis cuts off a beginning so; Opus has its own count for that.
			if _, vorbis := d.codec.(*vorbisDecoder); vorbis {
				d.skip = max(d.skip, -ahead)
			}
		}
	}
	end := to
	if d.ended && d.page.granule >= 0 {
		end = min(to, max(d.page.granule-d.base, from))
	}
	start := min(max(from, d.skip), end)
	d.out = d.buf[int(start-from)*d.width : int(end-from)*d.width]
	if d.link != nil {
		d.out = d.link.process(d.out)
	}
}

// flushLink makes out what a recording that is converted has left at its end, if any is.
func (d *oggDecoder) flushLink() bool {
	if d.link == nil {
		return false
	}
	d.out = d.link.flush()
	d.link = nil
	return true
}

// nextRecording begins a recording that is appended to the one that ended.
func (d *oggDecoder) nextRecording() error {
	if err := d.startStream(); err != nil {
		return err
	}
	encoding, rate, _ := d.codec.format()
	if encoding == d.first.Encoding && rate == d.first.SampleRate {
		return nil
	}
	err := d.src.odd(ErrUnsupported, "a further recording in the file is %s at %d Hz, after %s at %d Hz",
		encoding, rate, d.first.Encoding, d.first.SampleRate)
	if err == nil && rate != d.first.SampleRate {
		d.link, err = newChannelResampler(d.width, rate, d.first.SampleRate)
	}
	return err
}

func (d *oggDecoder) close() error { return d.src.close() }
