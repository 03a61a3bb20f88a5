package dataset

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// A found file is one with the right ending.
type found struct {
	path    string // below the root, with slashes
	file    string // as the system opens it; "" for an item of a corpus
	open    opener
	size    int64
	modTime int64
}

// A link leads from a path below the root to a file or a folder elsewhere.
type link struct {
	path string // below the root, with slashes
	real string // what it leads to
	dir  bool
}

// A walker lists the files below a folder. Each file and each folder is taken once,
// however many links lead to it: the same speech on both sides of the validation
// split would flatter it, and a loop would never end.
type walker struct {
	root   string
	real   string // root without links
	tell   func(path, reason string)
	ctx    context.Context
	passed map[string]int
	dirs   map[string]bool // by their path without links
	files  map[string]bool
	found  []found
	links  []link
}

// walk lists the files below root that have one of Endings, in order of their
// paths, and counts the others in passed, by extension. Names that begin with a dot are passed over. A folder that cannot be
// read is told and passed over, unless it is root.
func walk(ctx context.Context, root string, tell func(path, reason string), passed map[string]int) ([]found, error) {
	real, err := filepath.EvalSymlinks(root)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return nil, fileerr.Cause(err)
	}
	w := &walker{root: root, real: real, tell: tell, ctx: ctx, passed: passed, dirs: map[string]bool{}, files: map[string]bool{}}
	if err := w.dir(".", real); err != nil {
		return nil, err
	}
	// What lies in the folder itself goes before what links lead to; a folder
	// behind a link may have links in turn.
	for len(w.links) > 0 {
		links := w.links
		w.links = nil
		slices.SortFunc(links, func(a, b link) int { return cmp.Compare(a.path, b.path) })
		for _, l := range links {
			if err := w.follow(l); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(w.found, func(a, b found) int { return cmp.Compare(a.path, b.path) })
	return w.found, nil
}

// dir lists a folder whose path without links is real.
func (w *walker) dir(rel, real string) error {
	if w.dirs[real] {
		return nil
	}
	w.dirs[real] = true
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		if rel == "." {
			return fileerr.Cause(err)
		}
		w.tell(rel, fmt.Sprintf("folder cannot be read: %v", fileerr.Cause(err)))
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		at, below := path.Join(rel, name), filepath.Join(real, name)
		switch {
		case e.IsDir():
			if err := w.dir(at, below); err != nil {
				return err
			}
		case e.Type()&fs.ModeSymlink != 0:
			w.link(at, below)
		case isSpeech(name):
			w.file(at, below)
		default:
			w.passed[strings.ToLower(path.Ext(name))]++
		}
	}
	return nil
}

// link notes a link to a folder, or to a file with one of Endings.
func (w *walker) link(rel, at string) {
	real, err := filepath.EvalSymlinks(at)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(real)
	}
	switch {
	case err != nil:
		if isSpeech(rel) {
			w.tell(rel, fmt.Sprintf("link leads nowhere: %v", fileerr.Cause(err)))
		}
	case info.IsDir():
		if !within(w.real, real) { // a link upwards is a loop
			w.links = append(w.links, link{rel, real, true})
		}
	case isSpeech(rel):
		w.links = append(w.links, link{rel, real, false})
	}
}

func (w *walker) follow(l link) error {
	if l.dir {
		return w.dir(l.path, l.real)
	}
	w.file(l.path, l.real)
	return nil
}

func (w *walker) file(rel, real string) {
	if w.files[real] {
		return
	}
	w.files[real] = true
	info, err := os.Stat(real)
	switch {
	case err != nil:
		w.tell(rel, fileerr.Cause(err).Error())
	case !info.Mode().IsRegular():
		w.tell(rel, "is a pipe or a device")
	default:
		file := filepath.Join(w.root, filepath.FromSlash(rel))
		w.found = append(w.found, found{rel, file, openFile(file), info.Size(), info.ModTime().UnixNano()})
	}
}

// within tells whether path is dir or lies below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func isSpeech(name string) bool {
	return slices.Contains(Endings, strings.ToLower(path.Ext(name)))
}

// printable keeps a message on one line whatever a file is called.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}
