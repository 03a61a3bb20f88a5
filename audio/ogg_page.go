package audio

import (
	"bufio"
	"encoding/binary"
	"io"
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
	lacing   []byte // sizes of segments; one below 255 ends a packet
	body     []byte
	buf      []byte
}

// read reads the next page and checks its sum. io.EOF is the end between pages.
func (p *oggPage) read(br *bufio.Reader) error {
	const headerSize = 27
	if p.buf == nil {
		p.buf = make([]byte, headerSize+255+255*255)
	}
	n, err := io.ReadFull(br, p.buf[:headerSize])
	if err == io.EOF {
		return err
	}
	if n >= 4 && string(p.buf[:4]) != "OggS" {
		return faultf(ErrCorrupt, "no Ogg page where one should begin")
	}
	if err != nil {
		return oggCut(err)
	}
	if p.buf[4] != 0 {
		return faultf(ErrUnsupported, "version %d of Ogg", p.buf[4])
	}
	segments := int(p.buf[26])
	if _, err := io.ReadFull(br, p.buf[headerSize:headerSize+segments]); err != nil {
		return oggCut(err)
	}
	body := headerSize + segments
	p.lacing = p.buf[headerSize:body]
	end := body
	for _, n := range p.lacing {
		end += int(n)
	}
	if _, err := io.ReadFull(br, p.buf[body:end]); err != nil {
		return oggCut(err)
	}
	p.body = p.buf[body:end]
	le := binary.LittleEndian
	sum := le.Uint32(p.buf[22:])
	clear(p.buf[22:26]) // the sum is over itself as zero
	if crcOgg(p.buf[:end]) != sum {
		return faultf(ErrCorrupt, "an Ogg page with a wrong checksum")
	}
	p.flags = p.buf[5]
	p.granule = int64(le.Uint64(p.buf[6:]))
	p.serial = le.Uint32(p.buf[14:])
	p.sequence = le.Uint32(p.buf[18:])
	return nil
}

func oggCut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return faultf(ErrTruncated, "the file ends within an Ogg page")
	}
	return err
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
	packet   []byte // the beginning of one that goes on
	open     bool   // there is one
	tooLong  bool   // and it is not kept
}

// split calls f for every packet that ends on the page, with nil for one longer than
// maxPacket.
func (s *oggPackets) split(p *oggPage, f func(packet []byte) error) error {
	if p.sequence != s.sequence {
		return faultf(ErrCorrupt, "Ogg pages are missing before number %d", p.sequence)
	}
	s.sequence++
	if continued := p.flags&oggContinued != 0; continued != s.open {
		return faultf(ErrCorrupt, "a packet is not continued on Ogg page %d", p.sequence)
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
		if err := f(packet); err != nil {
			return err
		}
	}
	return nil
}
