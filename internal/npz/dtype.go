// Package npz reads and writes NumPy's array files: .npy, one array, and .npz,
// a zip archive of them. numpy.load reads what it writes. It reads
// all of NumPy's arrays of numbers and booleans, in either byte and axis order; objects
// (pickles), structures, text and complex numbers are errors.
package npz

import "fmt"

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
