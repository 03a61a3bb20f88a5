package config

import (
	"bytes"
	"errors"
	"strings"

	"github.com/tailscale/hujson"
)

// looksJSON says whether a file is JSON, with comments before it perhaps; what
// is not is YAML.
func looksJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return bytes.HasPrefix(data, []byte("{")) || bytes.HasPrefix(data, []byte("[")) ||
		bytes.HasPrefix(data, []byte("//")) || bytes.HasPrefix(data, []byte("/*"))
}

// parseJSON reads JSON with comments and trailing commas.
func parseJSON(data []byte) (*node, error) {
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > maxOpen {
		return nil, &syntaxError{0, "more brackets than any experiment has"}
	}
	// The parser's own message shows its position as text; ours stands in front.
	v, err := hujson.Parse(data)
	if err != nil {
		return nil, jsonError(err)
	}
	b := jsonBuilder{data: data, line: 1}
	return b.build(&v, 0)
}

func jsonError(err error) error {
	msg := err.Error()
	line := 0
	if rest, ok := strings.CutPrefix(msg, "hujson: line "); ok {
		for len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
			line = line*10 + int(rest[0]-'0')
			rest = rest[1:]
		}
		msg = strings.TrimPrefix(rest, ", ")
	}
	return &syntaxError{line, "not valid JSON: " + shortenTo(msg, 120)}
}

// A jsonBuilder turns hujson's tree, in file order, into ours.
type jsonBuilder struct {
	data      []byte
	pos, line int // the line of data[pos]; only moves on
	keys      int
}

func (b *jsonBuilder) lineAt(offset int) int {
	if offset > b.pos {
		b.line += bytes.Count(b.data[b.pos:offset], []byte("\n"))
		b.pos = offset
	}
	return b.line
}

func (b *jsonBuilder) build(v *hujson.Value, depth int) (*node, error) {
	n := &node{line: b.lineAt(v.StartOffset)}
	if depth > maxDepth {
		return nil, &syntaxError{n.line, "nested deeper than any experiment is"}
	}
	switch val := v.Value.(type) {
	case *hujson.Object:
		n.kind = mapping
		for i := range val.Members {
			m := &val.Members[i]
			key, ok := m.Name.Value.(hujson.Literal)
			if !ok {
				return nil, errors.New("a key is not a string")
			}
			line := b.lineAt(m.Name.StartOffset)
			if b.keys++; b.keys > maxKeys {
				return nil, &syntaxError{line, "more keys than any experiment has"}
			}
			item, err := b.build(&m.Value, depth+1)
			if err != nil {
				return nil, err
			}
			if err := n.addKey(key.String(), line, item); err != nil {
				return nil, err
			}
		}
	case *hujson.Array:
		n.kind = list
		for i := range val.Elements {
			item, err := b.build(&val.Elements[i], depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
	case hujson.Literal:
		n.text, n.quoted = val.String(), val.Kind() == '"'
	}
	return n, nil
}
