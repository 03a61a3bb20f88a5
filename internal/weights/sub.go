package weights

import "strings"

// Below returns the part of src whose names begin with prefix and a dot, under
// names without them.
func Below(src Source, prefix string) Source { return below{src, prefix + "."} }

type below struct {
	src    Source
	prefix string
}

func (b below) Names() []string {
	var names []string
	for _, name := range b.src.Names() {
		if rest, ok := strings.CutPrefix(name, b.prefix); ok {
			names = append(names, rest)
		}
	}
	return names
}

func (b below) Lookup(name string) (*Tensor, bool) { return b.src.Lookup(b.prefix + name) }
