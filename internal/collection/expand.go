package collection

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Kind is how a collection is kept.
type Kind int

const (
	None    Kind = iota // no collection: a file of sound, or a folder
	Tar                 // a WebDataset shard
	Parquet             // a table with a column of sound
	Lhotse              // a manifest of recordings or cuts
	Kaldi               // wav.scp
	List                // a path in each line, named with an @ before it
)

// KindOf tells by its name what a path is. Collections that cannot be read, and
// addresses and commands in the place of files, are errors that say what to do; they
// do not name the path.
func KindOf(path string) (Kind, error) {
	if strings.HasPrefix(path, "@") {
		return List, nil
	}
	if strings.HasPrefix(path, "pipe:") {
		return None, errors.New("is a command, and none is run; write its output to a file")
	}
	if scheme, _, ok := strings.Cut(path, "://"); ok && !strings.ContainsAny(scheme, `/\.`) {
		return None, errors.New("is an address; download it first")
	}
	name := strings.ToLower(filepath.Base(path))
	for _, ending := range []string{".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"} {
		if strings.HasSuffix(name, ending) {
			return None, errors.New("is a compressed archive, in which no item can be found without reading all before it; decompress it to a .tar")
		}
	}
	switch {
	case strings.HasSuffix(name, ".tar"):
		return Tar, nil
	case strings.HasSuffix(name, ".parquet"):
		return Parquet, nil
	case strings.HasSuffix(name, ".jsonl"), strings.HasSuffix(name, ".jsonl.gz"):
		return Lhotse, nil
	case strings.HasSuffix(name, ".scp"):
		return Kaldi, nil
	}
	return None, nil
}

// maxExpanded is how many paths a name may stand for.
const maxExpanded = 1_000_000

// Expand returns the paths that a name stands for: brace ranges and alternatives
// (shard-{000000..000999}.tar, {train,dev}.tar), and patterns as of
// path/filepath.Match, in order. A file of that very name comes first. A range
// names its files whether they are there or not; a pattern that matches nothing is
// an error.
func Expand(name string) ([]string, error) {
	if strings.HasPrefix(name, "@") || !strings.ContainsAny(name, "{*?[") {
		return []string{name}, nil
	}
	if _, err := os.Lstat(name); err == nil {
		return []string{name}, nil
	}
	braced, err := braces(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var paths []string
	for _, p := range braced {
		if !strings.ContainsAny(p, "*?[") {
			paths = append(paths, p)
			continue
		}
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("%s: is not a pattern: %w", name, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: no file matches: %w", p, fs.ErrNotExist)
		}
		slices.Sort(found)
		paths = append(paths, found...)
	}
	return paths, nil
}

// braces expands the first {…} of a name and, for each of its alternatives, the rest.
// Braces without .. or , in them stand for themselves, as in shells.
func braces(name string) ([]string, error) {
	for from := 0; ; {
		open := strings.IndexByte(name[from:], '{')
		if open < 0 {
			return []string{name}, nil
		}
		open += from
		length := closing(name[open:])
		if length < 0 {
			return nil, errors.New("a { has no }")
		}
		inner := name[open+1 : open+length]
		middles, err := alternatives(inner)
		if err != nil {
			return nil, err
		}
		if middles == nil {
			from = open + 1
			continue
		}
		rests, err := braces(name[open+length+1:])
		if err != nil {
			return nil, err
		}
		var all []string
		for _, m := range middles {
			heads, err := braces(m)
			if err != nil {
				return nil, err
			}
			if len(all)+len(heads)*len(rests) > maxExpanded {
				return nil, fmt.Errorf("stands for more than %d files", maxExpanded)
			}
			for _, h := range heads {
				for _, r := range rests {
					all = append(all, name[:open]+h+r)
				}
			}
		}
		return all, nil
	}
}

// closing returns where the brace that text begins with is closed, or -1.
func closing(text string) int {
	depth := 0
	for i, c := range []byte(text) {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// alternatives returns what a brace's inside stands for, nil for itself.
func alternatives(inner string) ([]string, error) {
	if first, last, ok := strings.Cut(inner, ".."); ok && isNumber(first) && isNumber(last) {
		a, err := strconv.Atoi(first)
		b, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil || max(a, b)-min(a, b) >= maxExpanded {
			return nil, fmt.Errorf("{%s} stands for more than %d files", inner, maxExpanded)
		}
		width := 0
		if first[0] == '0' || last[0] == '0' {
			width = max(len(first), len(last))
		}
		step := 1
		if b < a {
			step = -1
		}
		var list []string
		for i := a; ; i += step {
			list = append(list, fmt.Sprintf("%0*d", width, i))
			if i == b {
				return list, nil
			}
		}
	}
	var list []string
	depth, from := 0, 0
	for i, c := range []byte(inner) {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ',' && depth == 0:
			list = append(list, inner[from:i])
			from = i + 1
		}
	}
	if list == nil {
		return nil, nil
	}
	return append(list, inner[from:]), nil
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
