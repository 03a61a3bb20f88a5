package weights

import (
	"fmt"
	"strconv"
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

// plain returns text of a file as it can stand in an error: on one line, and
// not too long.
func plain(s string) string {
	const most = 120
	odd := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || !strconv.IsPrint(r) })
	if odd || len(s) > most || s == "" {
		return strconv.Quote(s[:min(len(s), most)])
	}
	return s
}

// add enters a tensor under its canonical name. original is what the file calls
// it, for the message when two are called the same.
func (f *File) add(name, original string, t *Tensor) error {
	if _, ok := f.tensors[name]; ok {
		return fmt.Errorf("%s and %s are both %s", plain(f.originals[name]), plain(original), plain(name))
	}
	named := *t
	named.Name = name
	f.tensors[name] = &named
	f.originals[name] = original
	return nil
}
