// Package tensor holds the engine's one data layout: a batch of sequences,
// time-major, channels contiguous.
//
// A convolution over time is then a product over rows at a stride, the state of a
// stream is the last rows, and a chunk of a single frame still fills the vector
// registers. Checkpoints and the public API speak [B, C, T]; ToBCT and FromBCT
// convert between the two.
package tensor

// Lane is the number of float32 values that every row is padded to: one
// AVX-512 register, one cache line.
const Lane = 16

// A Tensor is a batch of B sequences of T rows with C channels each. Row t of
// sequence b starts at Data[(b*T+t)*Stride]; the Stride-C values behind it are
// padding, which kernels may overwrite and no result depends on.
type Tensor struct {
	B, T, C int
	Stride  int
	Data    []float32
	// Borrowed marks a view of memory that another tensor owns: op.Run.Free leaves it
	// alone.
	Borrowed bool
	// Var is the number that a recording run knows the tensor by; 0 is a constant
	// (see op.Run.Record).
	Var int
}

// Stride returns the row stride for c channels: c rounded up to a Lane, plus
// one Lane where the rows would otherwise lie at a multiple of 1 KiB, because
// the rows that a product reads side by side would then all fall into the same
// few sets of the first-level cache.
func Stride(c int) int {
	s := RoundUp(c)
	if s%256 == 0 {
		s += Lane
	}
	return s
}

// RoundUp returns n rounded up to a multiple of Lane.
func RoundUp(n int) int { return (n + Lane - 1) / Lane * Lane }

// Len returns the number of values that a tensor of this shape occupies.
func Len(b, t, c int) int { return b * t * Stride(c) }

// New returns a zeroed tensor on the Go heap.
func New(b, t, c int) Tensor { return Wrap(make([]float32, Len(b, t, c)), b, t, c) }

// Wrap lays a tensor over data, which must hold at least Len(b, t, c) values.
func Wrap(data []float32, b, t, c int) Tensor {
	return Tensor{B: b, T: t, C: c, Stride: Stride(c), Data: data[:Len(b, t, c)]}
}

// Row returns the C values of row t of sequence b.
func (x Tensor) Row(b, t int) []float32 {
	o := (b*x.T + t) * x.Stride
	return x.Data[o : o+x.C : o+x.C]
}

// Rows returns the storage of rows t0 to t1 of sequence b, padding included.
func (x Tensor) Rows(b, t0, t1 int) []float32 {
	return x.Data[(b*x.T+t0)*x.Stride : (b*x.T+t1)*x.Stride]
}

// Sample returns sequence b as a tensor of its own that shares its storage.
func (x Tensor) Sample(b int) Tensor {
	return Tensor{B: 1, T: x.T, C: x.C, Stride: x.Stride, Data: x.Rows(b, 0, x.T)}
}

// Joined returns all sequences as one, sharing their storage.
func (x Tensor) Joined() Tensor {
	x.B, x.T = 1, x.B*x.T
	return x
}

// Slice returns rows t0 to t1 of a single sequence, sharing its storage. It
// panics where the tensor holds several sequences, whose rows would not be
// contiguous.
func (x Tensor) Slice(t0, t1 int) Tensor {
	if x.B != 1 {
		panic("tensor: Slice of a batch")
	}
	return Tensor{B: 1, T: t1 - t0, C: x.C, Stride: x.Stride, Data: x.Rows(0, t0, t1)}
}

// FromBCT copies values laid out as [B, C, T] into a new tensor.
func FromBCT(v []float32, b, c, t int) Tensor {
	x := New(b, t, c)
	for i := range b {
		for j := range c {
			for k := range t {
				x.Data[(i*t+k)*x.Stride+j] = v[(i*c+j)*t+k]
			}
		}
	}
	return x
}

// ToBCT returns the values laid out as [B, C, T].
func (x Tensor) ToBCT() []float32 {
	v := make([]float32, x.B*x.C*x.T)
	for i := range x.B {
		for k := range x.T {
			for j, y := range x.Row(i, k) {
				v[(i*x.C+j)*x.T+k] = y
			}
		}
	}
	return v
}
