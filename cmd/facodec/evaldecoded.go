package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/plural"
)

// What the names of outputs of this program have around that of the source.
const (
	decodedPrefix   = "reconstructed_"
	convertedPrefix = "converted_"
	convertedMiddle = "_to_" // before the voice's
)

// decodedRate is at which rate eval compares recordings that another codec decoded, in Hz.
const decodedRate = 24000

// checkDecoded refuses flags of a model, which is not used with --decoded, and those of --decoded without it.
func (f *evalFlags) checkDecoded(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	usage := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
	}
	if !given("decoded") {
		if given("rate") {
			return usage("--rate is for --decoded: a codec's reconstructions are compared at its own rate")
		}
		return nil
	}
	if f.decoded == "" {
		return usage("--decoded is empty: name the folder of the decoded recordings, or the file")
	}
	for _, name := range []string{"checkpoint-path", "config", "version", "precision", "output-dir"} {
		if given(name) {
			return usage("--%s and --decoded: what is measured is there already, and no model is used", name)
		}
	}
	if f.rate < audio.MinRate || f.rate > audio.MaxRate {
		return usage("--rate %d: give %d to %d", f.rate, audio.MinRate, audio.MaxRate)
	}
	return nil
}

// decodedFiles are recordings that some codec decoded, by what their sources are called.
type decodedFiles struct {
	root   string
	single bool                // root is the one recording
	byName map[string][]string // paths

	mu     sync.Mutex
	unused map[string]bool // paths below root
}

// findDecoded lists the recordings of a folder, or has the one that is named for any source.
func findDecoded(root string) (*decodedFiles, error) {
	d := &decodedFiles{root: root, byName: map[string][]string{}, unused: map[string]bool{}}
	info, err := os.Stat(root)
	var failure error
	found := findSources([]string{root}, "", func(_ string, err error) { failure = errors.Join(failure, err) })
	if failure != nil {
		return nil, failure
	}
	if err == nil && !info.IsDir() {
		d.single = true
		return d, nil
	}
	for _, s := range found {
		d.unused[s.relative()] = true
		for _, name := range sourceNames(s.relative()) {
			d.byName[name] = append(d.byName[name], s.relative())
		}
	}
	return d, nil
}

// sourceNames are the paths, without ending, of sources that a recording may have been decoded of: its own,
// and that without what this program puts around it.
func sourceNames(relative string) []string {
	dir, file := path.Split(relative)
	name := nameOf(file)
	names := []string{dir + name}
	if source, ok := strings.CutPrefix(name, decodedPrefix); ok {
		names = append(names, dir+source)
	}
	if rest, ok := strings.CutPrefix(name, convertedPrefix); ok {
		for at := 0; ; at++ { // a source's name may have what stands before the voice's, too
			i := strings.Index(rest[at:], convertedMiddle)
			if i < 0 {
				break
			}
			at += i
			names = append(names, dir+rest[:at])
		}
	}
	return names
}

// of returns the one that was decoded of a source.
func (d *decodedFiles) of(j job) (string, error) {
	if d.single {
		return d.root, nil
	}
	dir, file := path.Split(j.path)
	name := nameOf(file)
	files := d.byName[dir+name]
	d.mu.Lock()
	for _, file := range files {
		delete(d.unused, file)
	}
	d.mu.Unlock()
	switch len(files) {
	case 0:
		return "", fmt.Errorf("%s: nothing was decoded of it: %s has no %s, %s or %s…, with any ending of an audio file",
			j.source, d.root, dir+name, dir+decodedPrefix+name, dir+convertedPrefix+name+convertedMiddle)
	case 1:
		return filepath.Join(d.root, filepath.FromSlash(files[0])), nil
	}
	return "", fmt.Errorf("%s: in %s, %s may be what was decoded of it; leave one there", j.source, d.root, strings.Join(files, " or "))
}

// rest tells of recordings that belong to no source.
func (d *decodedFiles) rest() string {
	if len(d.unused) == 0 {
		return ""
	}
	files := slices.Sorted(maps.Keys(d.unused))
	return fmt.Sprintf("%s: left out %s without a source, %s the first", d.root, plural.Of(len(files), "recording"), files[0])
}

// lengthNotice is from which difference in length on a recording is told of, in seconds.
const lengthNotice = 0.1

// decodedOf reads what was decoded of a source.
func (e *evaluation) decodedOf(j job, wave []float32) (file string, decoded []float32, err error) {
	if file, err = e.others.of(j); err != nil {
		return "", nil, err
	}
	if location(file) == location(j.source) {
		return "", nil, fmt.Errorf("%s: is the source itself; name with --decoded what was decoded of it", file)
	}
	if decoded, err = audio.ReadFile(file, e.rate); err != nil {
		return "", nil, err
	}
	switch d := float64(len(decoded)-len(wave)) / float64(e.rate); {
	case d > lengthNotice:
		e.show.warning("%s: %.2f s longer than its source; it is compared up to the source's end", file, d)
	case d < -lengthNotice:
		e.show.warning("%s: %.2f s shorter than its source, whose rest is left out", file, -d)
	}
	return file, decoded, nil
}
