package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/facodec-go/facodec/internal/plural"
)

// Python's pickle is a program for a small stack machine, and Python runs what
// functions it names. This machine builds containers, numbers and tensors, and
// knows no other function (see globals.go): anything else is an error.
//
// It never recurses, so nesting and cycles cost nothing, and all it makes is
// paid for out of a budget in proportion to the file.
type machine struct {
	data       []byte
	pos        int
	stack      []any
	marks      []int // heights of the stack
	memo       map[int]any
	persistent func(id any) (any, error) // resolves references to storages
	budget     *budget
}

// maxPickle bounds a pickle: that of a full training checkpoint has 1 MB.
const maxPickle = 64 << 20

// errShort is what reading beyond the end gives.
var errShort = errors.New("truncated: the pickle ends too early")

// A budget bounds, in bytes, what a file unfolds to. Real checkpoints stay far
// below it; what comes near repeats one large operand, or was compressed.
type budget struct{ left int }

func newBudget(file int) *budget { return &budget{1<<20 + 256*min(file, maxPickle)} }

// opCost is what an opcode makes at most, without what it spends itself: a
// container, its place on the stack and in the memo.
const opCost = 96

func (b *budget) spend(n int) error {
	if b.left -= n; b.left < 0 {
		return errors.New("the pickle unfolds out of proportion to its size")
	}
	return nil
}

func newMachine(data []byte, b *budget, persistent func(any) (any, error)) *machine {
	return &machine{data: data, memo: map[int]any{}, budget: b, persistent: persistent}
}

// run executes one pickle, to its STOP, and returns what it made. m.pos is then
// behind it.
func (m *machine) run() (any, error) {
	m.stack, m.marks = m.stack[:0], m.marks[:0]
	clear(m.memo)
	for {
		if m.pos > maxPickle {
			return nil, fmt.Errorf("the pickle is longer than %d MiB", maxPickle>>20)
		}
		op, err := m.byte()
		if err == nil {
			err = m.budget.spend(opCost)
		}
		if err != nil {
			return nil, err
		}
		if op == opStop {
			return m.pop()
		}
		if err := m.step(op); err != nil {
			return nil, err
		}
	}
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// floor is the height that the operands of the current frame start at.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

var errUnderflow = errors.New("damaged pickle: operands are missing")

func (m *machine) pop() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errUnderflow
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errUnderflow
	}
	return m.stack[len(m.stack)-1], nil
}

// popMark returns what was pushed since the last mark. The slice is valid until
// the next push.
func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errUnderflow
	}
	at := m.floor()
	m.marks = m.marks[:len(m.marks)-1]
	items := m.stack[at:]
	m.stack = m.stack[:at]
	return items, nil
}

// popN returns the n topmost values, in the order of their pushing.
func (m *machine) popN(n int) ([]any, error) {
	if len(m.stack)-n < m.floor() {
		return nil, errUnderflow
	}
	items := m.stack[len(m.stack)-n:]
	m.stack = m.stack[:len(m.stack)-n]
	return items, nil
}

func (m *machine) byte() (byte, error) {
	if m.pos >= len(m.data) {
		return 0, errShort
	}
	m.pos++
	return m.data[m.pos-1], nil
}

func (m *machine) bytes(n uint64) ([]byte, error) {
	if n > uint64(len(m.data)-m.pos) {
		return nil, errShort
	}
	b := m.data[m.pos : m.pos+int(n)]
	m.pos += int(n)
	return b, nil
}

// uint reads a little-endian number of 1, 2, 4 or 8 bytes.
func (m *machine) uint(width int) (uint64, error) {
	b, err := m.bytes(uint64(width))
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

// counted reads a length of the given width and that many bytes.
func (m *machine) counted(width int) ([]byte, error) {
	n, err := m.uint(width)
	if err != nil {
		return nil, err
	}
	return m.bytes(n)
}

// line reads to the next newline, which is not part of the result.
func (m *machine) line() (string, error) {
	i := bytes.IndexByte(m.data[m.pos:], '\n')
	if i < 0 {
		return "", errShort
	}
	s := string(m.data[m.pos : m.pos+i])
	m.pos += i + 1
	return strings.TrimSuffix(s, "\r"), nil
}

func (m *machine) pushText(b []byte, err error) error {
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return errors.New("damaged pickle: a string is not UTF-8")
	}
	m.push(string(b))
	return nil
}

// pushUnicode pushes a Python 3 string. Half of a surrogate pair, which the name of
// a file that is not UTF-8 has, becomes U+FFFD: three bytes, as its own form has.
func (m *machine) pushUnicode(b []byte, err error) error {
	if err == nil && !utf8.Valid(b) {
		b = slices.Clone(b)
		for i := 0; i+2 < len(b); i++ {
			if b[i] == 0xed && b[i+1] >= 0xa0 && b[i+1] <= 0xbf && b[i+2]&0xc0 == 0x80 {
				copy(b[i:], "\ufffd")
			}
		}
	}
	return m.pushText(b, err)
}

func (m *machine) pushBytes(b []byte, err error) error {
	if err != nil {
		return err
	}
	m.push(Bytes(b))
	return nil
}

// pushInt reads and pushes a number of the given width; 4 bytes are signed.
func (m *machine) pushInt(width int) error {
	n, err := m.uint(width)
	if err != nil {
		return err
	}
	if width == 4 {
		m.push(int64(int32(n)))
	} else {
		m.push(int64(n))
	}
	return nil
}

func (m *machine) pushFloat() error {
	b, err := m.bytes(8)
	if err != nil {
		return err
	}
	m.push(math.Float64frombits(binary.BigEndian.Uint64(b))) // the one big-endian number of pickle
	return nil
}

// maxLong bounds the integers without limit of Python, in bytes. torch's magic
// number has 10.
const maxLong = 1024

// pushLong pushes a two's complement integer of any length.
func (m *machine) pushLong(b []byte, err error) error {
	if err != nil {
		return err
	}
	if len(b) > maxLong {
		return fmt.Errorf("an integer of %s", plural.Of(len(b), "byte"))
	}
	reversed := make([]byte, len(b))
	for i, c := range b {
		reversed[len(b)-1-i] = c
	}
	n := new(big.Int).SetBytes(reversed)
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	m.push(narrow(n))
	return nil
}

// narrow returns an int64 where it can hold n.
func narrow(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}
