package weights

import (
	"fmt"
	"slices"

	"github.com/facodec-go/facodec/internal/plural"
)

// The opcodes, named as in Python's pickletools.
const (
	opMark           = '('
	opStop           = '.'
	opPop            = '0'
	opPopMark        = '1'
	opDup            = '2'
	opFloat          = 'F'
	opInt            = 'I'
	opBinInt         = 'J'
	opBinInt1        = 'K'
	opLong           = 'L'
	opBinInt2        = 'M'
	opNone           = 'N'
	opPersID         = 'P'
	opBinPersID      = 'Q'
	opReduce         = 'R'
	opString         = 'S'
	opBinString      = 'T'
	opShortBinString = 'U'
	opUnicode        = 'V'
	opBinUnicode     = 'X'
	opAppend         = 'a'
	opBuild          = 'b'
	opGlobal         = 'c'
	opDict           = 'd'
	opAppends        = 'e'
	opGet            = 'g'
	opBinGet         = 'h'
	opInst           = 'i'
	opLongBinGet     = 'j'
	opList           = 'l'
	opObj            = 'o'
	opPut            = 'p'
	opBinPut         = 'q'
	opLongBinPut     = 'r'
	opSetItem        = 's'
	opTuple          = 't'
	opSetItems       = 'u'
	opEmptyDict      = '}'
	opEmptyList      = ']'
	opEmptyTuple     = ')'
	opBinFloat       = 'G'
	opBinBytes       = 'B'
	opShortBinBytes  = 'C'

	opProto           = 0x80
	opNewObj          = 0x81
	opExt1            = 0x82
	opExt2            = 0x83
	opExt4            = 0x84
	opTuple1          = 0x85
	opTuple2          = 0x86
	opTuple3          = 0x87
	opNewTrue         = 0x88
	opNewFalse        = 0x89
	opLong1           = 0x8a
	opLong4           = 0x8b
	opShortBinUnicode = 0x8c
	opBinUnicode8     = 0x8d
	opBinBytes8       = 0x8e
	opEmptySet        = 0x8f
	opAddItems        = 0x90
	opFrozenSet       = 0x91
	opNewObjEx        = 0x92
	opStackGlobal     = 0x93
	opMemoize         = 0x94
	opFrame           = 0x95
	opByteArray8      = 0x96
)

// step executes one opcode.
func (m *machine) step(op byte) error {
	switch op {
	case opProto:
		version, err := m.byte()
		if err == nil && version > 5 {
			err = fmt.Errorf("pickle protocol %d is not supported", version)
		}
		return err
	case opFrame: // a hint for reading ahead
		_, err := m.bytes(8)
		return err

	case opMark:
		m.marks = append(m.marks, len(m.stack))
	case opPop:
		if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
			m.marks = m.marks[:n-1]
			return nil
		}
		_, err := m.pop()
		return err
	case opPopMark:
		_, err := m.popMark()
		return err
	case opDup:
		v, err := m.top()
		if err != nil {
			return err
		}
		m.push(v)

	case opNone:
		m.push(nil)
	case opNewTrue:
		m.push(true)
	case opNewFalse:
		m.push(false)
	case opBinInt1:
		return m.pushInt(1)
	case opBinInt2:
		return m.pushInt(2)
	case opBinInt:
		return m.pushInt(4)
	case opLong1:
		return m.pushLong(m.counted(1))
	case opLong4:
		return m.pushLong(m.counted(4))
	case opBinFloat:
		return m.pushFloat()
	case opShortBinUnicode:
		return m.pushUnicode(m.counted(1))
	case opBinUnicode:
		return m.pushUnicode(m.counted(4))
	case opBinUnicode8:
		return m.pushUnicode(m.counted(8))
	case opShortBinString: // what Python 2 wrote; torch reads it as UTF-8
		return m.pushText(m.counted(1))
	case opBinString:
		return m.pushText(m.counted(4))
	case opShortBinBytes:
		return m.pushBytes(m.counted(1))
	case opBinBytes:
		return m.pushBytes(m.counted(4))
	case opBinBytes8, opByteArray8:
		return m.pushBytes(m.counted(8))
	case opInt, opLong, opFloat, opString, opUnicode, opPersID:
		return m.stepText(op)

	case opGet, opBinGet, opLongBinGet, opPut, opBinPut, opLongBinPut, opMemoize:
		return m.stepMemo(op)
	case opGlobal, opStackGlobal, opInst, opObj, opReduce, opNewObj, opNewObjEx, opBuild,
		opExt1, opExt2, opExt4, opBinPersID:
		return m.stepObject(op)
	default:
		return m.stepContainer(op)
	}
	return nil
}

func (m *machine) stepContainer(op byte) error {
	switch op {
	case opEmptyTuple:
		m.push(&Tuple{})
	case opTuple1, opTuple2, opTuple3:
		return m.pushTuple(m.popN(int(op-opTuple1) + 1))
	case opTuple:
		return m.pushTuple(m.popMark())
	case opEmptyList:
		m.push(&List{})
	case opList:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		m.push(&List{slices.Clone(items)})
	case opAppend:
		return m.extend(m.popN(1))
	case opAppends, opAddItems:
		return m.extend(m.popMark())
	case opEmptySet:
		m.push(&Set{})
	case opFrozenSet:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		m.push(&Set{slices.Clone(items)})
	case opEmptyDict:
		m.push(&Dict{})
	case opDict:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		items = slices.Clone(items)
		m.push(&Dict{})
		return m.setItems(items, nil)
	case opSetItem:
		return m.setItems(m.popN(2))
	case opSetItems:
		return m.setItems(m.popMark())
	default:
		return fmt.Errorf("damaged pickle: unknown opcode 0x%02x", op)
	}
	return nil
}

func (m *machine) pushTuple(items []any, err error) error {
	if err != nil {
		return err
	}
	m.push(&Tuple{slices.Clone(items)})
	return nil
}

// extend adds items to the list or set on top of the stack.
func (m *machine) extend(items []any, err error) error {
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *List:
		v.Items = append(v.Items, items...)
	case *Set:
		v.Items = append(v.Items, items...)
	case *Opaque: // a deque
		v.Items = append(v.Items, items...)
	default:
		return fmt.Errorf("damaged pickle: adds items to a %s", typeName(v))
	}
	return nil
}

// setItems puts keys and values, in turns, into the dict on top of the stack.
func (m *machine) setItems(items []any, err error) error {
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	if o, ok := v.(*Opaque); ok { // of a class that is a dict, too
		o.Items = append(o.Items, items...)
		return nil
	}
	d, ok := v.(*Dict)
	if !ok || len(items)%2 != 0 {
		return fmt.Errorf("damaged pickle: sets %s of a %s", plural.Of(len(items), "item"), typeName(v))
	}
	for i := 0; i < len(items); i += 2 {
		if err := d.set(items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// stepMemo keeps a value under a number, or fetches it again.
func (m *machine) stepMemo(op byte) error {
	var n uint64
	var err error
	switch op {
	case opMemoize:
		n = uint64(len(m.memo))
	case opBinGet, opBinPut:
		n, err = m.uint(1)
	case opLongBinGet, opLongBinPut:
		n, err = m.uint(4)
	default:
		n, err = m.decimal()
	}
	if err != nil {
		return err
	}
	switch op {
	case opGet, opBinGet, opLongBinGet:
		v, ok := m.memo[int(n)]
		if !ok {
			return fmt.Errorf("damaged pickle: nothing was kept under number %d", n)
		}
		m.push(v)
		return nil
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	m.memo[int(n)] = v
	return nil
}
