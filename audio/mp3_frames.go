package audio

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"

	"github.com/facodec-go/facodec/internal/plural"
)

// mp3Frames cuts a stream into frames, without what is around and between them. That
// the decoder gets whole frames, one after the other, keeps it from looking for the
// next header by itself, in which it would take anything for one.
type mp3Frames struct {
	br     *bufio.Reader
	odd    *notices
	first  mp3Header
	tag    mp3Tag
	offset int64 // of the next byte, for the messages
	count  int64 // frames with sound so far
	buf    []byte
	// Bytes of earlier frames that the next may use: the decoder keeps what the
	// last frame used of them, and its own.
	reservoir int
	foreign   bool  // there were bytes before or between the frames that are none
	gap       int64 // where bytes are that may have been a frame; 0: nowhere
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

// A place behind bytes that are none is one of MP3 only if so many frames follow each
// other there, or the end.
const (
	mp3ChainStart = 4 // at the start of a file
	mp3Chain      = 3 // of the same stream, in the midst
)

// findMP3 returns where in the beginning of a file frames begin, or -1.
func findMP3(b []byte) int {
	for at := 0; ; at++ {
		n := bytes.IndexByte(b[min(at, len(b)):], 0xFF)
		if n < 0 {
			return -1
		}
		at += n
		if h, ok := parseMP3Header(b[at:]); ok && h.size > 0 && isMP3Chain(b[at:], h, mp3ChainStart) {
			return at
		}
	}
}

// isMP3Chain tells whether so many frames of a stream follow each other, or fewer up to
// the end of b.
func isMP3Chain(b []byte, stream mp3Header, want int) bool {
	for have := 0; have < want; have++ {
		if len(b) == 0 {
			return have > 1
		}
		h, ok := parseMP3Header(b)
		if !ok || h.size == 0 || !h.sameStream(stream) {
			return have > 1 && isEndTag(b[:min(len(b), 32)])
		}
		if len(b) < h.size {
			return have > 1
		}
		b = b[h.size:]
	}
	return true
}

// next returns the next frame with sound, until the call after; io.EOF is the end.
func (f *mp3Frames) next() ([]byte, error) {
	for {
		if err := f.skipTags(); err != nil {
			return nil, err
		}
		h, err := f.find()
		if err != nil {
			return nil, err
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
		if err != nil && err != io.EOF {
			return nil, err
		}
		_, side := h.sideInfo()
		f.buf = append(f.buf[:0], frame...)
		f.discard(len(frame))
		if len(frame) < h.size {
			if err := f.odd.odd(ErrTruncated, "the last MP3 frame has %d of %s", len(frame), plural.Of(h.size, "byte")); err != nil {
				return nil, err
			}
			if len(frame) < side {
				return nil, io.EOF
			}
			if f.count == 0 {
				return nil, faultf(ErrTruncated, "the only MP3 frame has %d of %s", len(frame), plural.Of(h.size, "byte"))
			}
			f.buf = append(f.buf, make([]byte, h.size-len(frame))...)
		} else if h.size < side {
			return nil, faultf(ErrCorrupt, "an MP3 frame of %s at byte %d", plural.Of(len(frame), "byte"), f.offset)
		}
		if begins {
			if tag, ok := parseMP3Tag(h, f.buf); ok {
				f.tag = tag
				continue
			}
		}
		if f.foreign && f.count > 0 {
			if _, again := parseMP3Tag(h, f.buf); again {
				return nil, faultf(ErrUnsupported, "another MP3 begins at byte %d, and there are bytes of neither: an archive of many is not one recording", f.offset-int64(len(frame)))
			}
		}
		f.count++
		f.mute(h, len(frame))
		return f.buf, nil
	}
}

// find returns the header of the next frame, which is here or behind bytes that are no
// frame; behind those it must be the first of several of the same stream. io.EOF: there
// is none.
func (f *mp3Frames) find() (mp3Header, error) {
	head, err := f.br.Peek(4)
	if h, ok := parseMP3Header(head); ok && (f.count == 0 || h.sameStream(f.first) || f.changes(h)) {
		return h, nil
	}
	if err != nil && err != io.EOF {
		return mp3Header{}, err
	}
	start := f.offset
	if f.count == 0 {
		return mp3Header{}, faultf(ErrCorrupt, "no MP3 frame at byte %d", start)
	}
	for {
		b, err := f.br.Peek(f.br.Size())
		if err != nil && err != io.EOF {
			return mp3Header{}, err
		}
		for at := 0; at+4 <= len(b); at++ {
			n := bytes.IndexByte(b[at:], 0xFF)
			if n < 0 {
				break
			}
			at += n
			h, ok := parseMP3Header(b[at:])
			if ok && h.size > 0 && h.sameStream(f.first) && isMP3Chain(b[at:], f.first, mp3Chain) {
				f.discard(at)
				return h, f.oddBytes(start)
			}
		}
		if err == io.EOF {
			f.discard(len(b))
			if len(b) < 4 && b[0] == 0xFF {
				err = f.odd.odd(ErrTruncated, "the file ends in the header of an MP3 frame")
			} else {
				err = f.odd.odd(ErrCorrupt, "no MP3 frame in the last %s, from byte %d on", plural.Of(f.offset-start, "byte"), start)
			}
			if err == nil {
				err = io.EOF
			}
			return mp3Header{}, err
		}
		// What a chain may need stays.
		f.discard(len(b) / 2)
	}
}

// changes tells whether a header of another stream is one: more of it follow.
func (f *mp3Frames) changes(h mp3Header) bool {
	b, _ := f.br.Peek(f.br.Size())
	return h.size > 0 && isMP3Chain(b, h, mp3Chain)
}

// oddBytes takes bytes between frames that are none. As many as a frame has may have
// been one: the tag of the encoder tells, if there is one, in the end.
func (f *mp3Frames) oddBytes(start int64) error {
	n := f.offset - start
	f.foreign = true
	if n >= int64(f.smallest()) {
		if f.tag.frames == 0 {
			return faultf(ErrCorrupt, "no MP3 frame in %s from byte %d on", plural.Of(n, "byte"), start)
		}
		if f.gap == 0 {
			f.gap = start
		}
	}
	return f.odd.odd(ErrCorrupt, "no MP3 frame in %s from byte %d on", plural.Of(n, "byte"), start)
}

// smallest is the size of the smallest frame that there is in such a stream.
func (f *mp3Frames) smallest() int {
	return f.first.samples() / 8 * 1000 * mp3Bitrates[min(f.first.version, 2)-1][1] / f.first.rate
}

// mute makes a frame silent that uses more of the frames before than there is, as
// at the start of a recording that was cut out of another, or, of a frame of which
// only the first bytes are there, more than those. Its own bytes stay, for the frames
// behind.
func (f *mp3Frames) mute(h mp3Header, there int) {
	from, to := h.sideInfo()
	side := f.buf[from:to]
	begin := int(side[0]) // MPEG-2: 8 bits
	if h.version == 1 {
		begin = begin<<1 | int(side[1]>>7)
	}
	missing := there < len(f.buf) && h.mainBits(side) > 8*(begin+there-to)
	if begin > f.reservoir || missing {
		begin = min(begin, f.reservoir)
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
		if n == 0 && bytes.HasPrefix(b, []byte("LYRICSBEGIN")) {
			b, _ = f.br.Peek(f.br.Size())
			n = lyricsLength(b)
		}
		if n == 0 {
			return nil
		}
		m, err := f.br.Discard(n)
		f.offset += int64(m)
		if err == io.EOF {
			if err := f.odd.odd(ErrTruncated, "the file ends in a tag"); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
}

func (f *mp3Frames) discard(n int) {
	f.br.Discard(n)
	f.offset += int64(n)
}
