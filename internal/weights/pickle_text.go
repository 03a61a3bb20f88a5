package weights

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// Protocols 0 and 1 write some values as lines of text. torch.save makes them
// when asked to, with pickle_protocol=1. Only protocol 0 writes strings as text,
// and torch cannot read its own files in it: their tensors have lost their
// storages.
var errProtocol0 = errors.New("pickle protocol 0 is not supported")

// stepText executes an opcode whose operand is a line.
func (m *machine) stepText(op byte) error {
	s, err := m.line()
	if err != nil {
		return err
	}
	switch op {
	case opInt:
		switch s { // how protocol 0 tells a bool from an int
		case "00":
			m.push(false)
			return nil
		case "01":
			m.push(true)
			return nil
		}
		return m.pushDecimal(s)
	case opLong:
		return m.pushDecimal(strings.TrimSuffix(s, "L"))
	case opFloat:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("damaged pickle: %.20q is not a number", s)
		}
		m.push(v)
		return nil
	}
	return errProtocol0
}

func (m *machine) pushDecimal(s string) error {
	if len(s) > maxLong {
		return fmt.Errorf("an integer of %s", plural.Of(len(s), "digit"))
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return fmt.Errorf("damaged pickle: %.20q is not an integer", s)
	}
	m.push(narrow(n))
	return nil
}

// decimal reads the number of a memo entry.
func (m *machine) decimal() (uint64, error) {
	s, err := m.line()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("damaged pickle: %.20q is not a memo number", s)
	}
	return n, nil
}
