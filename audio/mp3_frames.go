package audio

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// mp3Frames cuts a stream into frames, without the tags around them. That the
// decoder gets whole frames, one after the other, keeps it from looking for the
// next header by itself, in which it would take anything for one.
type mp3Frames struct {
	br     *bufio.Reader
	first  mp3Header
	tag    mp3Tag
	offset int64 // of the next byte, for the messages
	count  int64 // frames with sound so far
	buf    []byte
	// Bytes of earlier frames that the next may use: the decoder keeps what the
	// last frame used of them, and its own.
	reservoir int
}

// looksLikeMP3 tells whether a frame begins here: header, and another behind it.
func looksLikeMP3(br *bufio.Reader) bool {
	head, _ := br.Peek(4)
	h, ok := parseMP3Header(head)
	if !ok || h.size == 0 {
		return ok && h.size == 0 && bytes.HasPrefix(head, []byte{0xFF, 0xFB})
	}
	more, _ := br.Peek(h.size + 4)
	if len(more) <= h.size {
		return true // one frame, or a part of one
	}
	next, ok := parseMP3Header(more[h.size:])
	_, tagged := parseMP3Tag(h, more)
	return ok && next.sameStream(h) || tagged || tagLength(more[h.size:]) != 0 || more[h.size] == 0
}

// next returns the next frame with sound, until the call after; io.EOF is a sound
// end.
func (f *mp3Frames) next() ([]byte, error) {
	for {
		if err := f.skipTags(); err != nil {
			return nil, err
		}
		head, _ := f.br.Peek(4)
		h, ok := parseMP3Header(head)
		if !ok && len(head) < 4 {
			return nil, faultf(ErrTruncated, "the file ends in the header of an MP3 frame")
		}
		if !ok {
			return nil, faultf(ErrCorrupt, "no MP3 frame at byte %d", f.offset)
		}
		begins := f.first.version == 0
		if begins {
			f.first = h
		}
		if kind := h.unserved(); kind != "" {
			return nil, forFFmpeg{kind}
		}
		if !h.sameStream(f.first) {
			return nil, forFFmpeg{"MP3 that changes its sample rate"}
		}
		frame, err := f.br.Peek(h.size)
		if err == io.EOF {
			return nil, faultf(ErrTruncated, "the file ends %d bytes into an MP3 frame of %d", len(frame), h.size)
		}
		if err != nil {
			return nil, err
		}
		if _, side := h.sideInfo(); len(frame) < side {
			return nil, faultf(ErrCorrupt, "an MP3 frame of %d bytes at byte %d", len(frame), f.offset)
		}
		f.buf = append(f.buf[:0], frame...)
		f.discard(h.size)
		if begins {
			if tag, ok := parseMP3Tag(h, f.buf); ok {
				f.tag = tag
				continue
			}
		}
		f.count++
		f.mute(h)
		return f.buf, nil
	}
}

// mute makes a frame silent that uses more of the frames before than there is, as
// at the start of a recording that was cut out of another. Its own bytes stay, for
// the frames behind.
func (f *mp3Frames) mute(h mp3Header) {
	from, to := h.sideInfo()
	side := f.buf[from:to]
	begin := int(side[0]) // MPEG-2: 8 bits
	if h.version == 1 {
		begin = begin<<1 | int(side[1]>>7)
	}
	if begin > f.reservoir {
		begin = f.reservoir
		clear(side) // no bits for any granule
		if h.version == 1 {
			binary.BigEndian.PutUint16(side, uint16(begin<<7))
		} else {
			side[0] = byte(begin)
		}
	}
	f.reservoir = begin + len(f.buf) - to
}

// skipTags skips what is no sound between frames and behind them.
func (f *mp3Frames) skipTags() error {
	for {
		b, err := f.br.Peek(32)
		if len(b) == 0 {
			return err
		}
		n := tagLength(b)
		if n == 0 {
			return nil
		}
		m, err := f.br.Discard(n)
		f.offset += int64(m)
		if err == io.EOF {
			return faultf(ErrTruncated, "the file ends in a tag")
		}
		if err != nil {
			return err
		}
	}
}

func (f *mp3Frames) discard(n int) {
	f.br.Discard(n)
	f.offset += int64(n)
}

// tagLength returns how many bytes a tag has, from its first 32, or 0 if there is
// none. Zeros are the padding of one.
func tagLength(b []byte) int {
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	switch {
	case zeros > 0:
		return zeros
	case bytes.HasPrefix(b, []byte("TAG")):
		return 128 // ID3v1
	case bytes.HasPrefix(b, []byte("ID3")) && len(b) >= 10:
		return id3Length(b)
	case bytes.HasPrefix(b, []byte("APETAGEX")) && len(b) >= 24:
		n := int(min(binary.LittleEndian.Uint32(b[12:]), 1<<30))
		if isHeader := b[23]&0x20 != 0; isHeader {
			n += 32
		}
		return max(n, 32)
	}
	return 0
}

// id3Length returns the length of an ID3v2 tag from its first ten bytes: those,
// then what they tell in four times seven bits, then a footer if there is one.
func id3Length(b []byte) int {
	n := 10
	for i, c := range b[6:10] {
		n += int(c&0x7f) << (21 - 7*i)
	}
	if b[5]&0x10 != 0 {
		n += 10
	}
	return n
}
