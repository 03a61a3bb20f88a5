package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// pickle describes the tensors, of which array i lies in storage i.
func (l Layout) pickle(arrays []Array) (string, error) {
	p := &pickler{memo: map[string]int{}}
	p.op(opProto, 2, opEmptyDict, opMark)
	if l.Bare {
		p.stateDict(arrays)
		p.op(opSetItems, opStop)
		return p.String(), nil
	}
	p.text("net")
	p.op(opEmptyDict, opMark)
	if l.Flat {
		p.stateDict(arrays)
	} else if err := p.networks(arrays); err != nil {
		return "", err
	}
	p.op(opSetItems)
	values := map[string]any{"iters": 0, "epoch": 0}
	maps.Copy(values, l.Values)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if key == "net" {
			return "", errors.New(`a value may not be called "net"`)
		}
		p.text(key)
		if err := p.value(values[key]); err != nil {
			return "", fmt.Errorf("%s: %w", key, err)
		}
	}
	p.op(opSetItems, opStop)
	return p.String(), nil
}

// stateDict writes the tensors under their names.
func (p *pickler) stateDict(arrays []Array) {
	for i, a := range arrays {
		p.text(a.Name)
		p.tensor(i, a)
	}
}

// networks writes one dict for each network, in the order of their first
// tensors.
func (p *pickler) networks(arrays []Array) error {
	var order []string
	members := map[string][]int{}
	for i, a := range arrays {
		network, key, ok := strings.Cut(a.Name, ".")
		if !ok || network == "" || key == "" {
			return fmt.Errorf("%s: the name has no network in front", a.Name)
		}
		if members[network] == nil {
			order = append(order, network)
		}
		members[network] = append(members[network], i)
	}
	for _, network := range order {
		p.text(network)
		p.op(opEmptyDict, opMark)
		for _, i := range members[network] {
			p.text(arrays[i].Name[len(network)+1:])
			p.tensor(i, arrays[i])
		}
		p.op(opSetItems)
	}
	return nil
}

// tensor writes the call that makes a tensor of storage i:
// _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks).
func (p *pickler) tensor(i int, a Array) {
	strides := make([]int, len(a.Shape))
	n := 1
	for d := len(a.Shape) - 1; d >= 0; d-- {
		strides[d] = max(n, 1)
		n *= a.Shape[d]
	}
	p.global("torch._utils._rebuild_tensor_v2")
	p.op(opMark)
	p.op(opMark)
	p.text("storage")
	p.global("torch." + dtypes[a.DType].storage)
	p.text(strconv.Itoa(i))
	p.text("cpu")
	p.int(int64(n))
	p.op(opTuple, opBinPersID)
	p.int(0)
	p.ints(a.Shape)
	p.ints(strides)
	p.op(opNewFalse)
	p.global("collections.OrderedDict")
	p.op(opEmptyTuple, opReduce, opTuple, opReduce)
}

func (p *pickler) value(v any) error {
	switch v := v.(type) {
	case nil:
		p.op(opNone)
	case bool:
		if v {
			p.op(opNewTrue)
		} else {
			p.op(opNewFalse)
		}
	case int:
		p.int(int64(v))
	case int64:
		p.int(v)
	case float64:
		p.op(opBinFloat)
		p.Write(binary.BigEndian.AppendUint64(nil, math.Float64bits(v)))
	case string:
		p.text(v)
	default:
		return fmt.Errorf("writing a %T is not supported", v)
	}
	return nil
}

// A pickler writes protocol 2.
type pickler struct {
	strings.Builder
	memo map[string]int // of what is named again and again
}

func (p *pickler) op(b ...byte) { p.Write(b) }

func (p *pickler) uint32(op byte, n int) { p.op(op, byte(n), byte(n>>8), byte(n>>16), byte(n>>24)) }

func (p *pickler) text(s string) {
	p.uint32(opBinUnicode, len(s))
	p.WriteString(s)
}

func (p *pickler) int(n int64) {
	if int64(int32(n)) == n {
		p.uint32(opBinInt, int(n))
		return
	}
	p.op(opLong1, 8)
	for i := range 8 {
		p.op(byte(n >> (8 * i)))
	}
}

func (p *pickler) global(name string) {
	if n, ok := p.memo[name]; ok {
		p.op(opBinGet, byte(n))
		return
	}
	dot := strings.LastIndexByte(name, '.')
	p.op(opGlobal)
	p.WriteString(name[:dot] + "\n" + name[dot+1:] + "\n")
	n := len(p.memo)
	p.memo[name] = n
	p.op(opBinPut, byte(n))
}

func (p *pickler) ints(values []int) {
	p.op(opMark)
	for _, v := range values {
		p.int(int64(v))
	}
	p.op(opTuple)
}
