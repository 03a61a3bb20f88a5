package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// A decoder fills a Config from a file's tree.
type decoder struct{ c *Config }

// section fills the fields of one mapping, in the order of the file. Path is ""
// or ends in a dot.
func (d *decoder) section(path string, n *node, fields []field) error {
	byKey := make(map[string]field, len(fields))
	for _, f := range fields {
		byKey[f.key] = f
	}
	for _, e := range n.keys {
		f, ok := byKey[e.key]
		e.key = shorten(e.key) // of those that are not ours
		var err error
		switch {
		case ok && f.noEffect:
			d.c.unused = append(d.c.unused, path+e.key)
		case ok:
			err = d.value(path+e.key, e.value, f)
		default:
			err = d.other(path+e.key, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// other takes a key that has no field: one that nothing uses, a section of such,
// or one that nobody knows.
func (d *decoder) other(path string, e mapEntry) error {
	if unusedKeys[path] != "" {
		d.c.unused = append(d.c.unused, path)
		return nil
	}
	if strict(path) {
		return &keyError{key: path, problem: "unknown key; " + d.c.suggest(path)}
	}
	if e.value.kind == mapping && len(e.value.keys) > 0 {
		return d.section(path+".", e.value, nil)
	}
	d.c.unused = append(d.c.unused, path)
	d.c.unknown = append(d.c.unknown, unknownKey{path, e.line})
	return nil
}

// value fills one field.
func (d *decoder) value(path string, n *node, f field) error {
	if n.isNull() && f.value.Kind() != reflect.String {
		return &keyError{path, n.String(), "is no value; want " + want(f) + ", or leave the key out"}
	}
	if f.value.Kind() == reflect.Struct {
		if n.kind != mapping {
			return &keyError{path, n.String(), "is not supported; want " + want(f)}
		}
		return d.section(path+".", n, d.c.sub(f))
	}
	if f.value.Kind() == reflect.Slice || f.value.Kind() == reflect.Array {
		return d.list(path, n, f)
	}
	if !setScalar(f.value, n) {
		return &keyError{path, n.String(), "is not supported; want " + want(f)}
	}
	return nil
}

func (d *decoder) list(path string, n *node, f field) error {
	if n.kind != list || f.value.Kind() == reflect.Array && len(n.items) != f.value.Len() {
		return &keyError{path, n.String(), "is not supported; want " + want(f)}
	}
	out := f.value
	if f.value.Kind() == reflect.Slice {
		if len(n.items) > f.lenMax { // before anything is allocated for it
			return &keyError{path, fmt.Sprintf("of %s", plural.Of(len(n.items), "number")), "is not supported; want " + want(f)}
		}
		out = reflect.MakeSlice(f.value.Type(), len(n.items), len(n.items))
	}
	for i, item := range n.items {
		if !setScalar(out.Index(i), item) {
			return &keyError{fmt.Sprintf("%s[%d]", path, i), item.String(), "is not supported; want " + wantElement(f, out.Index(i).Kind())}
		}
	}
	f.value.Set(out)
	return nil
}

// setScalar reads a scalar as the field's type, and says whether it is one.
func setScalar(v reflect.Value, n *node) bool {
	if n.kind != scalar {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		_, isBool := n.asBool()
		_, isNumber := n.asFloat()
		if !n.quoted && (isBool || isNumber) {
			return false
		}
		if n.isNull() {
			v.SetString("")
			return true
		}
		v.SetString(n.text)
		return true
	case reflect.Bool:
		b, ok := n.asBool()
		v.SetBool(b)
		return ok
	case reflect.Int:
		i, ok := n.asInt()
		v.SetInt(int64(i))
		return ok
	case reflect.Float64:
		x, ok := n.asFloat()
		v.SetFloat(x)
		return ok
	}
	panic("config: no rule for a field of type " + v.Type().String())
}

// asFloat reads a decimal number. "1e-4" is one, though upstream's YAML
// reader (and the Go one) takes it for text.
func (n *node) asFloat() (float64, bool) {
	if n.kind != scalar || n.quoted || n.text == "" || strings.Trim(n.text, "+-.0123456789eE") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(n.text, 64)
	return x, err == nil
}

// asInt reads a whole number; 24000.0 and 1e3 are, 2.5 is not.
func (n *node) asInt() (int, bool) {
	x, ok := n.asFloat()
	if !ok || x != math.Trunc(x) || math.Abs(x) > math.MaxInt32 {
		return 0, false
	}
	// YAML 1.1 reads 010 as eight, others as ten: neither is meant, likely.
	digits := strings.TrimLeft(n.text, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return 0, false
	}
	return int(x), true
}

// want says what a field's value should be, as the end of an error message.
func want(f field) string {
	switch f.value.Kind() {
	case reflect.Struct:
		return "a section of keys"
	case reflect.Slice:
		count := fmt.Sprintf("%d to %d", f.lenMin, f.lenMax)
		if f.lenMin == f.lenMax {
			count = strconv.Itoa(f.lenMin)
		}
		return fmt.Sprintf("a list of %s whole numbers from %d to %d", count, f.min, f.max)
	case reflect.Array:
		return fmt.Sprintf("a list of %s%s", plural.Of(f.value.Len(), "number"), f.floats())
	}
	return wantElement(f, f.value.Kind())
}

func wantElement(f field, kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "text; put it in quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return fmt.Sprintf("a whole number from %d to %d", f.min, f.max)
	}
	return "a number" + f.floats()
}
