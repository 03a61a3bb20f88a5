package entropy

import (
	"bytes"
	"errors"
)

// ErrCorrupt: bytes that no encoder has written.
var ErrCorrupt = errors.New("no coded entries")

// An interval of numbers of 32 bits is what is left of all after the bits so far.
type interval struct{ low, high uint32 }

var everything = interval{0, 1<<32 - 1}

// split gives the lower part of the interval, for 1, its share p.
func (v interval) split(p int32) (middle uint32) {
	return v.low + uint32(uint64(v.high-v.low)*uint64(p)>>scale)
}

// take goes on with the part of a bit.
func (v *interval) take(bit int, middle uint32) {
	if bit == 1 {
		v.high = middle
	} else {
		v.low = middle + 1
	}
}

// settled says whether the first byte of all its numbers is the same.
func (v interval) settled() bool { return (v.low^v.high)>>24 == 0 }

func (v *interval) shift() { v.low, v.high = v.low<<8, v.high<<8|0xFF }

// last appends the fewest bytes after which, with zeros to follow, a number of the
// interval stands.
func (v interval) last(b []byte) []byte {
	for n := 0; ; n++ {
		number := v.high &^ uint32(uint64(everything.high)>>(8*n))
		if number >= v.low {
			for i := range n {
				b = append(b, byte(number>>(24-8*i)))
			}
			return b
		}
	}
}

// Append codes the frames of codes [book][T], entries below the model's size, and
// appends them to b: a block that Read reads.
func (m *Model) Append(b []byte, codes [][]int32) []byte {
	v := everything
	m.each(len(codes[0]), func(book, t, shift int, p int32) int {
		bit := int(codes[book][t]) >> shift & 1
		v.take(bit, v.split(p))
		for ; v.settled(); v.shift() {
			b = append(b, byte(v.high>>24))
		}
		return bit
	})
	return v.last(b)
}

// Read fills codes [book][T] with the entries that a block b codes. Bytes that
// Append would not have written are ErrCorrupt, and the model is of no use then.
func (m *Model) Read(b []byte, codes [][]int32) error {
	v := everything
	var number uint32 // what stands where the interval is
	at := 0
	pull := func() {
		number <<= 8
		if at < len(b) { // zeros follow
			number |= uint32(b[at])
		}
		at++
	}
	for range 4 {
		pull()
	}
	m.each(len(codes[0]), func(book, t, shift int, p int32) int {
		middle, bit := v.split(p), 0
		if number <= middle {
			bit = 1
		}
		v.take(bit, middle)
		for ; v.settled(); v.shift() {
			pull()
		}
		if shift == m.width-1 {
			codes[book][t] = 0
		}
		codes[book][t] = codes[book][t]<<1 | int32(bit)
		return bit
	})
	for _, book := range codes {
		for _, code := range book {
			if int(code) >= m.size {
				return ErrCorrupt
			}
		}
	}
	// All but the last four pulled bytes have been used up; the rest is what Append
	// ends with.
	used := at - 4
	if used > len(b) || !bytes.Equal(v.last(nil), b[used:]) {
		return ErrCorrupt
	}
	return nil
}

// each goes through the bits of so many frames, book by book in each and the highest
// of an entry first. It asks next for each bit, telling it how likely a 1 is, and
// learns from it.
func (m *Model) each(frames int, next func(book, t, shift int, p int32) (bit int)) {
	for t := range frames {
		for book := range m.last {
			node := 1
			for shift := m.width - 1; shift >= 0; shift-- {
				s := m.spot(book, node)
				bit := next(book, t, shift, s.p)
				s.learn(bit)
				node = node<<1 | bit
			}
			m.last[book] = int32(node - 1<<m.width)
		}
	}
}
