package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/collection"
	"github.com/facodec-go/facodec/internal/fileerr"
)

// A job makes one output of one source.
type job struct {
	source, output string
	path           string // of the source below the folder that was named, with slashes
	shortened      bool   // the output's name, which would be too long
	extended       bool   // the output's name, by the extension of the source
	comment        string // that the output is to carry
	key            string // in a packed output

	corpus bool             // see source
	item   *collection.Item // see source
}

// maxName is how many bytes the names of files may have on most systems.
const maxName = 255

// shorten returns a name that a file system takes. One that is too long ends in a hash
// of all of it, which keeps names apart and is the same in every run.
func shorten(name string) (short string, shortened bool) {
	if len(name) <= maxName {
		return name, false
	}
	extension := filepath.Ext(name)
	if len(extension) > 16 {
		extension = ""
	}
	sum := sha256.Sum256([]byte(name))
	tail := "~" + hex.EncodeToString(sum[:6]) + extension
	stem := name[:maxName-len(tail)]
	for len(stem) > 0 && !utf8.RuneStart(name[len(stem)]) { // in the middle of a letter
		stem = stem[:len(stem)-1]
	}
	return stem + tail, true
}

// plan gives every source its output below dir, named by rename. Files of one folder that
// differ in their extensions alone, a.mp3 and a.wav, keep them in the names of their
// outputs, all of them. Two other sources with one output are an error, and so is an output
// that is a source.
func plan(sources []source, dir string, rename func(name string) string) ([]job, error) {
	var jobs []job
	byOutput, bySource := map[string]string{}, map[string]string{}
	same := sameNames(sources, dir)
	for _, s := range sources {
		called, extended := s.name(), false
		if s.item == nil && len(same[location(filepath.Join(dir, s.dir, called))]) > 1 {
			called, extended = filepath.Base(s.path), true
		}
		name, shortened := shorten(rename(called))
		j := job{source: s.path, output: filepath.Join(dir, s.dir, name), path: s.relative(), shortened: shortened, extended: extended, corpus: s.corpus, item: s.item}
		key := location(j.output)
		other, taken := byOutput[key]
		if taken && location(other) == location(s.path) {
			continue // named twice, say by itself and with its folder
		}
		if taken {
			return nil, fmt.Errorf("%s and %s would both become %s; rename one, or take them in two runs with another --output-dir", other, s.path, j.output)
		}
		byOutput[key] = s.path
		bySource[location(s.path)] = s.path
		jobs = append(jobs, j)
	}
	for _, j := range jobs {
		if source, ok := bySource[location(j.output)]; ok {
			return nil, fmt.Errorf("%s is a source, and the output of %s; give another --output-dir", source, j.source)
		}
	}
	return jobs, nil
}

// sameNames returns the extensions of the sources of each name.
func sameNames(sources []source, dir string) map[string]map[string]bool {
	same := map[string]map[string]bool{}
	for _, s := range sources {
		at := location(filepath.Join(dir, s.dir, s.name()))
		if same[at] == nil {
			same[at] = map[string]bool{}
		}
		extension := ""
		if s.item == nil {
			extension = filepath.Ext(s.path)
		}
		same[at][extension] = true
	}
	return same
}

// location is a path that is the same for all ways to write it, and for all links that
// lead there: outputs are written through links.
func location(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = filepath.Clean(path)
	}
	dir, base := filepath.Split(abs)
	if resolved, err := filepath.EvalSymlinks(abs); err == nil {
		abs = resolved
	} else if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		abs = filepath.Join(resolved, base)
	}
	// Where file systems usually do not tell A from a, neither may we.
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		abs = strings.ToLower(abs)
	}
	return abs
}

// errFolder begins the errors of folders for outputs.
var errFolder = errors.New("output folder")

// folders makes folders, and removes those again that stayed empty.
type folders struct {
	mu      sync.Mutex
	made    []string        // parents first
	written map[string]bool // folders that take files
}

// make makes a folder with its parents.
func (f *folders) make(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var missing []string
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%w %s: %s is a file", errFolder, dir, at)
		}
		if err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], 0o777); err != nil {
			if os.IsExist(err) {
				continue
			}
			return fmt.Errorf("%w %s: %w", errFolder, missing[i], fileerr.Cause(err))
		}
		f.made = append(f.made, missing[i])
	}
	return nil
}

// ready makes the folder of an output and says whether a file can be written there, so that this
// is known before what may take hours.
func (f *folders) ready(output string) error {
	dir := filepath.Dir(output)
	if err := f.make(dir); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.written[dir] {
		return nil
	}
	if err := atomicfile.Probe(output); err != nil {
		return err
	}
	if f.written == nil {
		f.written = map[string]bool{}
	}
	f.written[dir] = true
	return nil
}

// probeOutputs returns an error where no output at all can be written: none of their folders,
// or of those above that are there already, takes a file.
func probeOutputs(outputs []string) (err error) {
	tried := map[string]bool{}
	for _, output := range outputs {
		dir := filepath.Dir(output)
		for filepath.Dir(dir) != dir {
			if _, err := os.Stat(dir); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		if tried[dir] {
			continue
		}
		tried[dir] = true
		fault := atomicfile.Probe(filepath.Join(dir, filepath.Base(output)))
		if fault == nil {
			return nil
		}
		if err == nil {
			err = fault
		}
	}
	return err
}

// removeEmpty removes what make made and nothing was written to.
func (f *folders) removeEmpty() {
	for i := len(f.made) - 1; i >= 0; i-- {
		os.Remove(f.made[i]) // fails for a folder with something in it
	}
}
