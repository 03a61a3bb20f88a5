package weights

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DType is the type of a tensor's elements inside its file.
type DType uint8

const (
	F32 DType = iota
	F16
	BF16
	F64
	I64
	I32
	I16
	I8
	U8
	Bool
)

// dtypes holds what the two formats call a type. The order is that of the
// constants above.
var dtypes = [...]struct {
	safetensors string
	torch       string // "torch.float32"
	storage     string // "torch.FloatStorage"
	size        int
}{
	F32:  {"F32", "float32", "FloatStorage", 4},
	F16:  {"F16", "float16", "HalfStorage", 2},
	BF16: {"BF16", "bfloat16", "BFloat16Storage", 2},
	F64:  {"F64", "float64", "DoubleStorage", 8},
	I64:  {"I64", "int64", "LongStorage", 8},
	I32:  {"I32", "int32", "IntStorage", 4},
	I16:  {"I16", "int16", "ShortStorage", 2},
	I8:   {"I8", "int8", "CharStorage", 1},
	U8:   {"U8", "uint8", "ByteStorage", 1},
	Bool: {"BOOL", "bool", "BoolStorage", 1},
}

// String returns the name that safetensors uses: F32, BF16, BOOL …
func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].safetensors
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// Size returns the bytes of one element.
func (d DType) Size() int { return dtypes[d].size }

// dtypeNamed finds the type that safetensors calls name.
func dtypeNamed(name string) (DType, bool) {
	for d := range dtypes {
		if dtypes[d].safetensors == name {
			return DType(d), true
		}
	}
	return 0, false
}

// widen converts little-endian elements of type d to float32. Integers and
// doubles are rounded to the nearest float32.
func widen(dst []float32, src []byte, d DType) {
	le := binary.LittleEndian
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = halfToFloat32(le.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	case I64:
		for i := range dst {
			dst[i] = float32(int64(le.Uint64(src[8*i:])))
		}
	case I32:
		for i := range dst {
			dst[i] = float32(int32(le.Uint32(src[4*i:])))
		}
	case I16:
		for i := range dst {
			dst[i] = float32(int16(le.Uint16(src[2*i:])))
		}
	case I8:
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	case U8:
		for i := range dst {
			dst[i] = float32(src[i])
		}
	case Bool:
		for i := range dst {
			dst[i] = 0
			if src[i] != 0 {
				dst[i] = 1
			}
		}
	default:
		panic("weights: widen: unknown dtype")
	}
}

// element returns one element as a float64, which holds every value of every
// type except integers beyond 2^53.
func element(src []byte, d DType) float64 {
	switch d {
	case F64:
		return math.Float64frombits(binary.LittleEndian.Uint64(src))
	case I64:
		return float64(int64(binary.LittleEndian.Uint64(src)))
	case I32:
		return float64(int32(binary.LittleEndian.Uint32(src)))
	}
	var one [1]float32
	widen(one[:], src, d)
	return float64(one[0])
}

// halfToFloat32 converts an IEEE 754 half-precision number exactly.
func halfToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10)&31, uint32(h)&0x3ff
	switch exponent {
	case 0: // zero and the subnormals: fraction * 2^-24
		v := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31: // infinities and NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
