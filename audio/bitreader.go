package audio

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// bitReader reads the bits of a FLAC stream, most significant first, and sums up
// what it has read for the checksum at the end of a frame. Its first error stays;
// from then on it yields zeros, so that decoding loops ask once, at their end.
type bitReader struct {
	r     io.Reader
	buf   []byte // the stream, and 8 bytes more so that 64 bits can be loaded anywhere
	end   int    // valid bytes in buf
	pos   int    // next bit in buf
	crc   uint16 // CRC-16 of the bytes up to summed
	sum   int    // next byte in buf to be summed
	err   error
	atEnd bool // r has nothing more
}

func newBitReader(r io.Reader) *bitReader {
	return &bitReader{r: r, buf: make([]byte, 64<<10+8)}
}

// fill reads more of the stream until want bits are there or the stream ends, and
// tells whether they are.
func (b *bitReader) fill(want int) bool {
	if b.end*8-b.pos >= want {
		return true
	}
	if b.err != nil || b.atEnd {
		return false
	}
	at := b.pos / 8
	b.sumUp()
	b.end = copy(b.buf, b.buf[at:b.end])
	b.pos -= 8 * at
	b.sum = b.pos / 8
	for !b.atEnd && b.end*8-b.pos < want {
		n, err := b.r.Read(b.buf[b.end : len(b.buf)-8])
		b.end += n
		if err == io.EOF {
			b.atEnd = true
		} else if err != nil {
			b.err = err
			return false
		}
	}
	return b.end*8-b.pos >= want
}

// need is fill where the bits must be there.
func (b *bitReader) need(n int) bool {
	if b.fill(n) {
		return true
	}
	if b.err == nil {
		b.err = io.ErrUnexpectedEOF
	}
	b.pos = 8 * b.end // nothing is left, not even for a shorter read
	return false
}

// bits reads an unsigned number of n bits, 0 to 56.
func (b *bitReader) bits(n int) uint64 {
	if b.end*8-b.pos < n && !b.need(n) {
		return 0
	}
	// Go defines a shift by 64, for n = 0, as 0.
	x := binary.BigEndian.Uint64(b.buf[b.pos>>3:]) << (b.pos & 7) >> (64 - n)
	b.pos += n
	return x
}

// loadedBits is how many bits a load of 64 has at least, from any position on.
const loadedBits = 57

// loadable returns the last position from which all bits of such a load are there.
func (b *bitReader) loadable() int { return b.end*8 - 64 }

// signed reads a two's complement number of n bits, 0 to 56.
func (b *bitReader) signed(n int) int64 {
	shift := 64 - n
	return int64(b.bits(n)<<shift) >> shift
}

// unary counts the zeros before the next one, and reads the one as well.
func (b *bitReader) unary() uint64 {
	var count uint64
	for {
		have := b.end*8 - b.pos
		if have == 0 {
			if !b.need(1) {
				return 0
			}
			continue
		}
		have = min(have, 64-b.pos&7)
		zeros := bits.LeadingZeros64(binary.BigEndian.Uint64(b.buf[b.pos>>3:]) << (b.pos & 7))
		if zeros < have {
			b.pos += zeros + 1
			return count + uint64(zeros)
		}
		b.pos += have
		count += uint64(have)
	}
}

// align skips to the next whole byte.
func (b *bitReader) align() { b.pos = (b.pos + 7) &^ 7 }

// peek returns the next n bytes, or as many as there are; the reader must be
// aligned.
func (b *bitReader) peek(n int) []byte {
	b.fill(8 * n)
	at := b.pos / 8
	return b.buf[at:min(at+n, b.end)]
}

// skip skips n bytes.
func (b *bitReader) skip(n int64) {
	for n > 0 && b.need(8) {
		m := min(n, int64(b.end-b.pos/8))
		b.pos += 8 * int(m)
		n -= m
	}
}

// startSum begins a checksum at this byte.
func (b *bitReader) startSum() {
	b.crc = 0
	b.sum = b.pos / 8
}

// sumUp includes all whole bytes read so far, and returns the checksum.
func (b *bitReader) sumUp() uint16 {
	x, crc, t := b.buf[b.sum:b.pos/8], b.crc, &crc16Tables
	for ; len(x) >= 8; x = x[8:] {
		crc = t[7][x[0]^byte(crc>>8)] ^ t[6][x[1]^byte(crc)] ^ t[5][x[2]] ^ t[4][x[3]] ^
			t[3][x[4]] ^ t[2][x[5]] ^ t[1][x[6]] ^ t[0][x[7]]
	}
	for _, c := range x {
		crc = crc<<8 ^ t[0][byte(crc>>8)^c]
	}
	b.crc = crc
	b.sum = b.pos / 8
	return b.crc
}

// The checksums of FLAC: polynomials 0x8005 over a frame and 0x07 over its header,
// both from zero and most significant bit first.
var (
	crc16Tables = makeCRC16Tables()
	crc8Table   = makeCRCTable(8, 0x07)
)

// makeCRC16Tables returns what a byte contributes to the checksum when so many more follow.
func makeCRC16Tables() (tables [8][256]uint16) {
	tables[0] = makeCRCTable(16, 0x8005)
	for n := 1; n < len(tables); n++ {
		for i, c := range tables[n-1] {
			tables[n][i] = c<<8 ^ tables[0][c>>8]
		}
	}
	return tables
}

func makeCRCTable(width int, poly uint16) (table [256]uint16) {
	top := uint16(1) << (width - 1)
	for i := range table {
		c := uint16(i) << (width - 8)
		for range 8 {
			carry := c&top != 0
			c <<= 1
			if carry {
				c ^= poly
			}
		}
		table[i] = c & (top<<1 - 1)
	}
	return table
}

func crc8(b []byte) byte {
	var crc byte
	for _, c := range b {
		crc = byte(crc8Table[crc^c])
	}
	return crc
}
