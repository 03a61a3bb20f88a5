package weights

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/facodec-go/facodec/internal/float16"
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
	U64
	U32
	U16
	F8E4M3
	F8E5M2
	F8E4M3FNUZ
	F8E5M2FNUZ
	F8E8M0
	numeric // the number of types above, all of real numbers
)

// Types whose tensors keep their name and shape, but whose values cannot be read:
// Float32 of such a tensor is an error.
const (
	c32 = numeric + iota
	c64
	c128
	bc32
	qint8
	quint8
	qint32
	quint4x2
	quint2x4
	float4x2
	float6e2m3
	float6e3m2
	bits8
	bits16
	bits1x8
	bits2x4
	bits4x2
	unknownType // a tensor whose file does not say
)

// dtypes holds what the two formats call a type, in the order of the constants.
// Types that torch added after its typed storages have no storage name.
var dtypes = [...]struct {
	safetensors string
	torch       string // "torch.float32"
	storage     string // "torch.FloatStorage"
	bits        int    // of one element
}{
	F32:         {"F32", "float32", "FloatStorage", 32},
	F16:         {"F16", "float16", "HalfStorage", 16},
	BF16:        {"BF16", "bfloat16", "BFloat16Storage", 16},
	F64:         {"F64", "float64", "DoubleStorage", 64},
	I64:         {"I64", "int64", "LongStorage", 64},
	I32:         {"I32", "int32", "IntStorage", 32},
	I16:         {"I16", "int16", "ShortStorage", 16},
	I8:          {"I8", "int8", "CharStorage", 8},
	U8:          {"U8", "uint8", "ByteStorage", 8},
	Bool:        {"BOOL", "bool", "BoolStorage", 8},
	U64:         {"U64", "uint64", "", 64},
	U32:         {"U32", "uint32", "", 32},
	U16:         {"U16", "uint16", "", 16},
	F8E4M3:      {"F8_E4M3", "float8_e4m3fn", "", 8},
	F8E5M2:      {"F8_E5M2", "float8_e5m2", "", 8},
	F8E4M3FNUZ:  {"F8_E4M3FNUZ", "float8_e4m3fnuz", "", 8},
	F8E5M2FNUZ:  {"F8_E5M2FNUZ", "float8_e5m2fnuz", "", 8},
	F8E8M0:      {"F8_E8M0", "float8_e8m0fnu", "", 8},
	c32:         {"", "complex32", "ComplexHalfStorage", 32},
	c64:         {"C64", "complex64", "ComplexFloatStorage", 64},
	c128:        {"", "complex128", "ComplexDoubleStorage", 128},
	bc32:        {"", "bcomplex32", "", 32},
	qint8:       {"", "qint8", "QInt8Storage", 8},
	quint8:      {"", "quint8", "QUInt8Storage", 8},
	qint32:      {"", "qint32", "QInt32Storage", 32},
	quint4x2:    {"", "quint4x2", "QUInt4x2Storage", 8},
	quint2x4:    {"", "quint2x4", "QUInt2x4Storage", 8},
	float4x2:    {"F4", "float4_e2m1fn_x2", "", 8}, // two to a byte; see placeBits
	float6e2m3:  {"F6_E2M3", "", "", 6},
	float6e3m2:  {"F6_E3M2", "", "", 6},
	bits8:       {"", "bits8", "", 8},
	bits16:      {"", "bits16", "", 16},
	bits1x8:     {"", "bits1x8", "", 8},
	bits2x4:     {"", "bits2x4", "", 8},
	bits4x2:     {"", "bits4x2", "", 8},
	unknownType: {"", "unknown", "", 8},
}

// String returns the name that safetensors uses: F32, BF16, BOOL …; torch's for a
// type that safetensors does not have.
func (d DType) String() string {
	switch {
	case int(d) >= len(dtypes):
		return fmt.Sprintf("DType(%d)", uint8(d))
	case dtypes[d].safetensors == "":
		return dtypes[d].torch
	}
	return dtypes[d].safetensors
}

// Size returns the bytes of one element, 1 for a type of fewer than 8 bits.
func (d DType) Size() int { return max(1, dtypes[d].bits/8) }

// placeBits returns the bits of one element in a safetensors file, which counts
// 4-bit numbers one by one where torch counts pairs.
func (d DType) placeBits() int {
	if d == float4x2 {
		return 4
	}
	return dtypes[d].bits
}

// dtypeNamed finds the type that safetensors calls name.
func dtypeNamed(name string) (DType, bool) {
	for d := range dtypes {
		if dtypes[d].safetensors == name && name != "" {
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
			dst[i] = float16.ToFloat32(le.Uint16(src[2*i:]))
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
	case U64:
		for i := range dst {
			dst[i] = float32(le.Uint64(src[8*i:]))
		}
	case U32:
		for i := range dst {
			dst[i] = float32(le.Uint32(src[4*i:]))
		}
	case U16:
		for i := range dst {
			dst[i] = float32(le.Uint16(src[2*i:]))
		}
	case F8E4M3, F8E5M2, F8E4M3FNUZ, F8E5M2FNUZ, F8E8M0:
		for i := range dst {
			dst[i] = float8ToFloat32(src[i], d)
		}
	default:
		panic("weights: widen: not a type of real numbers")
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
	case U64:
		return float64(binary.LittleEndian.Uint64(src))
	case U32:
		return float64(binary.LittleEndian.Uint32(src))
	}
	var one [1]float32
	widen(one[:], src, d)
	return float64(one[0])
}

// float8ToFloat32 converts an 8-bit floating-point number exactly. The formats are
// those of OCP 8-bit floating point (E4M3, E5M2), of its microscaling formats
// (E8M0: an exponent only), and the FNUZ kinds of Noune et al. 2022, which have no
// infinities, no negative zero, and a bias that is larger by one.
func float8ToFloat32(b byte, d DType) float32 {
	nan := float32(math.NaN())
	sign := float32(1)
	if b&0x80 != 0 {
		sign = -1
	}
	scaled := func(mantissaBits, bias int) float32 {
		exponent := int(b&0x7f) >> mantissaBits
		fraction := int(b) & (1<<mantissaBits - 1)
		if exponent == 0 {
			exponent = 1 // zero and the subnormals
		} else {
			fraction |= 1 << mantissaBits
		}
		return sign * float32(math.Ldexp(float64(fraction), exponent-bias-mantissaBits))
	}
	switch d {
	case F8E8M0:
		if b == 0xff {
			return nan
		}
		return float32(math.Ldexp(1, int(b)-127))
	case F8E4M3:
		if b&0x7f == 0x7f {
			return nan
		}
		return scaled(3, 7)
	case F8E5M2:
		if b&0x7c == 0x7c {
			if b&3 != 0 {
				return nan
			}
			return sign * float32(math.Inf(1))
		}
		return scaled(2, 15)
	}
	if b == 0x80 {
		return nan
	}
	if d == F8E4M3FNUZ {
		return scaled(3, 8)
	}
	return scaled(2, 16)
}
