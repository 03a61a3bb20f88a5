package teacher

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/plural"
)

const (
	// version changes when parameters are written otherwise, labelVersion when the same
	// parameters would give other labels: kept ones are then computed again.
	version      = 1
	labelVersion = 2
)

// labelPrint is the fingerprint of a teacher of these parameters.
func labelPrint(parameters []byte) Fingerprint {
	return sha256.Sum256(appendInts(parameters, labelVersion))
}

const (
	speakersMagic = "FACODEC speakers"
	unitsMagic    = "FACODEC units   "
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The format of learned teachers, all numbers little-endian:
//
//	speakers  magic, version uint32, classes uint32, dims uint32;
//	          projection [statistics][dims], offset [dims], centers [classes][dims] float64
//	units     magic, version uint32, speakers (as above);
//	          units uint32, change float32, centers [units][26] float32,
//	          normals [classes][13 means, 13 deviations] float64, CRC-32C uint32
//
// dims is 0 for a single speaker.

func (s *Speakers) append(b []byte) []byte {
	b = append(b, speakersMagic...)
	dims := 0
	if s.space != nil {
		dims = s.space.dims
	}
	b = appendInts(b, version, len(s.centers), dims)
	if dims == 0 {
		return b
	}
	for _, row := range s.space.projection {
		b = appendFloats(b, row)
	}
	b = appendFloats(b, s.space.offset)
	for _, c := range s.centers {
		b = appendFloats(b, c)
	}
	return b
}

func (u *Units) append(b []byte) []byte {
	b = append(b, unitsMagic...)
	b = u.speakers.append(appendInts(b, version))
	b = appendInts(b, u.book.len(), int(math.Float32bits(u.change)))
	for _, v := range u.book.centers {
		b = appendInts(b, int(math.Float32bits(v)))
	}
	for _, n := range u.normal {
		b = appendFloats(appendFloats(b, n.mean[:]), n.deviation[:])
	}
	return b
}

func appendInts(b []byte, values ...int) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

func appendFloats(b []byte, values []float64) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// Bytes returns the units and their speakers, for a checkpoint. ParseUnits returns
// equal ones, to the bit.
func (u *Units) Bytes() []byte { return seal(u.append(nil)) }

// seal appends the CRC-32C of b.
func seal(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clip(b), crc32.Checksum(b, castagnoli))
}

// unseal returns b without its checksum, and whether that fits.
func unseal(b []byte) ([]byte, bool) {
	n := len(b) - 4
	if n < 0 || crc32.Checksum(b[:n], castagnoli) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, false
	}
	return b[:n], true
}

// ParseUnits reads what Bytes wrote.
func ParseUnits(b []byte) (*Units, error) {
	body, ok := unseal(b)
	if !ok {
		return nil, errors.New("content units: damaged, the checksum does not fit")
	}
	p := &parser{left: body}
	u := p.units()
	if p.err == nil && len(p.left) > 0 {
		p.fail("%s too many", plural.Of(len(p.left), "byte"))
	}
	if p.err != nil {
		return nil, fmt.Errorf("content units: %w", p.err)
	}
	return u, nil
}

// A parser reads numbers until something is wrong, and zeros from then on.
type parser struct {
	left []byte
	err  error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.left = nil
}

// bytes returns the next n bytes, or nil where there are fewer.
func (p *parser) bytes(n int) []byte {
	if p.err == nil && n > len(p.left) {
		p.fail("ends early")
	}
	if p.err != nil {
		return nil
	}
	b := p.left[:n]
	p.left = p.left[n:]
	return b
}

func (p *parser) uint() int {
	b := p.bytes(4)
	if b == nil {
		return 0
	}
	return int(binary.LittleEndian.Uint32(b))
}

// size reads a number of things, each of at least the given number of bytes, which
// bounds what is allocated by what is there.
func (p *parser) size(bytes int) int {
	n := p.uint()
	if p.err == nil && n > len(p.left)/bytes {
		p.fail("%s announced in %s", plural.Of(n, "entry"), plural.Of(len(p.left), "byte"))
	}
	if p.err != nil {
		return 0
	}
	return n
}

func (p *parser) head(magic string) {
	if b := p.bytes(len(magic)); p.err == nil && string(b) != magic {
		p.fail("not what was expected: begins with %q", b)
	}
	if v := p.uint(); p.err == nil && v != version {
		p.fail("version %d, this program reads version %d", v, version)
	}
}

func (p *parser) float32() float32 {
	v := math.Float32frombits(uint32(p.uint()))
	p.finite(float64(v))
	return v
}

func (p *parser) floats(n int) []float64 {
	b := p.bytes(8 * n)
	values := make([]float64, len(b)/8)
	for i := range values {
		values[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		p.finite(values[i])
	}
	return values
}

func (p *parser) finite(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		p.fail("holds %v", v)
	}
}

func (p *parser) speakers() *Speakers {
	p.head(speakersMagic)
	classes, dims := p.uint(), p.uint()
	if classes == 1 && dims == 0 {
		return oneSpeaker()
	}
	const size = len(statistics{})
	if p.err == nil && (dims < 1 || dims > size || classes < 1 || classes > len(p.left)/(8*dims)) {
		p.fail("%s of %s announced in %s", plural.Of(classes, "speaker"), plural.Of(dims, "dimension"), plural.Of(len(p.left), "byte"))
	}
	if p.err != nil {
		return oneSpeaker()
	}
	space := &voiceSpace{dims: dims}
	for range size {
		space.projection = append(space.projection, p.floats(dims))
	}
	space.offset = p.floats(dims)
	var centers [][]float64
	for range classes {
		centers = append(centers, p.floats(dims))
	}
	if p.err != nil {
		return oneSpeaker()
	}
	return newSpeakers(space, centers)
}

func (p *parser) units() *Units {
	p.head(unitsMagic)
	u := &Units{speakers: p.speakers()}
	n := p.size(4 * unitDims)
	if p.err == nil && n == 0 {
		p.fail("no units")
	}
	if u.change = p.float32(); p.err == nil && u.change < 0 {
		p.fail("changes cost %v", u.change)
	}
	centers := make([]float32, n*unitDims)
	for i := range centers {
		centers[i] = p.float32()
	}
	for range u.speakers.centers {
		var m normal
		copy(m.mean[:], p.floats(unitCepstra))
		copy(m.deviation[:], p.floats(unitCepstra))
		for _, d := range m.deviation {
			if p.err == nil && d <= 0 {
				p.fail("a deviation of %v", d)
			}
		}
		u.normal = append(u.normal, m)
	}
	if p.err == nil {
		u.book = newCodebook(centers, unitDims)
		u.print = labelPrint(u.append(nil))
	}
	return u
}
