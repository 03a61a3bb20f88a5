package audio

import (
	"bufio"
	"errors"
	"io"
	"math/bits"

	"github.com/facodec-go/facodec/internal/plural"
)

// The elements of WebM (RFC 8794, RFC 9559) that are looked at.
const (
	ebmlHead            = 0x1A45DFA3
	mkvSegment          = 0x18538067
	mkvTracks           = 0x1654AE6B
	mkvTrackEntry       = 0xAE
	mkvTrackNumber      = 0xD7
	mkvTrackType        = 0x83
	mkvCodecID          = 0x86
	mkvCodecPrivate     = 0x63A2
	mkvCodecDelay       = 0x56AA
	mkvContentEncodings = 0x6D80
	mkvCluster          = 0x1F43B675
	mkvSimpleBlock      = 0xA3
	mkvBlockGroup       = 0xA0
	mkvBlock            = 0xA1
	mkvDiscardPadding   = 0x75A2
)

// ebmlUnknownSize is that of an element that was written before its end was known, as
// browsers do.
const ebmlUnknownSize = -1

// maxElement is the largest element that is held in memory: more than any block of
// sound has.
const maxElement = 1 << 20

// ebmlReader reads elements one after the other, going into clusters as if they were
// not there. It is our own since at-wat/ebml-go v0.19.0 takes memory for
// whatever size an element claims, and keeps a cluster until it ends.
type ebmlReader struct {
	br     *bufio.Reader
	offset int64
	end    int64 // of the largest element gone into; 0: of unknown size
}

// next reads the head of an element that is not gone into.
func (r *ebmlReader) next() (id uint32, size int64, err error) {
	for {
		if _, err := r.br.Peek(1); err == io.EOF && r.offset < r.end {
			return 0, 0, faultf(ErrTruncated, "%d of %s missing", r.end-r.offset, plural.Of(r.end, "byte"))
		} else if err != nil {
			return 0, 0, err
		}
		start := r.offset
		if id, size, err = r.head(); err != nil {
			return 0, 0, err
		}
		if id == mkvCluster {
			r.enter(size)
			continue
		}
		if size == ebmlUnknownSize && id != mkvSegment {
			return 0, 0, faultf(ErrCorrupt, "a WebM element of unknown size at byte %d", start)
		}
		return id, size, nil
	}
}

// enter goes into an element whose head was read.
func (r *ebmlReader) enter(size int64) {
	if size != ebmlUnknownSize {
		r.end = max(r.end, r.offset+size)
	}
}

func (r *ebmlReader) head() (id uint32, size int64, err error) {
	wide, n, err := r.number(4)
	if err != nil {
		return 0, 0, err
	}
	id = uint32(wide) | 1<<(7*n) // the marker of its length is a part of it
	wide, n, err = r.number(8)
	if err != nil {
		return 0, 0, err
	}
	if wide == 1<<(7*n)-1 {
		return id, ebmlUnknownSize, nil
	}
	return id, int64(wide), nil
}

// number reads a number of 1 to most bytes; the zeros before its first one tell how
// many follow.
func (r *ebmlReader) number(most int) (x uint64, n int, err error) {
	b, err := r.br.Peek(1)
	if err == nil {
		if n = bits.LeadingZeros8(b[0]) + 1; n > most {
			return 0, 0, faultf(ErrCorrupt, "no WebM element at byte %d", r.offset)
		}
		b, err = r.br.Peek(n)
	}
	if err != nil {
		return 0, 0, r.cut(err)
	}
	x, n = ebmlNumber(b)
	r.br.Discard(n)
	r.offset += int64(n)
	return x, n, nil
}

// ebmlNumber is the number that b begins with, and its length; 0 if it is not whole.
func ebmlNumber(b []byte) (x uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	if n = bits.LeadingZeros8(b[0]) + 1; n > min(8, len(b)) {
		return 0, 0
	}
	for _, c := range b[:n] {
		x = x<<8 | uint64(c)
	}
	return x &^ (1 << (7 * n)), n
}

// body reads the whole of an element.
func (r *ebmlReader) body(dst []byte, size int64) ([]byte, error) {
	if size > maxElement {
		return nil, faultf(ErrCorrupt, "a WebM element of %s at byte %d", plural.Of(size, "byte"), r.offset)
	}
	if int64(cap(dst)) < size {
		dst = make([]byte, size)
	}
	dst = dst[:size]
	n, err := io.ReadFull(r.br, dst)
	r.offset += int64(n)
	return dst, r.cut(err)
}

// skip skips the whole of an element.
func (r *ebmlReader) skip(size int64) error {
	for size > 0 {
		n, err := r.br.Discard(int(min(size, 1<<30)))
		r.offset += int64(n)
		size -= int64(n)
		if err != nil {
			return r.cut(err)
		}
	}
	return nil
}

// cut says what an error within an element means.
func (r *ebmlReader) cut(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return faultf(ErrTruncated, "the file ends within a WebM element")
	}
	return err
}

// ebmlChildren calls f for the elements in b.
func ebmlChildren(b []byte, f func(id uint32, body []byte) error) error {
	for len(b) > 0 {
		id, n := ebmlNumber(b)
		size, m := ebmlNumber(b[n:])
		if n == 0 || n > 4 || m == 0 || size > uint64(len(b)-n-m) {
			return faultf(ErrCorrupt, "a WebM element that is larger than the one it is in")
		}
		b = b[n+m:]
		if err := f(uint32(id)|1<<(7*n), b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// ebmlInt is the value of an element that is an unsigned number; a signed one is
// converted from it.
func ebmlInt(b []byte) (x uint64) {
	for _, c := range b {
		x = x<<8 | uint64(c)
	}
	return x
}
