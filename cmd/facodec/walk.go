package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// A walker finds the files of a kind below a folder. Hidden ones are left alone. Links
// are followed, and each folder is taken once, however many links lead to it: a loop
// would never end. What lies in the folder itself goes before what links lead to.
type walker struct {
	kind   sourceKind
	root   string
	skip   fs.FileInfo // a folder that is passed over; nil for none
	passed passedOver
	fail   func(path string, err error)

	found  []source
	failed bool
	links  []string        // to folders, below root
	seen   map[string]bool // folders, by their path without links
}

func (w *walker) walk() {
	w.seen = map[string]bool{}
	w.folder(".")
	for len(w.links) > 0 { // what a link leads to may have links in turn
		links := w.links
		w.links = nil
		slices.Sort(links)
		for _, dir := range links {
			w.folder(dir)
		}
	}
	slices.SortFunc(w.found, func(a, b source) int {
		return slices.Compare(strings.Split(a.relative(), "/"), strings.Split(b.relative(), "/"))
	})
}

func (w *walker) failure(path string, err error) {
	w.failed = true
	w.fail(path, fileerr.In(path, err))
}

// folder takes the files of root/dir and of the folders below.
func (w *walker) folder(dir string) {
	folder := filepath.Join(w.root, dir)
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		w.failure(folder, err)
		return
	}
	if real, err = filepath.Abs(real); err != nil || w.seen[real] {
		return
	}
	w.seen[real] = true
	entries, err := os.ReadDir(folder)
	if err != nil {
		w.failure(folder, err)
		return
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		path := filepath.Join(folder, entry.Name())
		wanted := slices.Contains(w.kind.extensions, strings.ToLower(filepath.Ext(path)))
		info, err := os.Stat(path) // of what a link leads to
		switch {
		case err != nil && wanted:
			w.failure(path, err)
		case err != nil:
			w.passed.add(path)
		case info.IsDir() && w.skip != nil && os.SameFile(info, w.skip):
		case info.IsDir() && entry.Type()&fs.ModeSymlink != 0:
			if !w.above(path) {
				w.links = append(w.links, filepath.Join(dir, entry.Name()))
			}
		case info.IsDir():
			w.folder(filepath.Join(dir, entry.Name()))
		case wanted && info.Mode().IsRegular() && (w.kind.other == nil || !w.kind.other(path)):
			w.found = append(w.found, source{path: path, dir: dir})
		default:
			w.passed.add(path)
		}
	}
}

// above says whether a link leads to the folder itself or to one that it lies in, which
// holds more than was named.
func (w *walker) above(link string) bool {
	real, err := filepath.EvalSymlinks(link)
	root, rootErr := filepath.EvalSymlinks(w.root)
	if err != nil || rootErr != nil {
		return false
	}
	real, err = filepath.Abs(real)
	root, rootErr = filepath.Abs(root)
	if err != nil || rootErr != nil {
		return false
	}
	below, err := filepath.Rel(real, root)
	return err == nil && filepath.IsLocal(below)
}
