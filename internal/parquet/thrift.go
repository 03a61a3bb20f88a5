package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// maxDepth is how deep structures may lie in each other; Parquet's go to about ten.
const maxDepth = 32

var errShort = errors.New("it ends early")

// A decoder reads Thrift's compact protocol. Nothing is allocated by what a length or a
// count says: all that is read lies in data, and every element of a list takes a byte of
// it or more. The first error stays.
type decoder struct {
	data  []byte
	pos   int
	depth int
	err   error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) byte() byte {
	if d.err != nil || d.pos >= len(d.data) {
		d.fail(errShort)
		return 0
	}
	d.pos++
	return d.data[d.pos-1]
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.data[d.pos:])
	switch {
	case n == 0:
		d.fail(errShort)
		return 0
	case n < 0:
		d.fail(errors.New("a number has more than 64 bits"))
		return 0
	}
	d.pos += n
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// take returns the next n bytes.
func (d *decoder) take(n uint64) []byte {
	if d.err != nil || n > uint64(len(d.data)-d.pos) {
		d.fail(errShort)
		return nil
	}
	d.pos += int(n)
	return d.data[d.pos-int(n) : d.pos]
}

// number reads an integer of the type that a field has.
func (d *decoder) number(kind byte) int64 {
	switch kind {
	case thriftByte:
		return int64(int8(d.byte()))
	case thriftI16, thriftI32, thriftI64:
		return d.varint()
	}
	d.fail(fmt.Errorf("a field has type %d, want a number", kind))
	return 0
}

// binary reads bytes, which are a part of data.
func (d *decoder) binary(kind byte) []byte {
	if kind != thriftBinary {
		d.fail(fmt.Errorf("a field has type %d, want bytes", kind))
		return nil
	}
	return d.take(d.uvarint())
}

// boolean reads a field whose type is its value.
func (d *decoder) boolean(kind byte) bool {
	if kind != thriftTrue && kind != thriftFalse {
		d.fail(fmt.Errorf("a field has type %d, want true or false", kind))
	}
	return kind == thriftTrue
}

// enter and leave count how deep the decoder is.
func (d *decoder) enter() {
	if d.depth++; d.depth > maxDepth {
		d.fail(fmt.Errorf("it is nested more than %d deep", maxDepth))
	}
}

func (d *decoder) leave() { d.depth-- }

// structure reads a structure. For each of its fields it calls field, which reads the
// value and returns true, or returns false for what it does not want.
func (d *decoder) structure(kind byte, field func(id int64, kind byte) bool) {
	if kind != thriftStruct {
		d.fail(fmt.Errorf("a field has type %d, want a structure", kind))
		return
	}
	d.enter()
	defer d.leave()
	id := int64(0)
	for {
		head := d.byte()
		if d.err != nil || head == 0 {
			return
		}
		if delta := head >> 4; delta > 0 {
			id += int64(delta)
		} else {
			id = int64(int16(d.varint()))
		}
		if d.err == nil && !field(id, head&15) {
			d.skip(head & 15)
		}
	}
}

// list reads a list and calls element for each of its elements, which must read it.
func (d *decoder) list(kind byte, element func(kind byte)) {
	if kind != thriftList && kind != thriftSet {
		d.fail(fmt.Errorf("a field has type %d, want a list", kind))
		return
	}
	d.enter()
	defer d.leave()
	head := d.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = d.uvarint()
	}
	if d.err == nil && n > uint64(len(d.data)-d.pos) {
		d.fail(errShort)
	}
	for ; n > 0 && d.err == nil; n-- {
		element(head & 15)
	}
}

// skip passes over the value of a field.
func (d *decoder) skip(kind byte) {
	switch kind {
	case thriftTrue, thriftFalse: // the type is the value
	case thriftByte:
		d.byte()
	case thriftI16, thriftI32, thriftI64:
		d.uvarint()
	case thriftDouble:
		d.take(8)
	case thriftBinary:
		d.binary(kind)
	case thriftList, thriftSet:
		d.list(kind, d.skipElement)
	case thriftMap:
		d.skipMap()
	case thriftStruct:
		d.structure(kind, func(int64, byte) bool { return false })
	default:
		d.fail(fmt.Errorf("a field has type %d, which there is not", kind))
	}
}

// skipElement passes over an element of a list or map, where a boolean takes a byte.
func (d *decoder) skipElement(kind byte) {
	if kind == thriftTrue || kind == thriftFalse {
		kind = thriftByte
	}
	d.skip(kind)
}

func (d *decoder) skipMap() {
	d.enter()
	defer d.leave()
	n := d.uvarint()
	if n == 0 {
		return
	}
	kinds := d.byte()
	if d.err == nil && n > uint64(len(d.data)-d.pos) {
		d.fail(errShort)
	}
	for ; n > 0 && d.err == nil; n-- {
		d.skipElement(kinds >> 4)
		d.skipElement(kinds & 15)
	}
}
