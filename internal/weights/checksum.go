package weights

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrNotFinite is wrapped by the error for a number that is NaN or infinite.
var ErrNotFinite = errors.New("not a finite number")

// Checksum returns the CRC-32C of values as little-endian float32: the same for
// equal values, whatever the file that they came from. Processors have an
// instruction for it, so that memory is what limits it. finite is false if any value
// is NaN or infinite, which is seen while the values are in the cache.
func Checksum(values []float32) (sum uint32, finite bool) {
	const block = 4096 // 16 KiB, half of a first-level cache
	finite = true
	for len(values) > 0 {
		part := values[:min(block, len(values))]
		values = values[len(part):]
		bytes := littleEndianBytes(part, F32)
		sum = crc32.Update(sum, castagnoli, bytes)
		finite = finite && allFinite(bytes)
	}
	return sum, finite
}

// allFinite reports whether no float32 in b, little-endian, is NaN or infinite. Two
// are looked at together: without its sign, a number that is not finite is 0x7f800000
// or more, so that 0x00800000 more reaches into the place of the sign.
func allFinite(b []byte) bool {
	const magnitude, one = 0x7fffffff_7fffffff, 0x00800000_00800000
	le := binary.LittleEndian
	var even, odd uint64
	for len(b) >= 64 {
		w := (*[64]byte)(b)
		even |= le.Uint64(w[0:8])&magnitude + one
		odd |= le.Uint64(w[8:16])&magnitude + one
		even |= le.Uint64(w[16:24])&magnitude + one
		odd |= le.Uint64(w[24:32])&magnitude + one
		even |= le.Uint64(w[32:40])&magnitude + one
		odd |= le.Uint64(w[40:48])&magnitude + one
		even |= le.Uint64(w[48:56])&magnitude + one
		odd |= le.Uint64(w[56:64])&magnitude + one
		b = b[64:]
	}
	seen := even | odd
	for ; len(b) >= 4; b = b[4:] {
		seen |= uint64(le.Uint32(b)&math.MaxInt32 + 0x00800000)
	}
	return seen&0x80000000_80000000 == 0
}
