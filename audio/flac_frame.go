package audio

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/facodec-go/facodec/internal/plural"
)

func itoa(n int) string { return strconv.Itoa(n) }

// flacFrame is a frame's header (RFC 9639, section 9.1), as far as it matters once
// it is checked.
type flacFrame struct {
	size   int // samples per channel
	stereo int // how two channels are coded; see the constants
}

const (
	stereoPlain = iota
	stereoLeftSide
	stereoSideRight
	stereoMidSide
)

// readFrame decodes one frame into d.next and d.channels.
func (d *flacDecoder) readFrame() error {
	err := d.readFrameHeader()
	for c := 0; c < len(d.channels) && err == nil && d.br.err == nil; c++ {
		bits := d.head.bits
		if c == 0 && d.next.stereo == stereoSideRight || c == 1 && (d.next.stereo == stereoLeftSide || d.next.stereo == stereoMidSide) {
			bits++ // a difference
		}
		if cap(d.channels[c]) < d.next.size {
			d.channels[c] = make([]int64, d.next.size)
		}
		d.channels[c] = d.channels[c][:d.next.size]
		err = d.readSubframe(d.channels[c], bits)
	}
	if err == nil {
		d.br.align()
		want := d.br.sumUp()
		if got := d.br.bits(16); uint16(got) != want && !d.trusting {
			err = errors.New("wrong checksum")
		}
	}
	// At the end of the stream the reader yields zeros, which look like damage.
	if d.br.err != nil {
		declared := d.head.frames
		if declared == 0 {
			return d.streamError(fmt.Errorf("the file ends in a FLAC frame after %s", plural.Of(d.done, "sample")))
		}
		return d.streamError(fmt.Errorf("%d of %d samples are missing", max(0, declared-d.done), declared))
	}
	if err == nil {
		d.restoreStereo()
		err = d.checkRange()
	}
	if err != nil {
		if errors.Is(err, ErrUnsupported) {
			return err
		}
		return faultf(ErrCorrupt, "FLAC frame at sample %d: %v", d.done, err)
	}
	d.done += int64(d.next.size)
	return nil
}

// readFrameHeader reads the header and checks it against STREAMINFO.
func (d *flacDecoder) readFrameHeader() error {
	br := d.br
	br.peek(16) // no header is longer: its bytes stay where they are for the checksum
	br.startSum()
	start := br.pos / 8
	if br.bits(15) != 0x7FFC {
		return errors.New("no frame where one should begin")
	}
	variable := br.bits(1) == 1
	sizeCode, rateCode := br.bits(4), br.bits(4)
	channelCode, bitsCode := int(br.bits(4)), br.bits(3)
	reserved := br.bits(1)
	number, ok := readFLACNumber(br)
	size := readFLACBlockSize(br, sizeCode)
	rate := d.readFrameRate(rateCode)
	sum := crc8(br.buf[start : br.pos/8])
	if byte(br.bits(8)) != sum && !d.trusting || !ok || reserved != 0 {
		return errors.New("damaged header")
	}

	channels := channelCode + 1
	d.next = flacFrame{size: size}
	if channelCode >= 8 {
		channels = 2
		d.next.stereo = channelCode - 8 + stereoLeftSide
	}
	switch bits := [8]int{d.head.bits, 8, 12, -1, 16, 20, 24, 32}[bitsCode]; {
	case size < 1 || rate < 1 || channelCode > 10 || bits < 0:
		return errors.New("reserved value in the header")
	case size > d.head.maxBlock:
		return fmt.Errorf("%s in a block where %d are the most", plural.Of(size, "sample"), d.head.maxBlock)
	case rate != d.head.rate || channels != d.head.channels || bits != d.head.bits:
		return faultf(ErrUnsupported, "a FLAC that changes from %d Hz, %s, %s to %d Hz, %s, %s",
			d.head.rate, plural.Of(d.head.channels, "channel"), plural.Of(d.head.bits, "bit"), rate, plural.Of(channels, "channel"), plural.Of(bits, "bit"))
	}
	if d.done == 0 {
		d.variable, d.first = variable, size
	}
	// A frame that is lost or twice there shows in the numbers.
	expect := uint64(d.done)
	if !d.variable {
		expect /= uint64(d.first)
	}
	if variable != d.variable || number != expect {
		return fmt.Errorf("frame number %d where %d should be", number, expect)
	}
	return nil
}

// readFLACNumber reads a number coded as UTF-8 codes characters, up to 36 bits.
func readFLACNumber(br *bitReader) (x uint64, ok bool) {
	first := br.bits(8)
	if first < 0x80 {
		return first, true
	}
	more := 0
	for first&(0x40>>more) != 0 {
		more++
	}
	if more < 1 || more > 6 {
		return 0, false
	}
	x = first & (0x3F >> more)
	for range more {
		b := br.bits(8)
		if b&0xC0 != 0x80 {
			return 0, false
		}
		x = x<<6 | b&0x3F
	}
	return x, true
}

// readFLACBlockSize returns the samples of a block, or 0 for a reserved code.
func readFLACBlockSize(br *bitReader, code uint64) int {
	switch {
	case code == 0:
		return 0
	case code == 1:
		return 192
	case code <= 5:
		return 144 << code
	case code == 6:
		return int(br.bits(8)) + 1
	case code == 7:
		return int(br.bits(16)) + 1
	}
	return 1 << code
}

// readFrameRate returns the rate of a frame in Hz, or -1 for a reserved code.
func (d *flacDecoder) readFrameRate(code uint64) int {
	switch code {
	case 12:
		return int(d.br.bits(8)) * 1000
	case 13:
		return int(d.br.bits(16))
	case 14:
		return int(d.br.bits(16)) * 10
	case 15:
		return -1
	}
	return [12]int{d.head.rate, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}[code]
}

// restoreStereo turns differences back into left and right.
func (d *flacDecoder) restoreStereo() {
	if d.next.stereo == stereoPlain {
		return
	}
	a, b := d.channels[0], d.channels[1]
	for i := range a {
		switch d.next.stereo {
		case stereoLeftSide:
			b[i] = a[i] - b[i]
		case stereoSideRight:
			a[i] += b[i]
		case stereoMidSide:
			// mid lost its lowest bit, which is also that of side.
			mid, side := a[i]<<1|b[i]&1, b[i]
			a[i], b[i] = (mid+side)>>1, (mid-side)>>1
		}
	}
}

// checkRange finds samples that do not fit their bits. There are files that have them, 14 of
// Picovoice's wake-word-benchmark say, whose clipped peaks are 32768 in 16 bits: libFLAC wrote
// what it was told. The reference decoder refuses them, too; others make a click of each.
func (d *flacDecoder) checkRange() error {
	limit := int64(1) << (d.head.bits - 1)
	for _, samples := range d.channels {
		for _, x := range samples {
			if x < -limit || x >= limit {
				return fmt.Errorf("a sample of more than %s", plural.Of(d.head.bits, "bit"))
			}
		}
	}
	return nil
}
