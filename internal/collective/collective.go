// Package collective is how the processes of a distributed training run, its ranks, work
// together. A Comm moves bytes between them; everything else is built on it and is in
// ranks' order, so that no result depends on which message arrives first.
package collective

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// A Comm connects the ranks of a run.
type Comm interface {
	// Rank is this process's number, from 0 to Size()-1.
	Rank() int
	Size() int
	// Exchange sends send[i] to rank i and fills recv[i] with what rank i sends, for every
	// rank but its own, and returns when all of it has been done. An empty slice is not
	// sent, nor waited for; both sides must agree on lengths. Exchanges of several tags may
	// be under way at once, each called by a goroutine of its own; every rank must call
	// those of one tag in the same order. After an error the Comm must not be used. The
	// slices must not be touched before Exchange returns, also not those that are sent.
	Exchange(tag int, send, recv [][]byte) error
}

// ErrBroken is wrapped by the errors of an Exchange that cannot be done: another rank has
// ended, or cannot be reached.
var ErrBroken = errors.New("the ranks no longer reach each other")

// Alone is the Comm of a single process.
type Alone struct{}

// Rank returns 0.
func (Alone) Rank() int { return 0 }

// Size returns 1.
func (Alone) Size() int { return 1 }

// Exchange has nobody to exchange with.
func (Alone) Exchange(int, [][]byte, [][]byte) error { return nil }

// tagSmall is the tag of the functions below, which one goroutine calls at a time. Other
// tags start at FirstTag.
const (
	tagSmall = iota
	FirstTag
)

// AllGather returns what each rank calls it with, in the order of ranks.
func AllGather(c Comm, own []byte) ([][]byte, error) {
	n := c.Size()
	if n == 1 {
		return [][]byte{own}, nil
	}
	lengths, err := gather(c, binary.LittleEndian.AppendUint64(nil, uint64(len(own))), func(int) int { return 8 })
	if err != nil {
		return nil, err
	}
	return gather(c, own, func(rank int) int { return int(binary.LittleEndian.Uint64(lengths[rank])) })
}

// gather is AllGather where the lengths are known.
func gather(c Comm, own []byte, length func(rank int) int) ([][]byte, error) {
	send, all := make([][]byte, c.Size()), make([][]byte, c.Size())
	for i := range all {
		if i != c.Rank() {
			send[i], all[i] = own, make([]byte, length(i))
		}
	}
	err := c.Exchange(tagSmall, send, all)
	all[c.Rank()] = own
	return all, err
}

// Share returns what rank 0 calls it with.
func Share(c Comm, data []byte) ([]byte, error) {
	if c.Rank() != 0 {
		data = nil
	}
	all, err := AllGather(c, data)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Barrier returns when every rank has called it.
func Barrier(c Comm) error {
	_, err := gather(c, []byte{0}, func(int) int { return 1 })
	return err
}

// largeValues are how many values are cut into one slice for each rank, which then all
// pass on, so that rank 0 sends no more than the others.
const largeValues = 1 << 16

// Broadcast overwrites values with those of rank 0, in place.
func Broadcast(c Comm, values []float32) error {
	n := c.Size()
	if n == 1 {
		return nil
	}
	send, recv := make([][]byte, n), make([][]byte, n)
	whole := Bytes(values)
	slice := func(i int) []byte { return whole }
	if len(values) >= largeValues {
		slice = func(i int) []byte { return Bytes(values[len(values)*i/n : len(values)*(i+1)/n]) }
	}
	if c.Rank() == 0 {
		for i := 1; i < n; i++ {
			send[i] = slice(i)
		}
	} else {
		recv[0] = slice(c.Rank())
	}
	if err := c.Exchange(tagSmall, send, recv); err != nil || len(values) < largeValues {
		return err
	}
	send, recv = make([][]byte, n), make([][]byte, n)
	for i := range n {
		if i == c.Rank() {
			continue
		}
		if i != 0 { // which has them
			send[i] = slice(c.Rank())
		}
		if c.Rank() != 0 {
			recv[i] = slice(i)
		}
	}
	return c.Exchange(tagSmall, send, recv)
}

// Bytes returns the memory of values. Ranks have the same byte order.
func Bytes[T float32 | int32 | float64](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*int(unsafe.Sizeof(values[0])))
}

// Values returns a copy of what Bytes made bytes of.
func Values[T float32 | int32 | float64](b []byte) ([]T, error) {
	var one T
	size := int(unsafe.Sizeof(one))
	if len(b)%size != 0 {
		return nil, fmt.Errorf("%d bytes from another rank are no whole number of values", len(b))
	}
	v := make([]T, len(b)/size)
	copy(Bytes(v), b)
	return v, nil
}
