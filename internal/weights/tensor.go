package weights

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/bits"
	"unsafe"

	"github.com/facodec-go/facodec/internal/plural"
)

// A Tensor is one named array inside a file. Nothing is read until its values
// are asked for. A tensor that cannot be read as real numbers (complex, sparse,
// quantized, without data) has its name and shape, and only reading its values is an
// error.
type Tensor struct {
	Name  string
	DType DType
	Shape []int

	store    *storage         // where the elements lie; nil for a generated tensor
	offset   int              // of the first element in store, in elements
	strides  []int            // in elements; nil where the elements lie in row-major order
	negated  bool             // the values are those in store with the other sign
	opaque   string           // why there are no values: "a sparse tensor; ..."; "" for one that has them
	generate func() []float32 // of a generated tensor
	scales   *Tensor          // of 8-bit integers that stand for weights, see scale.go; nil for none
}

// ErrOpaque is wrapped by the error for the values of a tensor that cannot be read as
// real numbers.
var ErrOpaque = errors.New("has no values that a network could use")

// Err returns why the values of a tensor cannot be read, which wraps ErrOpaque;
// nil for one that has values.
func (t *Tensor) Err() error {
	why := t.opaque
	if why == "" && t.DType >= numeric {
		why = t.DType.String() + " is no type of real numbers"
	}
	if why == "" || t.generate != nil {
		return nil
	}
	return t.fault(fmt.Errorf("%w: %s", ErrOpaque, why))
}

// Elements returns the number of elements.
func (t *Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32 returns the values in row-major order. Where the file holds them as
// they are needed, the result is a view into the mapped file: read-only, and
// valid until the file is closed. Otherwise it is a converted copy.
func (t *Tensor) Float32() ([]float32, error) {
	values, err := t.float32()
	if err != nil || t.scales == nil {
		return values, err
	}
	scales, err := t.scales.Float32()
	if err == nil {
		scaleRows(values, scales)
	}
	return values, err
}

// float32 is Float32 without the scales.
func (t *Tensor) float32() ([]float32, error) {
	if t.generate != nil {
		return t.generate(), nil
	}
	if err := t.Err(); err != nil {
		return nil, err
	}
	n := t.Elements()
	if n == 0 {
		return nil, nil
	}
	data, err := t.store.bytes()
	if err != nil {
		return nil, t.fault(err)
	}
	size := t.DType.Size()
	data = data[t.offset*size:]
	if t.strides == nil {
		data = data[:n*size]
		if view, ok := viewFloat32(data); ok && t.DType == F32 && !t.negated {
			return view, nil
		}
		values := make([]float32, n)
		widen(values, data, t.DType)
		if t.negated {
			negate(values)
		}
		return values, nil
	}
	values := make([]float32, 0, n)
	var one [1]float32
	t.eachStrided(func(i int) {
		widen(one[:], data[i*size:], t.DType)
		values = append(values, one[0])
	})
	if t.negated {
		negate(values)
	}
	return values, nil
}

func negate[T float32 | float64](values []T) {
	for i, v := range values {
		values[i] = -v
	}
}

// Float64 returns the values in row-major order, always as a copy. It is exact
// for every type, but for integers beyond 2^53.
func (t *Tensor) Float64() ([]float64, error) {
	if t.generate != nil || t.scales != nil {
		narrow, err := t.Float32()
		values := make([]float64, len(narrow))
		for i, v := range narrow {
			values[i] = float64(v)
		}
		return values, err
	}
	if err := t.Err(); err != nil {
		return nil, err
	}
	n := t.Elements()
	if n == 0 {
		return nil, nil
	}
	data, err := t.store.bytes()
	if err != nil {
		return nil, t.fault(err)
	}
	size := t.DType.Size()
	data = data[t.offset*size:]
	values := make([]float64, 0, n)
	if t.strides == nil {
		for i := range n {
			values = append(values, element(data[i*size:], t.DType))
		}
	} else {
		t.eachStrided(func(i int) { values = append(values, element(data[i*size:], t.DType)) })
	}
	if t.negated {
		negate(values)
	}
	return values, nil
}

// eachStrided calls visit with the distance of each element from the first one,
// in row-major order of the shape. There must be at least one element.
func (t *Tensor) eachStrided(visit func(int)) {
	at, index := 0, make([]int, len(t.Shape))
	for {
		visit(at)
		d := len(index) - 1
		for ; d >= 0; d-- {
			index[d]++
			at += t.strides[d]
			if index[d] < t.Shape[d] {
				break
			}
			at -= index[d] * t.strides[d]
			index[d] = 0
		}
		if d < 0 {
			return
		}
	}
}

// Release tells the system that the pages of this tensor are not needed for
// now. Views stay valid; using one again reads its pages back from the file.
func (t *Tensor) Release() {
	if t.store == nil || t.strides != nil || t.opaque != "" {
		return
	}
	size := t.DType.Size()
	t.store.release(t.offset*size, t.Elements()*size)
}

func (t *Tensor) fault(err error) error {
	if t.Name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", plain(t.Name), err)
}

// viewFloat32 returns data as float32 without copying, where this machine's
// byte order and data's alignment allow it.
func viewFloat32(data []byte) ([]float32, bool) {
	p := unsafe.Pointer(unsafe.SliceData(data))
	if !littleEndian || len(data)%4 != 0 || uintptr(p)%4 != 0 {
		return nil, false
	}
	return unsafe.Slice((*float32)(p), len(data)/4), true
}

var littleEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}()

// elements returns the product of a shape's dimensions, or an error for a
// negative one or for more elements than an int can count in bytes.
func elements(shape []int, size int) (int, error) {
	n, empty := uint64(size), false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		if d == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n = lo
	}
	if empty {
		return 0, nil
	}
	return int(n) / size, nil
}

// newStrided checks shape, strides and offset against a storage of length
// elements, so that later reads need no checks.
func newStrided(store *storage, length int, d DType, offset int, shape, strides []int) (*Tensor, error) {
	n, err := elements(shape, d.Size())
	if err != nil {
		return nil, err
	}
	if len(strides) != len(shape) {
		return nil, fmt.Errorf("shape %v with strides %v", shape, strides)
	}
	t := &Tensor{DType: d, Shape: shape, store: store, offset: offset, strides: strides}
	if n == 0 {
		t.offset, t.strides = 0, nil
		return t, nil
	}
	if offset < 0 || offset >= length {
		return nil, fmt.Errorf("offset %d in a storage of %s", offset, plural.Of(length, "element"))
	}
	last, contiguous, row := uint64(offset), true, 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] == 1 {
			continue // its stride is never used
		}
		if strides[i] < 0 {
			return nil, fmt.Errorf("strides %v are negative", strides)
		}
		hi, lo := bits.Mul64(uint64(shape[i]-1), uint64(strides[i]))
		if hi != 0 || lo >= uint64(length) || last+lo >= uint64(length) {
			return nil, fmt.Errorf("shape %v with strides %v and offset %d reaches beyond a storage of %s", shape, strides, offset, plural.Of(length, "element"))
		}
		last += lo
		contiguous = contiguous && strides[i] == row
		row *= shape[i]
	}
	// A stride of 0 lets a few bytes claim any size: small expanded tensors
	// exist, large ones would be memory out of proportion to the file.
	if n > length && n > 1<<16 {
		t.opaque = fmt.Sprintf("shape %v repeats a storage of %s; save it with contiguous()", shape, plural.Of(length, "element"))
	}
	if contiguous {
		t.strides = nil
	}
	return t, nil
}

// errClosed is what reading from a closed file gives.
var errClosed = fs.ErrClosed
