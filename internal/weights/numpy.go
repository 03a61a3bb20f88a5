package weights

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/facodec-go/facodec/internal/float16"
)

// Losses and learning rates that a training script kept as NumPy scalars stand
// in checkpoints as a type and a few bytes.

type numpyType struct {
	kind byte // f, i, u or b
	size int
	big  bool
}

func makeNumpyType(m *machine, args []any) (any, error) {
	if len(args) == 0 {
		return nil, errArguments
	}
	switch name, _ := args[0].(string); name {
	case "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1":
		return &numpyType{kind: name[0], size: int(name[1] - '0')}, nil
	default:
		return nil, fmt.Errorf("NumPy type %.20q is not supported", name)
	}
}

// setState takes the byte order: (3, "<", …).
func (t *numpyType) setState(state any) error {
	if s, ok := state.(*Tuple); ok && len(s.Items) >= 2 {
		switch s.Items[1] {
		case "<", "|", "=":
			t.big = false
			return nil
		case ">":
			t.big = true
			return nil
		}
	}
	return fmt.Errorf("damaged pickle: the byte order of a NumPy type")
}

func makeNumpyScalar(m *machine, args []any) (any, error) {
	if len(args) != 2 {
		return nil, errArguments
	}
	t, ok := args[0].(*numpyType)
	raw, ok2 := args[1].(Bytes)
	if !ok || !ok2 || len(raw) != t.size {
		return nil, errArguments
	}
	var wide [8]byte
	for i := range t.size {
		if t.big {
			wide[t.size-1-i] = raw[i]
		} else {
			wide[i] = raw[i]
		}
	}
	bits := binary.LittleEndian.Uint64(wide[:])
	switch t.kind {
	case 'b':
		return bits != 0, nil
	case 'u':
		if bits > math.MaxInt64 {
			return float64(bits), nil
		}
		return int64(bits), nil
	case 'i':
		shift := 64 - 8*t.size
		return int64(bits<<shift) >> shift, nil
	}
	switch t.size {
	case 2:
		return float64(float16.ToFloat32(uint16(bits))), nil
	case 4:
		return float64(math.Float32frombits(uint32(bits))), nil
	}
	return math.Float64frombits(bits), nil
}
