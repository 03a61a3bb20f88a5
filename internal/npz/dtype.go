// Package npz reads and writes NumPy's array files: .npy, one array, and .npz,
// a zip archive of them. What it writes, numpy.load reads; of what NumPy
// writes it reads every array of plain numbers and booleans, in either byte and
// axis order. Objects (pickles), structures, text and complex numbers are errors.
package npz

import (
	"fmt"
	"math"
)

// A DType is the type of an array's elements in the file.
type DType uint8

// The element types, named as in NumPy.
const (
	Bool DType = iota + 1
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Float16
	Float32
	Float64
)

// dtypes holds, by DType, the name and the type code that NumPy's header has
// after the byte order.
var dtypes = [...]struct {
	name string
	code string
	size int
}{
	Bool:    {"bool", "b1", 1},
	Int8:    {"int8", "i1", 1},
	Int16:   {"int16", "i2", 2},
	Int32:   {"int32", "i4", 4},
	Int64:   {"int64", "i8", 8},
	Uint8:   {"uint8", "u1", 1},
	Uint16:  {"uint16", "u2", 2},
	Uint32:  {"uint32", "u4", 4},
	Uint64:  {"uint64", "u8", 8},
	Float16: {"float16", "f2", 2},
	Float32: {"float32", "f4", 4},
	Float64: {"float64", "f8", 8},
}

func (d DType) known() bool { return d >= Bool && int(d) < len(dtypes) }

// String returns NumPy's name of the type.
func (d DType) String() string {
	if !d.known() {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Size returns the bytes that one element takes.
func (d DType) Size() int {
	if !d.known() {
		return 0
	}
	return dtypes[d].size
}

// IsFloat says whether the type is a floating-point one.
func (d DType) IsFloat() bool { return d == Float16 || d == Float32 || d == Float64 }

// descr returns the header's code of the type in little-endian order.
func (d DType) descr() string {
	if d.Size() == 1 {
		return "|" + dtypes[d].code
	}
	return "<" + dtypes[d].code
}

// parseDescr reads a code such as "<f4".
func parseDescr(s string) (d DType, bigEndian bool, err error) {
	if len(s) == 3 {
		for d := Bool; d.known(); d++ {
			if s[1:] != dtypes[d].code {
				continue
			}
			switch s[0] {
			case '<':
				return d, false, nil
			case '>':
				return d, true, nil
			case '|', '=':
				// '|' stands for "no order", and NumPy never writes '=' (the
				// order of whichever machine reads).
				if s[0] == '|' && d.Size() == 1 {
					return d, false, nil
				}
			}
		}
	}
	return 0, false, fmt.Errorf("element type %q is not supported", s)
}

// FromHalf widens an IEEE half-precision number, exactly.
func FromHalf(h uint16) float32 {
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

// ToHalf narrows to half precision, ties to even, too large to infinity.
func ToHalf(f float32) uint16 {
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
