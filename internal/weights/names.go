package weights

import (
	"fmt"
	"strings"
)

// canonicalKey returns what a key of a network's state dict is called here:
// without the "module." that distributed training puts in front, and with the
// older names of a weight norm's two parts.
func canonicalKey(key string) string {
	key = strings.TrimPrefix(key, "module.")
	const middle = ".parametrizations.weight.original"
	if head, digit, ok := strings.Cut(key, middle); ok {
		switch digit {
		case "0":
			return head + ".weight_g"
		case "1":
			return head + ".weight_v"
		}
	}
	return key
}

// canonicalName does the same to a whole name, "<network>.<key>", as flat files
// hold it.
func canonicalName(name string) string {
	network, key, ok := strings.Cut(name, ".")
	if !ok || network == "module" {
		return canonicalKey(name)
	}
	return network + "." + canonicalKey(key)
}

// add enters a tensor under its canonical name. original is what the file calls
// it, for the message when two are called the same.
func (f *File) add(name, original string, t *Tensor) error {
	if _, ok := f.tensors[name]; ok {
		return fmt.Errorf("%s and %s are both %s", f.originals[name], original, name)
	}
	named := *t
	named.Name = name
	f.tensors[name] = &named
	f.originals[name] = original
	return nil
}
