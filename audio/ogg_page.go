package audio

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// The flags of an Ogg page (RFC 3533, section 6).
const (
	oggContinued = 1 // begins with the rest of a packet
	oggFirst     = 2
	oggLast      = 4
)

// oggPage is a page of at most 64 KiB. Ours are read here, and not by the reader in
// oggvorbis, which takes the pages of all streams for those of one.
type oggPage struct {
	flags    byte
	granule  int64 // samples up to the last packet that ends here; -1: none does
	serial   uint32
	sequence uint32
	sum      uint32
	lacing   []byte // sizes of segments; one below 255 ends a packet
	body     []byte
	buf      []byte

	// Of the bytes before the page, or before the end of the file, that are none:
	skipped int64
	damaged bool // among them is a page with a wrong checksum
	cut     bool // or the beginning of a page, at the end
	wrong   int  // checksums in the whole file
}

const (
	oggHeaderSize = 27
	// maxWrongSums is where the search for pages ends that checksums fit: each costs
	// as much as a page.
	maxWrongSums = 1000
)

// read reads the next page whose checksum is right, wherever it begins: a reader finds
// pages again by how they begin (RFC 3533, section 6). io.EOF is the end, between pages
// or not.
func (p *oggPage) read(br *bufio.Reader) error {
	if p.buf == nil {
		p.buf = make([]byte, oggHeaderSize+255+255*255)
	}
	p.skipped, p.damaged, p.cut = 0, false, false
	for {
		head, err := br.Peek(4)
		switch {
		case len(head) == 0:
			return err
		case string(head) == "OggS":
			ok, err := p.take(br)
			if ok || err != nil {
				return err
			}
		case len(head) < 4:
			p.cut = p.cut || p.skipped == 0 && strings.HasPrefix("OggS", string(head))
		}
		// From the next byte on: to where a page may begin in what is buffered.
		b, _ := br.Peek(min(max(br.Buffered(), 4), br.Size()))
		n := bytes.Index(b[1:], []byte("Og")) + 1
		if n == 0 {
			n = max(1, len(b)-1)
		}
		br.Discard(n)
		p.skipped += int64(n)
	}
}

// take reads the page that seems to begin here, if it does.
func (p *oggPage) take(br *bufio.Reader) (ok bool, err error) {
	b, err := br.Peek(oggHeaderSize)
	if err == nil {
		b, err = br.Peek(oggHeaderSize + int(b[26]))
	}
	end := len(b)
	if err == nil {
		for _, n := range b[oggHeaderSize:] {
			end += int(n)
		}
		b, err = br.Peek(end)
	}
	if err == io.EOF {
		p.cut = true
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p.buf = p.buf[:end]
	copy(p.buf, b)
	le := binary.LittleEndian
	p.sum = le.Uint32(p.buf[22:])
	clear(p.buf[22:26]) // the sum is over itself as zero
	if crcOgg(p.buf) != p.sum {
		p.damaged = true
		if p.wrong++; p.wrong > maxWrongSums {
			return false, faultf(ErrCorrupt, "more than %d Ogg pages with a wrong checksum", maxWrongSums)
		}
		return false, nil
	}
	if p.buf[4] != 0 {
		return false, faultf(ErrUnsupported, "version %d of Ogg", p.buf[4])
	}
	br.Discard(end)
	p.flags = p.buf[5]
	p.granule = int64(le.Uint64(p.buf[6:]))
	p.serial = le.Uint32(p.buf[14:])
	p.sequence = le.Uint32(p.buf[18:])
	body := oggHeaderSize + int(p.buf[26])
	p.lacing, p.body = p.buf[oggHeaderSize:body], p.buf[body:]
	return true, nil
}

// findOggStart returns where in b the first page of a stream seems to begin, or -1.
func findOggStart(b []byte) int {
	for at := 0; ; at++ {
		n := bytes.Index(b[at:], []byte("OggS\x00"))
		if n < 0 {
			return -1
		}
		if at += n; at+5 < len(b) && b[at+5] == oggFirst {
			return at
		}
	}
}

// crcOgg has the polynomial 0x04C11DB7, from zero, most significant bit first.
func crcOgg(b []byte) uint32 {
	var crc uint32
	for _, c := range b {
		crc = crc<<8 ^ crcOggTable[byte(crc>>24)^c]
	}
	return crc
}

var crcOggTable = func() (table [256]uint32) {
	for i := range table {
		c := uint32(i) << 24
		for range 8 {
			carry := c>>31 == 1
			c <<= 1
			if carry {
				c ^= 0x04C11DB7
			}
		}
		table[i] = c
	}
	return table
}()

// maxPacket is more than any packet of sound has, and more than the tables of
// Vorbis, which come in one packet. Comments with a picture can be longer; they
// are not looked at.
const maxPacket = 1 << 18

// oggPackets puts packets together from the pages of one stream.
type oggPackets struct {
	serial   uint32
	sequence uint32 // of the next page
	last     uint32 // checksum of the last
	packet   []byte // the beginning of one that goes on
	open     bool   // there is one
	tooLong  bool   // and it is not kept
}

// repeated tells whether a page is the one before once more.
func (s *oggPackets) repeated(p *oggPage) bool {
	return p.sequence == s.sequence-1 && p.sum == s.last
}

// split calls f for every packet that ends on the page, with nil for one longer than
// maxPacket. What is on other pages that are not there is left out.
func (s *oggPackets) split(p *oggPage, f func(packet []byte) error) error {
	s.sequence, s.last = p.sequence+1, p.sum
	orphan := p.flags&oggContinued != 0 && !s.open // the rest of a packet, and not its beginning
	if p.flags&oggContinued == 0 {
		s.packet, s.tooLong = s.packet[:0], false
	}
	rest := p.body
	for _, n := range p.lacing {
		if s.tooLong = s.tooLong || len(s.packet)+int(n) > maxPacket; !s.tooLong {
			s.packet = append(s.packet, rest[:n]...)
		}
		rest = rest[n:]
		if s.open = n == 255; s.open {
			continue
		}
		packet := s.packet
		if s.tooLong {
			packet = nil
		}
		s.packet, s.tooLong = s.packet[:0], false
		if orphan {
			orphan = false
			continue
		}
		if err := f(packet); err != nil {
			return err
		}
	}
	if orphan {
		// The whole page is of that packet.
		s.packet, s.open = s.packet[:0], false
	}
	return nil
}
