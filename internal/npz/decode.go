package npz

import (
	"encoding/binary"
	"math"

	"github.com/facodec-go/facodec/internal/float16"
)

// decode turns an array's bytes into numbers; len(data) is already right.
func decode(h *header, data []byte) *Array {
	a := &Array{DType: h.dtype, Shape: h.shape}
	var order binary.ByteOrder = binary.LittleEndian
	if h.bigEndian {
		order = binary.BigEndian
	}
	switch h.dtype {
	case Float16:
		a.F32 = convert(h, func(i int) float32 { return float16.ToFloat32(order.Uint16(data[2*i:])) })
	case Float32:
		a.F32 = convert(h, func(i int) float32 { return math.Float32frombits(order.Uint32(data[4*i:])) })
	case Float64:
		a.F64 = convert(h, func(i int) float64 { return math.Float64frombits(order.Uint64(data[8*i:])) })
	case Bool:
		a.Int = convert(h, func(i int) int64 {
			if data[i] != 0 {
				return 1
			}
			return 0
		})
	case Int8:
		a.Int = convert(h, func(i int) int64 { return int64(int8(data[i])) })
	case Int16:
		a.Int = convert(h, func(i int) int64 { return int64(int16(order.Uint16(data[2*i:]))) })
	case Int32:
		a.Int = convert(h, func(i int) int64 { return int64(int32(order.Uint32(data[4*i:]))) })
	case Uint8:
		a.Int = convert(h, func(i int) int64 { return int64(data[i]) })
	case Uint16:
		a.Int = convert(h, func(i int) int64 { return int64(order.Uint16(data[2*i:])) })
	case Uint32:
		a.Int = convert(h, func(i int) int64 { return int64(order.Uint32(data[4*i:])) })
	case Int64, Uint64: // an unsigned number above 2^63 wraps: no file of ours has one
		a.Int = convert(h, func(i int) int64 { return int64(order.Uint64(data[8*i:])) })
	}
	return a
}

// convert lays out in row-major order the elements that at gives in file order.
func convert[T any](h *header, at func(i int) T) []T {
	out := make([]T, h.count)
	if !h.fortran || len(h.shape) < 2 {
		for i := range out {
			out[i] = at(i)
		}
		return out
	}
	// Column-major: the first axis is the one that runs fastest in the file.
	strides := make([]int, len(h.shape))
	stride := 1
	for d, n := range h.shape {
		strides[d] = stride
		stride *= n
	}
	index := make([]int, len(h.shape))
	pos := 0
	for i := range out {
		out[i] = at(pos)
		for d := len(index) - 1; d >= 0; d-- {
			index[d]++
			pos += strides[d]
			if index[d] < h.shape[d] {
				break
			}
			pos -= index[d] * strides[d]
			index[d] = 0
		}
	}
	return out
}
