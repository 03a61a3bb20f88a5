package weights

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Protocol 0 writes its values as lines of text. torch.save makes it when asked
// to, with pickle_protocol=0.

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
	case opString:
		if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
			return errors.New("damaged pickle: a string without quotes")
		}
		s = s[1 : len(s)-1]
	}
	text, err := unescape(s, op == opString)
	if err != nil {
		return err
	}
	m.push(text)
	return nil
}

func (m *machine) pushDecimal(s string) error {
	if len(s) > maxLong {
		return fmt.Errorf("an integer of %d digits", len(s))
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

// unescape undoes Python's escapes: only \u and \U in a unicode line, those of
// a string literal otherwise. Bytes above 0x7f are Latin-1 in a unicode line.
func unescape(s string, literal bool) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			if literal || c < utf8.RuneSelf {
				b.WriteByte(c)
			} else {
				b.WriteRune(rune(c))
			}
			continue
		}
		i++
		digits := 0
		switch {
		case s[i] == 'u' && !literal:
			digits = 4
		case s[i] == 'U' && !literal:
			digits = 8
		case s[i] == 'x' && literal:
			digits = 2
		case literal:
			if at := strings.IndexByte(`abfnrtv\'"`, s[i]); at >= 0 {
				b.WriteByte("\a\b\f\n\r\t\v\\'\""[at])
				continue
			}
		}
		if digits == 0 {
			b.WriteByte('\\')
			b.WriteByte(s[i])
			continue
		}
		if len(s)-i-1 < digits {
			return "", errors.New("damaged pickle: an escape is cut off")
		}
		n, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
		if err != nil {
			return "", errors.New("damaged pickle: an escape is not hexadecimal")
		}
		b.WriteRune(rune(n))
		i += digits
	}
	if text := b.String(); utf8.ValidString(text) {
		return text, nil
	}
	return "", errors.New("damaged pickle: a string is not UTF-8")
}
