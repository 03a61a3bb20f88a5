package weights

import (
	"fmt"
	"math/big"
)

// These are the containers of an unpickled tree. They are pointers because a
// pickle fills a container after others already refer to it.
type (
	// Bytes is a Python bytes object. A string type, so that it can be a key.
	Bytes string
	List  struct{ Items []any }
	Tuple struct{ Items []any }
	// Set holds its items as they came, duplicates included.
	Set struct{ Items []any }
	// Dict keeps the order of its entries, as Python does.
	Dict struct {
		Keys, Values []any
		index        map[any]int // key → position; built once the dict is not tiny
	}
	// Opaque is an object of a class that nothing here uses: the class, the arguments
	// it was made with, items that were added as to a list or dict, and its state.
	Opaque struct {
		Class string
		Args  []any
		Items []any
		State any
	}
)

// tinyDict is how many entries are searched one by one.
const tinyDict = 8

// Lookup finds the value of a key.
func (d *Dict) Lookup(key any) (any, bool) {
	if i := d.find(key); i >= 0 {
		return d.Values[i], true
	}
	return nil, false
}

// Len returns the number of entries.
func (d *Dict) Len() int { return len(d.Keys) }

func (d *Dict) find(key any) int {
	if !hashable(key) {
		return -1
	}
	if d.index != nil {
		if i, ok := d.index[key]; ok {
			return i
		}
		return -1
	}
	for i, k := range d.Keys {
		if k == key {
			return i
		}
	}
	return -1
}

// set adds an entry, or replaces the value of a key that is there.
func (d *Dict) set(key, value any) error {
	if !hashable(key) {
		return fmt.Errorf("a %s as key of a dict", typeName(key))
	}
	if i := d.find(key); i >= 0 {
		d.Values[i] = value
		return nil
	}
	d.Keys = append(d.Keys, key)
	d.Values = append(d.Values, value)
	if d.index != nil {
		d.index[key] = len(d.Keys) - 1
	} else if len(d.Keys) > tinyDict {
		d.index = make(map[any]int, 2*len(d.Keys))
		for i, k := range d.Keys {
			d.index[k] = i
		}
	}
	return nil
}

// hashable tells what may be compared with ==: tuples and large integers are,
// by identity, which is enough to keep them.
func hashable(key any) bool {
	switch key.(type) {
	case nil, bool, int64, float64, complex128, string, Bytes, *big.Int, *Tuple, *global, *Opaque:
		return true
	}
	return false
}

// typeName names a value as Python would, for errors.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case complex128:
		return "complex"
	case string:
		return "string"
	case Bytes:
		return "bytes"
	case *List:
		return "list"
	case *Tuple:
		return "tuple"
	case *Set:
		return "set"
	case *Dict:
		return "dict"
	case *Tensor:
		return "tensor"
	case *global:
		return v.name
	case *storageRef:
		return "storage"
	case *Opaque:
		return v.Class
	}
	return fmt.Sprintf("%T", v)
}
