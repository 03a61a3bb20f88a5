package audio

import (
	"encoding/binary"
	"io"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// webmDecoder decodes the first sound track of a WebM or Matroska file if it is Opus.
type webmDecoder struct {
	src   *source
	ebml  ebmlReader
	track uint64
	opus  opusDecoder
	width int   // values of a frame
	skip  int64 // samples still to be cut off at the start
	end   int64 // offset where the segment ends; 0: not told
	frame [][]byte
	body  []byte

	out, buf []float32
}

func newWebM(src *source) (decoder, error) {
	d := &webmDecoder{src: src, ebml: ebmlReader{br: src.br}}
	for d.track == 0 {
		id, size, err := d.ebml.next()
		if err == io.EOF {
			return nil, faultf(ErrTruncated, "the file ends before its tracks")
		}
		if err == nil {
			switch id {
			case mkvSegment:
				d.ebml.enter(size)
				d.end = d.ebml.end
			case mkvTracks:
				err = d.readTracks(size)
			case mkvSimpleBlock, mkvBlockGroup:
				err = faultf(ErrCorrupt, "sound before the tracks are told")
			default:
				err = d.ebml.skip(size)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// readTracks chooses the first track with sound.
func (d *webmDecoder) readTracks(size int64) error {
	b, err := d.ebml.body(nil, size)
	if err != nil {
		return err
	}
	err = ebmlChildren(b, func(id uint32, body []byte) error {
		if id != mkvTrackEntry || d.track != 0 {
			return nil
		}
		return d.readTrack(body)
	})
	if err == nil && d.track == 0 {
		return forFFmpeg{"WebM without sound"}
	}
	return err
}

func (d *webmDecoder) readTrack(b []byte) error {
	const sound = 2
	var number, kind, delay uint64
	var codec string
	var private []byte
	encoded := false
	err := ebmlChildren(b, func(id uint32, body []byte) error {
		switch id {
		case mkvTrackNumber:
			number = ebmlInt(body)
		case mkvTrackType:
			kind = ebmlInt(body)
		case mkvCodecID:
			codec = strings.TrimRight(string(body), "\x00")
		case mkvCodecPrivate:
			private = body
		case mkvCodecDelay:
			delay = ebmlInt(body)
		case mkvContentEncodings:
			encoded = true
		}
		return nil
	})
	switch {
	case err != nil || kind != sound:
		return err
	case codec != "A_OPUS":
		return forFFmpeg{"WebM or Matroska without Opus"}
	case encoded:
		return forFFmpeg{"WebM whose sound is compressed or encrypted again"}
	case number == 0:
		return faultf(ErrCorrupt, "a WebM track without a number")
	}
	if _, err := d.opus.header(private); err != nil {
		return err
	}
	d.track, d.width = number, d.src.width(d.opus.channels)
	// Both tell the same, but some leave one of them out.
	if d.skip = d.opus.skip(); d.skip == 0 {
		d.skip = opusSamples(int64(min(delay, 1e10)))
	}
	return nil
}

// opusSamples is how many samples last so many nanoseconds, rounded.
func opusSamples(nanoseconds int64) int64 { return (nanoseconds*opusRate + 5e8) / 1e9 }

func (d *webmDecoder) info() Info {
	return Info{Format: "webm", Encoding: "opus", SampleRate: opusRate, Channels: d.opus.channels, Frames: -1}
}

func (d *webmDecoder) read(dst []float32) (int, error) {
	for len(d.out) == 0 {
		if err := d.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(dst[:len(dst)/d.width*d.width], d.out)
	d.out = d.out[n:]
	return n, nil
}

// advance decodes the next block, or skips the next element.
func (d *webmDecoder) advance() error {
	if behind, err := d.behindEnd(); behind || err != nil {
		return err
	}
	id, size, err := d.ebml.next()
	if err != nil {
		return err
	}
	switch id {
	case mkvSegment, ebmlHead:
		return faultf(ErrUnsupported, "a second recording in the file")
	case mkvSimpleBlock:
		if skipped, err := d.otherTrack(size); skipped || err != nil {
			return err
		}
		if d.body, err = d.ebml.body(d.body, size); err != nil {
			return err
		}
		return d.decodeBlock(d.body, 0)
	case mkvBlockGroup:
		return d.readGroup(size)
	}
	return d.ebml.skip(size)
}

// behindEnd is io.EOF behind the end of the segment, where no other recording follows.
func (d *webmDecoder) behindEnd() (bool, error) {
	if d.end == 0 || d.ebml.offset < d.end {
		return false, nil
	}
	head, err := d.ebml.br.Peek(4)
	if len(head) == 0 || isEBML(head) || len(head) == 4 && binary.BigEndian.Uint32(head) == mkvSegment {
		return false, nil // next says so
	}
	if err != nil && err != io.EOF {
		return true, err
	}
	if err := d.src.odd(ErrCorrupt, "bytes behind the end of the WebM that are none of it"); err != nil {
		return true, err
	}
	return true, io.EOF
}

// otherTrack skips a block of another track: pictures can be larger than what is held
// in memory.
func (d *webmDecoder) otherTrack(size int64) (skipped bool, err error) {
	b, _ := d.ebml.br.Peek(int(min(size, 8)))
	if track, n := ebmlNumber(b); n == 0 || track == d.track {
		return false, nil
	}
	return true, d.ebml.skip(size)
}

// readGroup decodes the block in a group, at whose end a part may be none of the
// recording.
func (d *webmDecoder) readGroup(size int64) (err error) {
	if size > maxElement {
		return d.ebml.skip(size) // of pictures; sound is never so large
	}
	if d.body, err = d.ebml.body(d.body, size); err != nil {
		return err
	}
	var block []byte
	var discard int64
	err = ebmlChildren(d.body, func(id uint32, body []byte) error {
		switch {
		case id == mkvBlock:
			block = body
		case id == mkvDiscardPadding && len(body) > 0 && len(body) <= 8:
			shift := 64 - 8*len(body)
			discard = int64(ebmlInt(body)<<shift) >> shift
		}
		return nil
	})
	if err != nil || block == nil {
		return err
	}
	return d.decodeBlock(block, opusSamples(min(max(discard, 0), 1e10)))
}

// decodeBlock decodes a block of our track, without the last samples of it.
func (d *webmDecoder) decodeBlock(b []byte, discard int64) error {
	track, n := ebmlNumber(b)
	if n == 0 || len(b) < n+3 {
		return faultf(ErrCorrupt, "a WebM block of %s", plural.Of(len(b), "byte"))
	}
	if track != d.track {
		return nil
	}
	flags := b[n+2] // behind the time
	var err error
	if d.frame, err = unlace(d.frame[:0], b[n+3:], flags>>1&3); err != nil {
		return err
	}
	d.buf = d.buf[:0]
	for _, packet := range d.frame {
		if d.buf, err = d.opus.decode(d.buf, packet, d.width); err != nil {
			return err
		}
	}
	frames := int64(len(d.buf) / d.width)
	end := max(0, frames-discard)
	cut := min(d.skip, end)
	d.skip -= cut
	d.out = d.buf[int(cut)*d.width : int(end)*d.width]
	return nil
}

// unlace cuts a block into its frames: one, or several whose sizes are told as Ogg
// does (1), not at all since they are equal (2), or as differences (3). RFC 9559,
// section 10.3.
func unlace(dst [][]byte, b []byte, lacing byte) ([][]byte, error) {
	wrong := faultf(ErrCorrupt, "a WebM block of wrong lacing")
	if lacing == 0 {
		return append(dst, b), nil
	}
	if len(b) == 0 {
		return dst, wrong
	}
	count := int(b[0]) + 1
	b = b[1:]
	sizes := make([]int, count)
	told := 0
	for i := range count - 1 {
		switch lacing {
		case 1:
			for more := true; more; b = b[1:] {
				if len(b) == 0 {
					return dst, wrong
				}
				sizes[i] += int(b[0])
				more = b[0] == 255
			}
		case 2:
			sizes[i] = len(b) / count
		case 3:
			x, n := ebmlNumber(b)
			if n == 0 || n > 4 {
				return dst, wrong
			}
			if sizes[i] = int(x); i > 0 {
				sizes[i] += sizes[i-1] - (1<<(7*n-1) - 1)
			}
			b = b[n:]
		}
		if sizes[i] < 0 {
			return dst, wrong
		}
		told += sizes[i]
	}
	if sizes[count-1] = len(b) - told; sizes[count-1] < 0 || lacing == 2 && len(b)%count != 0 {
		return dst, wrong
	}
	for _, size := range sizes {
		dst = append(dst, b[:size])
		b = b[size:]
	}
	return dst, nil
}

// isEBML tells whether a file may be WebM.
func isEBML(head []byte) bool {
	return len(head) >= 4 && binary.BigEndian.Uint32(head) == ebmlHead
}

func (d *webmDecoder) close() error { return d.src.close() }
