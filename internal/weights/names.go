package weights

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// wrappers are the parts that wrapping a module puts into the names of its
// parameters: DataParallel and DistributedDataParallel, torch.compile, FSDP and
// activation checkpointing.
var wrappers = []string{"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

// canonicalName returns what "<network>.<key>" of a file is called here: without
// the parts that wrappers add, at any depth, and with the older names of a weight
// norm's two parts.
func canonicalName(name string) string {
	if strings.Contains(name, "module.") || strings.Contains(name, "_orig_mod.") {
		parts := strings.Split(name, ".")
		leaf := len(parts) - 1
		kept := parts[:0]
		for i, part := range parts {
			if i == leaf || !slices.Contains(wrappers, part) {
				kept = append(kept, part)
			}
		}
		name = strings.Join(kept, ".")
	}
	const middle = ".parametrizations.weight.original"
	if head, digit, ok := strings.Cut(name, middle); ok {
		switch digit {
		case "0":
			return head + ".weight_g"
		case "1":
			return head + ".weight_v"
		}
	}
	return name
}

// container returns the prefix that the names of the codec's networks have in common,
// "model." for the "model.encoder.…" of a Lightning module: the shortest one of both an
// encoder and a decoder or quantizer; "" where there is none, or several.
func container(names []string) string {
	const encoder = 1
	prefixes := map[string]int{}
	for _, name := range names {
		for at, part := 0, ""; ; at += len(part) + 1 {
			rest := name[at:]
			var more bool
			if part, _, more = strings.Cut(rest, "."); !more {
				break
			}
			switch part {
			case "encoder":
				prefixes[name[:at]] |= encoder
			case "decoder", "quantizer":
				prefixes[name[:at]] |= 2
			default:
				continue
			}
			break // deeper parts are the network's own
		}
	}
	best, several := "", false
	depth := func(prefix string) int { return strings.Count(prefix, ".") }
	found := false
	for prefix, has := range prefixes {
		if has != encoder|2 {
			continue
		}
		switch {
		case !found || depth(prefix) < depth(best):
			best, found, several = prefix, true, false
		case depth(prefix) == depth(best):
			several = true
		}
	}
	if several {
		// Running means of the weights next to them, for example.
		for _, usual := range []string{"model.", "net.", "generator.", "codec."} {
			if prefixes[usual] == encoder|2 && depth(best) == 1 {
				return usual
			}
		}
		return ""
	}
	return best
}

func hasPrefix(names []string, prefix string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, prefix) })
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

// An entry is a tensor under the name that its file gives it.
type entry struct {
	name   string
	tensor *Tensor
}

// enterAll makes the canonical names.
func (f *File) enterAll() error {
	names := make([]string, len(f.entries))
	for i, e := range f.entries {
		names[i] = canonicalName(e.name)
	}
	prefix := container(names)
	if prefix != "" || hasPrefix(names, "encoder.") && hasPrefix(names, "decoder.") {
		f.flat = false // the names begin with networks
	}
	for i, e := range f.entries {
		if err := f.add(strings.TrimPrefix(names[i], prefix), e.name, e.tensor); err != nil {
			return err
		}
	}
	return nil
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
