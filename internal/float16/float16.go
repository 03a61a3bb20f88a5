// Package float16 converts between float32 and IEEE half precision: 10 bits of
// fraction, up to 65504, steps of at least 2^-24.
package float16

import "math"

// ToFloat32 widens a half-precision number, exactly.
func ToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0: // zero and subnormals: frac · 2^-24, exact in float32
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 0x1f: // infinities and NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// FromFloat32 narrows to half precision, ties to even, too large to infinity.
func FromFloat32(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0xff<<23: // NaN stays one: its top fraction bit is set
		return sign | 0x7e00
	case b >= 0x47800000: // 65536 and more, infinity
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: a multiple of 2^-24, rounded by the adder
		sum := math.Float32frombits(b) + 0.5 // one unit of 0.5 in float32 is 2^-24
		return sign | uint16(math.Float32bits(sum)-math.Float32bits(0.5))
	}
	// Round at bit 13; a carry runs on into the exponent, as it should.
	b += 0xfff + b>>13&1
	return sign | uint16((b-(127-15)<<23)>>13)
}
