package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/collection"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// A source is an audio file to work on.
type source struct {
	path string
	dir  string // of the file below the folder that was named; "." for a file

	corpus bool             // named by a list, a shard or a manifest
	item   *collection.Item // that path names, where it is no file of its own
}

// name is what outputs are called after.
func (s source) name() string {
	if s.item != nil {
		return path.Base(s.item.Key)
	}
	return nameOf(s.path)
}

// relative is the path below the folder that was named, with slashes on every
// system: the same wherever the folder lies.
func (s source) relative() string {
	if s.item != nil {
		return s.item.Key
	}
	return filepath.ToSlash(filepath.Join(s.dir, filepath.Base(s.path)))
}

// nameOf returns a file's name without its ending.
func nameOf(path string) string {
	base := filepath.Base(path)
	if name := strings.TrimSuffix(base, filepath.Ext(base)); name != "" {
		return name
	}
	return base
}

// A sourceKind is what a command works on.
type sourceKind struct {
	what       string   // "audio"
	extensions []string // of the files that are taken from a folder
	// other says that a file of a folder is none of the kind, whatever its extension; nil for none.
	other func(path string) bool
	once  bool // sources are read once, so that they may be pipes

	corpora bool            // shards and manifests are read, too, by set
	set     *collection.Set // nil for lists of files alone
	ctx     context.Context // while they are read; nil for none
}

var audioFiles = sourceKind{what: "audio", extensions: audio.Extensions()}

// passedOver counts the files of folders that are not of the kind, by extension, "" for
// those without one. A nil one counts nothing.
type passedOver map[string]int

func (p passedOver) add(path string) { p[strings.ToLower(filepath.Ext(path))]++ }

func (p passedOver) addAll(other passedOver) {
	if p != nil {
		for extension, n := range other {
			p[extension] += n
		}
	}
}

// String is "3 passed over (2 .txt, 1 without extension)", the most frequent first.
func (p passedOver) String() string {
	total := 0
	var parts []string
	byCount := slices.SortedFunc(maps.Keys(p), func(a, b string) int { return cmp.Or(p[b]-p[a], strings.Compare(a, b)) })
	for i, extension := range byCount {
		total += p[extension]
		switch {
		case i == 5:
			parts = append(parts, plural.Of(len(byCount)-5, "other extension"))
		case i > 5:
		case extension == "":
			parts = append(parts, fmt.Sprintf("%d without extension", p[extension]))
		default:
			parts = append(parts, fmt.Sprintf("%d %s", p[extension], extension))
		}
	}
	return fmt.Sprintf("%d passed over (%s)", total, strings.Join(parts, ", "))
}

// findSources lists the audio files that args name, see find.
func findSources(args []string, skip string, fail func(path string, err error)) []source {
	return audioFiles.find(args, skip, nil, fail)
}

// find lists the files that args name: files, and those of folders that are of
// the kind; names with braces and patterns stand for several, and @list for the paths in
// a file. What cannot be used goes to fail, and the rest goes on. A folder that
// is skip is passed over: outputs of an earlier run are no sources.
func (k sourceKind) find(args []string, skip string, passed passedOver, fail func(path string, err error)) []source {
	var sources []source
	skipInfo, _ := os.Stat(skip)
	if k.set == nil {
		k.set = collection.New(collection.Options{FilesOnly: true})
		defer k.set.Close()
	}
	for _, arg := range args {
		paths, err := collection.Expand(arg)
		if err != nil {
			fail(arg, err)
		}
		for _, p := range paths {
			sources = append(sources, k.findPath(p, skipInfo, passed, fail)...)
		}
	}
	return sources
}

// findPath lists the files of one path.
func (k sourceKind) findPath(arg string, skip fs.FileInfo, passed passedOver, fail func(path string, err error)) []source {
	info, err := os.Stat(arg)
	if err == nil && info.IsDir() {
		w := walker{kind: k, root: arg, skip: skip, passed: passedOver{}, fail: fail}
		w.walk()
		if len(w.found) == 0 && !w.failed {
			what := ""
			if len(w.passed) > 0 {
				what = w.passed.String() + ", "
			}
			fail(arg, fmt.Errorf("%s: no %s files in this folder; %slooked for %s", arg, k.what, what, strings.Join(k.extensions, " ")))
		}
		passed.addAll(w.passed)
		return w.found
	}
	if k.reads(arg) {
		return k.collected(arg, fail)
	}
	if err != nil {
		fail(arg, fileerr.In(arg, err))
		return nil
	}
	if err := checkRegular(arg, info); err != nil && !k.once {
		fail(arg, err)
		return nil
	}
	return []source{{path: arg, dir: "."}}
}

// checkRegular refuses pipes and devices, for sources that are read twice.
func checkRegular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s: is a pipe or a device, and sources are read twice; write it to a file first", path)
}
