package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/facodec-go/facodec/internal/plural"
)

// Types of values.
const (
	typeBoolean   = 0
	typeInt32     = 1
	typeInt64     = 2
	typeFloat     = 4
	typeDouble    = 5
	typeByteArray = 6
	typeFixed     = 7
)

// Encodings of values and levels.
const (
	encodingPlain           = 0
	encodingPlainDictionary = 2
	encodingRLE             = 3
	encodingDeltaBinary     = 5
	encodingDeltaLength     = 6
	encodingDeltaBytes      = 7
	encodingDictionary      = 8
)

// maxPrefixed is how many times the bytes of a page its values may have where they share
// prefixes.
const maxPrefixed = 256

var errValues = errors.New("it has fewer values than it says")

// decode returns the n values of a page's data. Where n is more than data can hold it is
// an error, before memory is taken for them.
func (c *Column) decode(encoding int64, data []byte, n int, dictionary [][]byte) ([][]byte, error) {
	switch encoding {
	case encodingPlain:
		return c.decodePlain(data, n)
	case encodingDictionary, encodingPlainDictionary:
		return decodeIndexes(data, n, dictionary)
	}
	if c.kind == typeByteArray || c.kind == typeFixed && encoding == encodingDeltaBytes {
		switch encoding {
		case encodingDeltaLength:
			return decodeDeltaLength(data, n)
		case encodingDeltaBytes:
			return decodeDeltaBytes(data, n)
		}
	}
	if c.kind == typeBoolean && encoding == encodingRLE {
		if len(data) < 4 {
			return nil, errValues
		}
		// As if they were two entries of a dictionary.
		return decodeIndexes(append([]byte{1}, data[4:]...), n, booleans)
	}
	if (c.kind == typeInt32 || c.kind == typeInt64) && encoding == encodingDeltaBinary {
		numbers, _, err := decodeDelta(data, n)
		if err != nil {
			return nil, err
		}
		texts := c.newTexts(n)
		for _, x := range numbers {
			if c.kind == typeInt32 {
				x = int64(int32(x))
			}
			texts.integer(x)
		}
		return texts.values, nil
	}
	return nil, fmt.Errorf("encoding %d of type %d is not supported", encoding, c.kind)
}

func (c *Column) decodePlain(data []byte, n int) ([][]byte, error) {
	width := 4 // at least, with the length
	switch c.kind {
	case typeByteArray, typeInt32, typeFloat:
	case typeInt64, typeDouble:
		width = 8
	case typeFixed:
		if c.width <= 0 || c.width > maxPage {
			return nil, fmt.Errorf("values of %s", plural.Of(c.width, "byte"))
		}
		width = int(c.width)
	case typeBoolean:
		return decodeBooleans(data, n)
	default:
		return nil, fmt.Errorf("type %d is not supported", c.kind)
	}
	if n > len(data)/width {
		return nil, errValues
	}
	if c.kind == typeByteArray {
		return decodeByteArrays(data, n)
	}
	if c.kind == typeFixed {
		values := make([][]byte, n)
		for i := range values {
			values[i], data = data[:width:width], data[width:]
		}
		return values, nil
	}
	texts := c.newTexts(n)
	for range n {
		switch c.kind {
		case typeInt32:
			texts.integer(int64(int32(binary.LittleEndian.Uint32(data))))
		case typeInt64:
			texts.integer(int64(binary.LittleEndian.Uint64(data)))
		case typeFloat:
			texts.float(float64(math.Float32frombits(binary.LittleEndian.Uint32(data))), 32)
		case typeDouble:
			texts.float(math.Float64frombits(binary.LittleEndian.Uint64(data)), 64)
		}
		data = data[width:]
	}
	return texts.values, nil
}

func decodeByteArrays(data []byte, n int) ([][]byte, error) {
	values := make([][]byte, n)
	for i := range values {
		if len(data) < 4 {
			return nil, errValues
		}
		size := uint64(binary.LittleEndian.Uint32(data))
		if data = data[4:]; size > uint64(len(data)) {
			return nil, errValues
		}
		values[i], data = data[:size:size], data[size:]
	}
	return values, nil
}

var booleans = [][]byte{[]byte("false"), []byte("true")}

func decodeBooleans(data []byte, n int) ([][]byte, error) {
	if n > len(data)*8 {
		return nil, errValues
	}
	values := make([][]byte, n)
	for i := range values {
		values[i] = booleans[data[i/8]>>(i%8)&1]
	}
	return values, nil
}

// decodeIndexes returns the entries of a dictionary that data names.
func decodeIndexes(data []byte, n int, dictionary [][]byte) ([][]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if len(data) == 0 || data[0] > 32 {
		return nil, errValues
	}
	runs := hybrid{data: data[1:], width: uint(data[0])}
	values := make([][]byte, n)
	for i := range values {
		index, err := runs.next()
		if err != nil {
			return nil, err
		}
		if uint64(index) >= uint64(len(dictionary)) {
			return nil, fmt.Errorf("entry %d of a dictionary of %d", index, len(dictionary))
		}
		values[i] = dictionary[index]
	}
	return values, nil
}

// decodeDeltaLength reads the lengths of values, and the values behind them.
func decodeDeltaLength(data []byte, n int) ([][]byte, error) {
	lengths, data, err := decodeDelta(data, n)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, n)
	for i, size := range lengths {
		if size < 0 || size > int64(len(data)) {
			return nil, errValues
		}
		values[i], data = data[:size:size], data[size:]
	}
	return values, nil
}

// decodeDeltaBytes reads values as the length of what they share with the one before, and
// the rest.
func decodeDeltaBytes(data []byte, n int) ([][]byte, error) {
	prefixes, rest, err := decodeDelta(data, n)
	if err != nil {
		return nil, err
	}
	suffixes, err := decodeDeltaLength(rest, n)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, n)
	var before []byte
	total := 0
	for i, shared := range prefixes {
		if shared < 0 || shared > int64(len(before)) {
			return nil, errValues
		}
		size := int(shared) + len(suffixes[i])
		if total += size; total > maxPage || total > freePage && total/maxPrefixed > len(data) {
			return nil, fmt.Errorf("values of over %s in a page of %d", plural.Of(total, "byte"), len(data))
		}
		before = append(append(make([]byte, 0, size), before[:shared]...), suffixes[i]...)
		values[i] = before
	}
	return values, nil
}

// texts are numbers, written out.
type texts struct {
	values   [][]byte
	block    []byte
	unsigned bool
	narrow   bool
}

func (c *Column) newTexts(n int) *texts {
	return &texts{values: make([][]byte, 0, n), unsigned: c.unsigned, narrow: c.kind == typeInt32}
}

func (t *texts) integer(x int64) {
	switch {
	case t.unsigned && t.narrow:
		t.add(func(b []byte) []byte { return strconv.AppendUint(b, uint64(uint32(x)), 10) })
	case t.unsigned:
		t.add(func(b []byte) []byte { return strconv.AppendUint(b, uint64(x), 10) })
	default:
		t.add(func(b []byte) []byte { return strconv.AppendInt(b, x, 10) })
	}
}

func (t *texts) float(x float64, bits int) {
	t.add(func(b []byte) []byte { return strconv.AppendFloat(b, x, 'g', -1, bits) })
}

// add appends a text to blocks, which do not move.
func (t *texts) add(text func([]byte) []byte) {
	if cap(t.block)-len(t.block) < 32 {
		t.block = make([]byte, 0, 4096)
	}
	from := len(t.block)
	t.block = text(t.block)
	t.values = append(t.values, t.block[from:len(t.block):len(t.block)])
}
