package audio

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"slices"

	"github.com/facodec-go/facodec/internal/plural"
)

// flacInfo is the STREAMINFO block (RFC 9639, section 8.2).
type flacInfo struct {
	maxBlock int
	rate     int
	channels int
	bits     int   // of a sample
	frames   int64 // samples per channel; 0: unknown
	md5      [16]byte
}

// flacDecoder decodes native FLAC as in RFC 9639. It is our own since the library
// tried (mewkiz/flac v1.0.14) prints a line to the log for every frame at 24 kHz,
// the rate of this codec, refuses 32 bits, and reads frames that leave their
// sample size to the header as 0 bits wide.
type flacDecoder struct {
	src  *source
	br   *bitReader
	head flacInfo
	done int64 // frames decoded, which may be more than read

	channels [][]int64 // the current block; 33 bits are needed for the side of 32-bit stereo
	pairs    []int64   // see predictPairs
	used     int       // of the current block
	next     flacFrame // see readFrame
	variable bool      // block sizes vary: frames are numbered by their first sample
	first    int       // size of the first block, by which others number theirs

	trusting bool // takes wrong checksums: only fuzzing does, to get behind them

	sum   hash.Hash // MD5 of the samples; nil where the file has none
	bytes []byte    // the block as it is hashed
}

func newFLAC(src *source) (decoder, error) {
	d := &flacDecoder{src: src, br: newBitReader(src.br)}
	if err := d.readMetadata(); err != nil {
		return nil, err
	}
	if len(d.br.peek(1)) == 0 && d.br.err == nil && d.head.frames == 0 {
		return nil, faultf(ErrEmpty, "the file has a header but no samples")
	}
	if d.head.md5 != [16]byte{} {
		d.sum = md5.New()
	}
	d.channels = make([][]int64, d.head.channels)
	return d, nil
}

// readMetadata reads STREAMINFO and skips the other blocks.
func (d *flacDecoder) readMetadata() error {
	d.br.skip(4) // fLaC
	for first, last := true, false; !last; first = false {
		last = d.br.bits(1) == 1
		kind := d.br.bits(7)
		size := int64(d.br.bits(24))
		switch {
		case d.br.err != nil:
		case first && (kind != 0 || size != 34):
			return faultf(ErrCorrupt, "FLAC begins with a block of type %d and %s instead of STREAMINFO", kind, plural.Of(size, "byte"))
		case first:
			if err := d.readStreamInfo(); err != nil {
				return err
			}
		case kind == 0 || kind == 127:
			return faultf(ErrCorrupt, "a FLAC metadata block of type %d", kind)
		default:
			d.br.skip(size)
		}
		if d.br.err != nil {
			return d.streamError(errors.New("the file ends in the FLAC metadata"))
		}
	}
	return nil
}

func (d *flacDecoder) readStreamInfo() error {
	h := &d.head
	minBlock := int(d.br.bits(16))
	h.maxBlock = int(d.br.bits(16))
	d.br.bits(24) // smallest and
	d.br.bits(24) // largest frame in bytes
	h.rate = int(d.br.bits(20))
	h.channels = int(d.br.bits(3)) + 1
	h.bits = int(d.br.bits(5)) + 1
	h.frames = int64(d.br.bits(36))
	for i := range h.md5 {
		h.md5[i] = byte(d.br.bits(8))
	}
	switch {
	case d.br.err != nil:
		return nil // reported by the caller
	case h.maxBlock < 16 || minBlock > h.maxBlock:
		return faultf(ErrCorrupt, "FLAC blocks of %d to %s", minBlock, plural.Of(h.maxBlock, "sample"))
	case h.bits < 4:
		return faultf(ErrCorrupt, "FLAC samples of %s", plural.Of(h.bits, "bit"))
	}
	return nil
}

func (d *flacDecoder) info() Info {
	info := Info{
		Format:     "flac",
		Encoding:   "pcm_s" + itoa(d.head.bits),
		SampleRate: d.head.rate,
		Channels:   d.head.channels,
		Frames:     -1,
	}
	if d.head.frames > 0 {
		info.Frames = d.head.frames
	}
	return info
}

func (d *flacDecoder) read(dst []float32) (int, error) {
	if d.used == d.next.size {
		if err := d.decodeBlock(); err != nil {
			return 0, err
		}
	}
	if d.src.keep {
		return d.interleave(dst), nil
	}
	n := min(len(dst), d.next.size-d.used)
	scale := 1 / (float64(int64(1)<<(d.head.bits-1)) * float64(d.head.channels))
	if len(d.channels) == 1 {
		samples := d.channels[0][d.used:][:n]
		for i := range dst[:n] {
			dst[i] = float32(float64(samples[i]) * scale)
		}
		d.used += n
		return n, nil
	}
	for i := range dst[:n] {
		var sum int64
		for _, samples := range d.channels {
			sum += samples[d.used+i]
		}
		dst[i] = float32(float64(sum) * scale)
	}
	d.used += n
	return n, nil
}

// interleave is read with all channels.
func (d *flacDecoder) interleave(dst []float32) int {
	channels := len(d.channels)
	n := min(len(dst)/channels, d.next.size-d.used)
	scale := 1 / float64(int64(1)<<(d.head.bits-1))
	for c, samples := range d.channels {
		for i, x := range samples[d.used : d.used+n] {
			dst[i*channels+c] = float32(float64(x) * scale)
		}
	}
	d.used += n
	return n * channels
}

// decodeBlock decodes the next block, or finds the end and checks it.
func (d *flacDecoder) decodeBlock() error {
	d.next.size, d.used = 0, 0
	if d.atEnd() {
		return d.checkEnd()
	}
	if err := d.readFrame(); err != nil {
		d.next.size = 0
		return err
	}
	if d.head.frames > 0 && d.done > d.head.frames {
		d.next.size = 0
		return faultf(ErrCorrupt, "more than the %s declared", plural.Of(d.head.frames, "sample"))
	}
	if d.sum != nil {
		d.hashBlock()
	}
	return nil
}

// atEnd tells whether no frame follows: the declared samples are read and what
// follows, if anything, is no frame; or there is nothing more but players' tags, which
// are no part of FLAC, but there.
func (d *flacDecoder) atEnd() bool {
	head := d.br.peek(32)
	if len(head) == 0 {
		return d.br.err == nil
	}
	if len(head) > 1 && head[0] == 0xFF && head[1]&0xFE == 0xF8 {
		return false
	}
	return isEndTag(head) || d.done > 0 && bytes.HasPrefix(head, []byte("fLaC")) || d.head.frames > 0 && d.done == d.head.frames
}

// checkEnd is io.EOF for a stream that is all there and what it was.
func (d *flacDecoder) checkEnd() error {
	if d.done < d.head.frames {
		return missingSamples(d.head.frames, d.done)
	}
	if d.sum != nil && [16]byte(d.sum.Sum(nil)) != d.head.md5 {
		return faultf(ErrCorrupt, "the samples do not have the MD5 in the FLAC header")
	}
	switch head := d.br.peek(32); {
	case bytes.HasPrefix(head, []byte("fLaC")):
		return faultf(ErrUnsupported, "a second FLAC recording in the file")
	case len(head) > 0 && !isEndTag(head):
		if err := d.src.odd(ErrCorrupt, "bytes behind the last FLAC frame that are none of it"); err != nil {
			return err
		}
	}
	return io.EOF
}

// hashBlock adds the block to the MD5: little-endian, interleaved, whole bytes.
func (d *flacDecoder) hashBlock() {
	width := (d.head.bits + 7) / 8
	d.bytes = d.bytes[:0]
	if width == 2 && len(d.channels) == 1 { // most speech
		samples := d.channels[0][:d.next.size]
		d.bytes = slices.Grow(d.bytes, 2*len(samples))[:2*len(samples)]
		for i, x := range samples {
			binary.LittleEndian.PutUint16(d.bytes[2*i:], uint16(x))
		}
		d.sum.Write(d.bytes)
		return
	}
	for i := range d.next.size {
		for _, samples := range d.channels {
			d.bytes = binary.LittleEndian.AppendUint32(d.bytes, uint32(samples[i]))
			d.bytes = d.bytes[:len(d.bytes)-4+width]
		}
	}
	d.sum.Write(d.bytes)
}

// streamError says what the bit reader's error means, with particulars if it is
// the end of the stream.
func (d *flacDecoder) streamError(atEnd error) error {
	if d.br.err != io.ErrUnexpectedEOF {
		return d.br.err
	}
	return faultf(ErrTruncated, "%v", atEnd)
}

func (d *flacDecoder) close() error { return d.src.close() }
