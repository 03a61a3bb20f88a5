package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// A job makes one output of one source.
type job struct {
	source, output string
	path           string // of the source below the folder that was named, with slashes
}

// plan gives every source its output below dir, named by rename. Two sources
// with one output are an error, and so is an output that is a source.
func plan(sources []source, dir string, rename func(name string) string) ([]job, error) {
	var jobs []job
	byOutput, bySource := map[string]string{}, map[string]string{}
	for _, s := range sources {
		j := job{s.path, filepath.Join(dir, s.dir, rename(s.name())), s.relative()}
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

// location is a path that is the same for all ways to write it. The last element
// stands for itself: a link there is replaced and not followed.
func location(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = filepath.Clean(path)
	}
	dir, base := filepath.Split(abs)
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		abs = filepath.Join(resolved, base)
	}
	// Where file systems usually do not tell A from a, neither may we.
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		abs = strings.ToLower(abs)
	}
	return abs
}

// keep splits off the jobs whose outputs exist.
func keep(jobs []job, force bool) (todo, kept []job) {
	for _, j := range jobs {
		if info, err := os.Stat(j.output); err == nil && !info.IsDir() && !force {
			kept = append(kept, j)
		} else {
			todo = append(todo, j)
		}
	}
	return todo, kept
}

// errFolder begins the errors of folders for outputs.
var errFolder = errors.New("output folder")

// folders makes folders, and removes those again that stayed empty.
type folders struct {
	mu   sync.Mutex
	made []string // parents first
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

// removeEmpty removes what make made and nothing was written to.
func (f *folders) removeEmpty() {
	for i := len(f.made) - 1; i >= 0; i-- {
		os.Remove(f.made[i]) // fails for a folder with something in it
	}
}
