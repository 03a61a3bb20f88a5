package config

import (
	"fmt"
	"strings"
)

// Both syntaxes become one tree, so that every rule about keys, types and
// values is written once.

type kind uint8

const (
	scalar kind = iota
	list
	mapping
)

// A node is one value of the file.
type node struct {
	kind kind
	line int

	text   string // of a scalar
	quoted bool   // the scalar is a string, whatever it looks like
	items  []*node
	keys   []mapEntry
}

// A mapEntry is one key of a mapping, in the order of the file.
type mapEntry struct {
	key   string
	line  int
	value *node
}

// The file is untrusted: an experiment takes 2 KiB and nests 3 deep.
const (
	maxFile  = 64 << 10
	maxDepth = 16
	// maxOpen bounds brackets in the whole file, so that third-party parsers
	// cannot be sent into deep recursion before the depth is known.
	maxOpen = 2000
	// maxKeys bounds what takes time in the square of the keys, there and here.
	maxKeys = 1000
)

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.keys {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// lineOf follows a dotted path as far as it leads and returns the line there, 0 for
// a path that is not in the file at all.
func (n *node) lineOf(path string) int {
	line := 0
	for _, part := range strings.Split(path, ".") {
		found := false
		for _, e := range n.keys {
			if e.key == part {
				line, n, found = e.line, e.value, true
				break
			}
		}
		if !found {
			return line
		}
	}
	return line
}

// String shows a value as an error message does: short, on one line.
func (n *node) String() string {
	switch n.kind {
	case list:
		return "a list"
	case mapping:
		return "a mapping"
	}
	if n.quoted {
		return fmt.Sprintf("%q", shorten(n.text))
	}
	if n.isNull() {
		return "empty"
	}
	for _, r := range n.text {
		if r < ' ' || r > '~' {
			return fmt.Sprintf("%q", shorten(n.text))
		}
	}
	return shorten(n.text)
}

func shorten(s string) string { return shortenTo(s, 40) }

func shortenTo(s string, limit int) string {
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	return string(r[:limit]) + "…"
}

func (n *node) isNull() bool {
	if n.kind != scalar || n.quoted {
		return false
	}
	switch n.text {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// asBool reads the spellings of JSON and of YAML 1.1, which is what
// upstream's reader takes.
func (n *node) asBool() (v, ok bool) {
	if n.kind != scalar || n.quoted {
		return false, false
	}
	switch n.text {
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

// A syntaxError is a fault of the file's form at a line, 0 if that is not known.
type syntaxError struct {
	line int
	msg  string
}

func (e *syntaxError) Error() string { return e.msg }

// addKey adds a key to a mapping: once.
func (n *node) addKey(key string, line int, value *node) error {
	for _, e := range n.keys {
		if e.key == key {
			where := ""
			if e.line != line {
				where = fmt.Sprintf(" (first on line %d)", e.line)
			}
			return &syntaxError{line, fmt.Sprintf("key %q is there twice%s; keep one", shorten(key), where)}
		}
	}
	n.keys = append(n.keys, mapEntry{key, line, value})
	return nil
}
