package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/float16"
	"github.com/facodec-go/facodec/internal/plural"
)

// An Array is a tensor to be written. Only one at a time has its values in
// memory.
type Array struct {
	Name  string
	Shape []int
	// DType is F32, F16 or BF16, which values are rounded to, I64 for the counters that
	// some networks keep, or I8 of Int8; anything with Fill. A value that is beyond F16 or
	// BF16 is an error.
	DType DType
	// Scales says that the values are those of another array's rows, see Int8, and no
	// parameters.
	Scales bool
	// Values returns the elements in row-major order. It is called once.
	Values func() ([]float32, error)
	// Fill, if not nil, writes the elements instead: row-major, little-endian, in
	// pieces of any size. Only safetensors can be written so.
	Fill func(w io.Writer) error
	// Release is called once the values are written; nil for nothing.
	Release func()

	stored *Tensor // what the array is made of, if it has scales: Int8 keeps these
}

// ArrayOf returns a tensor as it can be written: integers stay integers where
// they may be large, everything else becomes float32.
func ArrayOf(t *Tensor) Array {
	a := Array{Name: t.Name, Shape: t.Shape, Values: t.Float32, Release: t.Release}
	switch {
	case t.DType == I64:
		a.DType = I64
	case t.scales != nil && t.scales.Elements() == t.Shape[0]:
		a.stored = t
	}
	return a
}

// Finite returns an array whose values are an error if any of them is NaN or
// infinite.
func Finite(a Array) Array {
	values := a.Values
	a.Values = func() ([]float32, error) {
		v, err := values()
		if err == nil {
			if _, finite := Checksum(v); !finite {
				err = fmt.Errorf("NaN or infinite weights: %w; no command could open the output", ErrNotFinite)
			}
		}
		return v, err
	}
	return a
}

// ArraysOf returns all tensors of a source, in the order of their names.
func ArraysOf(s Source) []Array {
	var arrays []Array
	for _, name := range s.Names() {
		if t, ok := s.Lookup(name); ok {
			arrays = append(arrays, ArrayOf(t))
		}
	}
	return arrays
}

// check refuses what could not be read again, and counts the bytes.
func check(arrays []Array) (total int64, err error) {
	seen := make(map[string]bool, len(arrays))
	for _, a := range arrays {
		switch {
		case seen[a.Name]:
			return 0, fmt.Errorf("%s occurs twice", a.Name)
		case !utf8.ValidString(a.Name) || a.Name == "" || a.Name == "__metadata__":
			return 0, fmt.Errorf("%q cannot be the name of a tensor", a.Name)
		case a.Fill == nil && !slices.Contains([]DType{F32, F16, BF16, I64, I8}, a.DType):
			return 0, fmt.Errorf("%s: writing %s is not supported", a.Name, a.DType)
		}
		seen[a.Name] = true
		n, err := elements(a.Shape, a.DType.Size())
		if err != nil {
			return 0, fmt.Errorf("%s: %w", a.Name, err)
		}
		total += int64(n) * int64(a.DType.Size())
	}
	return total, nil
}

// write makes a file of what fill writes to it.
func write(path string, fill func(w io.Writer) error) error {
	f, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := fill(f); err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err // it names the temporary file
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Commit()
}

// A writer writes arrays and reports how far it is.
type writer struct {
	progress    func(done, total int64)
	done, total int64
}

// block is how many elements are written between two reports.
const block = 1 << 20

func (w *writer) array(out io.Writer, a Array) error {
	if a.Fill != nil {
		return w.fill(out, a)
	}
	values, err := a.Values()
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	if n, _ := elements(a.Shape, a.DType.Size()); n != len(values) {
		return fmt.Errorf("%s: %s for shape %v", a.Name, plural.Of(len(values), "value"), a.Shape)
	}
	for part := range slices.Chunk(values, block) {
		bytes := littleEndianBytes(part, a.DType)
		if a.DType == F16 || a.DType == BF16 {
			if err := checkRange(part, bytes, a.DType); err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
		}
		n, err := out.Write(bytes)
		if err != nil {
			return err
		}
		w.done += int64(n)
		if w.progress != nil {
			w.progress(w.done, w.total)
		}
	}
	if a.Release != nil {
		a.Release()
	}
	return nil
}

func (w *writer) fill(out io.Writer, a Array) error {
	n, err := elements(a.Shape, a.DType.Size())
	if err != nil {
		return err
	}
	before := w.done
	if err := a.Fill(io.MultiWriter(out, (*counter)(w))); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	if got, want := w.done-before, int64(n)*int64(a.DType.Size()); got != want {
		return fmt.Errorf("%s: %s for %s %v, which takes %d", a.Name, plural.Of(got, "byte"), a.DType, a.Shape, want)
	}
	return nil
}

// A counter counts what has been written.
type counter writer

func (c *counter) Write(p []byte) (int, error) {
	c.done += int64(len(p))
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
	return len(p), nil
}

// checkRange refuses values whose rounded ones, narrow, are infinite.
func checkRange(values []float32, narrow []byte, d DType) error {
	infinity := uint16(0x7c00)
	if d == BF16 {
		infinity = 0x7f80
	}
	for i, v := range values {
		if binary.LittleEndian.Uint16(narrow[2*i:])&0x7fff == infinity && !math.IsInf(float64(v), 0) {
			return fmt.Errorf("%g is beyond %s", v, d)
		}
	}
	return nil
}

// bfloat16 rounds to the upper half of a float32, ties to even.
func bfloat16(f float32) uint16 {
	b := math.Float32bits(f)
	if f != f { // NaN stays one
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// littleEndianBytes returns values as a file holds them; a view where this
// machine holds them in the same way.
func littleEndianBytes(values []float32, d DType) []byte {
	le := binary.LittleEndian
	switch d {
	case I64:
		b := make([]byte, 0, 8*len(values))
		for _, v := range values {
			b = le.AppendUint64(b, uint64(int64(v)))
		}
		return b
	case I8:
		b := make([]byte, len(values))
		for i, v := range values {
			b[i] = byte(int8(v))
		}
		return b
	case F16:
		b := make([]byte, 0, 2*len(values))
		for _, v := range values {
			b = le.AppendUint16(b, float16.FromFloat32(v))
		}
		return b
	case BF16:
		b := make([]byte, 0, 2*len(values))
		for _, v := range values {
			b = le.AppendUint16(b, bfloat16(v))
		}
		return b
	}
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
	}
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = le.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
