package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/facodec-go/facodec/internal/plural"
)

// A hybrid reads runs of equal values and of bit-packed ones, RLE in Parquet's
// Encodings.md, one value at a time.
type hybrid struct {
	data  []byte
	width uint // bits, at most 32

	left   uint64 // values of the run
	same   bool
	value  uint32
	packed []byte
	bit    uint64 // in packed
}

func (h *hybrid) next() (uint32, error) {
	for h.left == 0 {
		if err := h.run(); err != nil {
			return 0, err
		}
	}
	h.left--
	if h.same {
		return h.value, nil
	}
	if h.bit+uint64(h.width) > uint64(len(h.packed))*8 {
		return 0, errValues
	}
	v := bits(h.packed, h.bit, h.width)
	h.bit += uint64(h.width)
	return uint32(v), nil
}

// run begins the next run.
func (h *hybrid) run() error {
	head, n := binary.Uvarint(h.data)
	if n <= 0 || head>>1 > 1<<32 {
		return errValues
	}
	h.data = h.data[n:]
	if h.same = head&1 == 0; h.same {
		size := (h.width + 7) / 8
		if uint(len(h.data)) < size {
			return errValues
		}
		h.value = uint32(bits(h.data[:size], 0, size*8))
		h.data, h.left = h.data[size:], head>>1
		return nil
	}
	// Some writers leave the padding of the last run out.
	size := min(head>>1*uint64(h.width), uint64(len(h.data)))
	h.packed, h.data, h.bit = h.data[:size], h.data[size:], 0
	h.left = head >> 1 * 8
	return nil
}

// bits returns width bits of data from a bit, the least significant first; at most 64.
func bits(data []byte, bit uint64, width uint) uint64 {
	v := uint64(0)
	for done := uint(0); done < width; {
		shift := uint(bit % 8)
		v |= uint64(data[bit/8]>>shift) << done
		done += 8 - shift
		bit += uint64(8 - shift)
	}
	if width < 64 {
		v &= 1<<width - 1
	}
	return v
}

// decodeDelta reads n numbers of DELTA_BINARY_PACKED, and returns what is behind them.
func decodeDelta(data []byte, n int) ([]int64, []byte, error) {
	d := &decoder{data: data}
	block, minis, count := d.uvarint(), d.uvarint(), d.uvarint()
	first := d.varint()
	if d.err != nil {
		return nil, nil, errValues
	}
	if count != uint64(n) {
		return nil, nil, fmt.Errorf("%s where %d should be", plural.Of(count, "number"), n)
	}
	if block == 0 || block > 1<<20 || block%128 != 0 || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 {
		return nil, nil, errors.New("blocks of numbers of a size that is not allowed")
	}
	numbers := make([]int64, 0, n)
	if n > 0 {
		numbers = append(numbers, first)
	}
	each := block / minis
	for len(numbers) < n {
		least := d.varint()
		widths := d.take(minis)
		for _, width := range widths {
			if len(numbers) == n {
				break // what is not needed is not there
			}
			if width > 64 {
				return nil, nil, fmt.Errorf("numbers of %s", plural.Of(width, "bit"))
			}
			packed := d.take(each * uint64(width) / 8)
			if d.err != nil {
				return nil, nil, errValues
			}
			for i := range min(each, uint64(n-len(numbers))) {
				delta := least + int64(bits(packed, i*uint64(width), uint(width)))
				numbers = append(numbers, numbers[len(numbers)-1]+delta)
			}
		}
		if d.err != nil {
			return nil, nil, errValues
		}
	}
	return numbers, d.data[d.pos:], nil
}
