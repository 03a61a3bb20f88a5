package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// JSON returns the config as one line of JSON with every key that has an effect,
// for a checkpoint to carry: what Parse makes of it is Equal.
func (c *Config) JSON() ([]byte, error) {
	var e encoder
	if err := e.section(c, "", c.top()); err != nil {
		return nil, err
	}
	return e.Bytes(), nil
}

// Indented is JSON for people to read and edit: a line for each key.
func (c *Config) Indented() ([]byte, error) {
	e := encoder{lines: true}
	if err := e.section(c, "", c.top()); err != nil {
		return nil, err
	}
	e.WriteByte('\n')
	return e.Bytes(), nil
}

// An encoder writes JSON on one line, or each key on its own.
type encoder struct {
	bytes.Buffer
	lines bool
	depth int
}

// section writes one mapping. Path is "" or ends in a dot.
func (e *encoder) section(c *Config, path string, fields []field) error {
	e.WriteByte('{')
	e.depth++
	sep := ""
	for _, f := range fields {
		if f.noEffect {
			continue
		}
		e.WriteString(sep)
		sep = ","
		e.newline()
		fmt.Fprintf(e, "%q:", f.key)
		if e.lines {
			e.WriteByte(' ')
		}
		if sub := c.sub(f); sub != nil {
			if err := e.section(c, path+f.key+".", sub); err != nil {
				return err
			}
			continue
		}
		if err := e.value(f.value); err != nil {
			return fmt.Errorf("%s%s: %w", path, f.key, err)
		}
	}
	e.depth--
	e.newline()
	e.WriteByte('}')
	return nil
}

// value writes a scalar or a list of numbers.
func (e *encoder) value(v reflect.Value) error {
	if v.Kind() == reflect.Slice && v.IsNil() {
		e.WriteString("[]")
		return nil
	}
	data, err := json.Marshal(v.Interface())
	if err != nil {
		return err
	}
	if e.lines && (v.Kind() == reflect.Slice || v.Kind() == reflect.Array) {
		data = bytes.ReplaceAll(data, []byte(","), []byte(", "))
	}
	e.Write(data)
	return nil
}

func (e *encoder) newline() {
	if e.lines {
		e.WriteByte('\n')
		e.WriteString(strings.Repeat("  ", e.depth))
	}
}
