package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// JSON returns the config as one line of JSON with every key that has an effect,
// for a checkpoint to carry: what Parse makes of it is Equal.
func (c *Config) JSON() ([]byte, error) {
	var b bytes.Buffer
	if err := c.encode(&b, "", c.top()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Indented is JSON for people to read and edit.
func (c *Config) Indented() ([]byte, error) {
	data, err := c.JSON()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func (c *Config) encode(b *bytes.Buffer, path string, fields []field) error {
	sep := byte('{')
	for _, f := range fields {
		if f.noEffect {
			continue
		}
		b.WriteByte(sep)
		sep = ','
		fmt.Fprintf(b, "%q:", f.key)
		if sub := c.sub(f); sub != nil {
			if err := c.encode(b, path+f.key+".", sub); err != nil {
				return err
			}
			continue
		}
		if f.value.Kind() == reflect.Slice && f.value.IsNil() {
			b.WriteString("[]")
			continue
		}
		data, err := json.Marshal(f.value.Interface())
		if err != nil {
			return fmt.Errorf("%s%s: %w", path, f.key, err)
		}
		b.Write(data)
	}
	b.WriteByte('}')
	return nil
}
