package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// audioEndings are what files in a folder are taken for audio by. A file that is
// named itself may be called anything.
var audioEndings = []string{
	".wav", ".wave", ".w64", ".rf64", ".flac", ".mp3", ".opus", ".ogg", ".oga", ".webm",
	".m4a", ".aac", ".wma", ".aif", ".aiff", ".aifc", ".caf", ".au", ".amr", ".mka",
}

// A source is an audio file to work on.
type source struct {
	path string
	dir  string // of the file below the folder that was named; "." for a file
}

// name is what outputs are called after.
func (s source) name() string { return nameOf(s.path) }

// relative is the path below the folder that was named, with slashes on every
// system: the same wherever the folder lies.
func (s source) relative() string {
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
	what    string   // "audio"
	endings []string // of the files that are taken from a folder
	once    bool     // sources are read once, so that they may be pipes
}

var audioFiles = sourceKind{what: "audio", endings: audioEndings}

// findSources lists the audio files that args name, see find.
func findSources(args []string, skip string, fail func(path string, err error)) []source {
	return audioFiles.find(args, skip, fail)
}

// find lists the files that args name: files, and those of folders that are of
// the kind. What cannot be used goes to fail, and the rest goes on. A folder that
// is skip is passed over: outputs of an earlier run are no sources.
func (k sourceKind) find(args []string, skip string, fail func(path string, err error)) []source {
	var sources []source
	skipInfo, _ := os.Stat(skip)
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			fail(arg, fileerr.In(arg, err))
		case info.IsDir():
			before := len(sources)
			failed := false
			k.walk(arg, ".", skipInfo, func(s source) { sources = append(sources, s) }, func(path string, err error) {
				failed = true
				fail(path, err)
			})
			if len(sources) == before && !failed {
				fail(arg, fmt.Errorf("%s: no %s files in this folder; looked for %s", arg, k.what, strings.Join(k.endings, " ")))
			}
		default:
			if err := checkRegular(arg, info); err != nil && !k.once {
				fail(arg, err)
				continue
			}
			sources = append(sources, source{arg, "."})
		}
	}
	return sources
}

// checkRegular refuses pipes and devices, for sources that are read twice.
func checkRegular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s: is a pipe or a device, and sources are read twice; write it to a file first", path)
}

// walk finds the files of the kind below root/dir in order of their names. Hidden ones
// are left alone, links to files followed, links to folders not: they may lead
// back.
func (k sourceKind) walk(root, dir string, skip fs.FileInfo, found func(source), fail func(string, error)) {
	folder := filepath.Join(root, dir)
	entries, err := os.ReadDir(folder)
	if err != nil {
		fail(folder, fileerr.In(folder, err))
		return
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if entry.IsDir() {
			if info, err := entry.Info(); err != nil || skip == nil || !os.SameFile(info, skip) {
				k.walk(root, filepath.Join(dir, entry.Name()), skip, found, fail)
			}
			continue
		}
		if !slices.Contains(k.endings, strings.ToLower(filepath.Ext(path))) {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			fail(path, fileerr.In(path, err))
		} else if info.Mode().IsRegular() {
			found(source{path, dir})
		}
	}
}
