package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML reads one YAML document of mappings, lists and scalars. Anchors,
// aliases, tags and merge keys, which let a small file stand for a huge one, are
// errors: no experiment has them.
func parseYAML(data []byte) (root *node, err error) {
	// The library has panicked on odd input before.
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, &syntaxError{0, "not valid YAML"}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	// Duplicate keys: our own rule says so in one line, for JSON as well.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlError(err)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			return nil, &syntaxError{lineOf(doc.Body), "a second YAML document; keep one"}
		}
		if root, err = buildYAML(doc.Body, 0); err != nil {
			return nil, err
		}
	}
	if root == nil {
		return nil, &syntaxError{0, "is empty"}
	}
	return root, nil
}

// checkTokens refuses, before the recursive parser sees them, what we do not
// support and what nests deeply.
func checkTokens(tokens token.Tokens) error {
	depth, sameLine, line, keys := 0, 0, 0, 0
	for _, tk := range tokens {
		what := ""
		switch tk.Type {
		case token.AnchorType, token.AliasType:
			what = "anchors and aliases"
		case token.TagType:
			what = "tags"
		case token.MergeKeyType:
			what = "merge keys"
		case token.MappingKeyType:
			what = "complex keys"
		case token.DirectiveType:
			what = "directives"
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingValueType:
			// "- - - -" nests within a line; indentation needs a wide line, too.
			if tk.Position.Line != line {
				line, sameLine = tk.Position.Line, 0
			}
			if depth == 0 {
				sameLine++
			}
		}
		if tk.Type == token.MappingValueType {
			keys++
		}
		if keys > maxKeys {
			return &syntaxError{tk.Position.Line, "more keys than any experiment has"}
		}
		if what != "" {
			return &syntaxError{tk.Position.Line, fmt.Sprintf("YAML %s are not supported (%q); write the value out", what, shorten(tk.Value))}
		}
		if depth > maxDepth || sameLine > maxDepth || tk.Position.IndentNum > 20*maxDepth {
			return &syntaxError{tk.Position.Line, "nested deeper than any experiment is"}
		}
	}
	return nil
}

// yamlError keeps the start of the first line of the library's message, which otherwise goes
// on with a picture of the source.
func yamlError(err error) error {
	var yerr yaml.Error
	if errors.As(err, &yerr) {
		line := 0
		if tk := yerr.GetToken(); tk != nil && tk.Position != nil {
			line = tk.Position.Line
		}
		return &syntaxError{line, "not valid YAML: " + firstLine(yerr.GetMessage())}
	}
	return &syntaxError{0, "not valid YAML: " + firstLine(err.Error())}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return shortenTo(s, 120)
}

func lineOf(n ast.Node) int {
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return tk.Position.Line
	}
	return 0
}

func buildYAML(v ast.Node, depth int) (*node, error) {
	n := &node{line: lineOf(v)}
	if depth > maxDepth {
		return nil, &syntaxError{n.line, "nested deeper than any experiment is"}
	}
	switch v := v.(type) {
	case *ast.MappingNode:
		n.kind = mapping
		for _, m := range v.Values {
			if err := addYAML(n, m, depth); err != nil {
				return nil, err
			}
		}
	case *ast.MappingValueNode: // a mapping of one key
		n.kind = mapping
		return n, addYAML(n, v, depth)
	case *ast.SequenceNode:
		n.kind = list
		for _, item := range v.Values {
			sub, err := buildYAML(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, sub)
		}
	case *ast.StringNode:
		n.text = v.Value
		n.quoted = v.Token.Type == token.SingleQuoteType || v.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode: // | and >
		n.text, n.quoted = v.Value.Value, true
	case *ast.NullNode:
	case ast.ScalarNode:
		// The library's idea of a number is not upstream's: keep the text,
		// and let the key's type decide what it means.
		n.text = v.GetToken().Value
	default:
		return nil, &syntaxError{n.line, fmt.Sprintf("YAML %s is not supported", v.Type())}
	}
	return n, nil
}

func addYAML(n *node, m *ast.MappingValueNode, depth int) error {
	key, ok := m.Key.(ast.ScalarNode)
	if !ok {
		return &syntaxError{lineOf(m.Key), "a key is not a name"}
	}
	value, err := buildYAML(m.Value, depth+1)
	if err != nil {
		return err
	}
	return n.addKey(key.GetToken().Value, lineOf(m.Key), value)
}
