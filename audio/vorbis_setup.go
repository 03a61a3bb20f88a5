package audio

import (
	"math"
	"math/bits"
)

// What the codebooks of a stream may have in all. The largest that libvorbis makes,
// at any rate and quality, have 12 thousand entries and 61 thousand values.
const (
	maxVorbisEntries = 1 << 16
	maxVorbisValues  = 1 << 19
)

// checkVorbisSetup goes through the codebooks of the third header (Vorbis I, section
// 3.2.1) and refuses those with which the decoder would take memory out of proportion
// or never end: ones without entries or dimensions, or cut short.
func checkVorbisSetup(packet []byte) error {
	if packet[0] != 5 {
		return faultf(ErrCorrupt, "the third Vorbis header is of type %d", packet[0])
	}
	r := lsbReader{b: packet[7:]}
	var entries, values int
	for range r.bits(8) + 1 {
		e, v, ok := r.codebook()
		entries += e
		values += v
		if !ok || r.over || entries > maxVorbisEntries || values > maxVorbisValues {
			return faultf(ErrCorrupt, "the Vorbis codebooks make no sense")
		}
	}
	r.skip(16 * int(r.bits(6)+1)) // without meaning
	r.bits(6)
	// The first encoders had another sort of spectral envelope, which the decoder
	// gets wrong (it takes 1/4 for 0).
	if floor := r.bits(16); floor == 0 && !r.over {
		return forFFmpeg{"Vorbis with floor 0"}
	}
	return nil
}

// codebook reads one and returns how many entries and values its tables have.
func (r *lsbReader) codebook() (entries, values int, ok bool) {
	if r.bits(24) != 0x564342 { // "BCV"
		return 0, 0, false
	}
	dimensions := int(r.bits(16))
	entries = int(r.bits(24))
	// The decoder's tree has no place for a single entry.
	if dimensions == 0 || entries < 2 || entries > maxVorbisEntries {
		return 0, 0, false
	}
	if !r.lengths(entries) {
		return 0, 0, false
	}
	lookup := r.bits(4)
	if lookup == 0 {
		return entries, 0, true
	}
	values = entries * dimensions
	if lookup > 2 || values > maxVorbisValues {
		return 0, 0, false
	}
	r.bits(32) // minimum
	r.bits(32) // and step
	width := int(r.bits(4)) + 1
	r.bits(1)
	stored := values
	if lookup == 1 {
		// As the decoder does it; it must have read the same when the next begins.
		stored = int(math.Floor(math.Pow(float64(entries), 1/float64(dimensions))))
	}
	r.skip(stored * width)
	return entries, values, true
}

// lengths reads the lengths of the code words, and tells whether there is a word at
// all.
func (r *lsbReader) lengths(entries int) bool {
	if ordered := r.bits(1) == 1; ordered {
		r.bits(5)
		for at := 0; at < entries; {
			n := int(r.bits(bits.Len(uint(entries - at))))
			if r.over || n > entries-at {
				return false
			}
			at += n
		}
		return true
	}
	sparse := r.bits(1) == 1
	words := 0
	for range entries {
		if !sparse || r.bits(1) == 1 {
			r.bits(5)
			words++
		}
	}
	return words > 0 && !r.over
}

// lsbReader reads bits, the least significant first. Behind the end there are zeros.
type lsbReader struct {
	b    []byte
	pos  int
	over bool
}

func (r *lsbReader) bits(n int) (x uint64) {
	for i := range n {
		at := r.pos + i
		if at>>3 >= len(r.b) {
			r.over = true
			return x
		}
		x |= uint64(r.b[at>>3]>>(at&7)&1) << i
	}
	r.pos += n
	return x
}

func (r *lsbReader) skip(n int) {
	r.pos += n
	r.over = r.over || r.pos > 8*len(r.b)
}
