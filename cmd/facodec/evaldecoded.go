package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/fileerr"
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
	for _, name := range []string{"checkpoint-path", "config", "version", "precision", "output-dir", "sample-format"} {
		if given(name) {
			return usage("--%s and --decoded: what is measured is there already, and no model is used", name)
		}
	}
	switch {
	case f.rate < audio.MinRate || f.rate > audio.MaxRate:
		return usage("--rate %d: give %d to %d", f.rate, audio.MinRate, audio.MaxRate)
	case given("threads") && f.threads < 1:
		return usage("--threads %d: give 1 or more", f.threads)
	}
	return nil
}

// A pairing says what was decoded of which source.
type pairing struct {
	files  map[string]string // by the path of the source
	faults map[string]error  // why a source has none
	rest   []string          // files that belong to no source, below the folder
}

// pair finds what was decoded of sources: in a folder by their names, see decodedOf, or one file of a
// single one. What of the folder cannot be read goes to fail.
func pair(jobs []job, root string, fail func(path string, err error)) (*pairing, error) {
	p := &pairing{files: map[string]string{}, faults: map[string]error{}}
	info, err := os.Stat(root)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--decoded %w", fileerr.In(root, err))
	case info.Mode().IsRegular() && len(jobs) > 1:
		return nil, fmt.Errorf("--decoded %s: is one recording, and there are %d sources; name the folder", root, len(jobs))
	case info.Mode().IsRegular():
		p.files[jobs[0].source] = root
		if location(root) == location(jobs[0].source) {
			p.refuse(jobs[0], "is the source itself; name with --decoded what was decoded of it")
		}
		return p, nil
	case !info.IsDir():
		return nil, fmt.Errorf("--decoded %s: is neither a folder nor a file", root)
	}
	w := walker{kind: audioFiles, root: root, passed: passedOver{}, fail: fail}
	w.walk()
	if len(w.found) == 0 {
		return nil, fmt.Errorf("--decoded %s: no audio files in this folder; looked for %s", root, strings.Join(audioFiles.extensions, " "))
	}

	sources, named := map[string]bool{}, map[string][]job{}
	for _, j := range jobs {
		sources[location(j.source)] = true
		for _, name := range []string{j.path, withoutEnding(j.path)} {
			named[name] = append(named[name], j)
		}
	}
	candidates := map[string][]string{} // below root, by source
	for _, f := range w.found {
		relative := f.relative()
		var owners []job
		for _, name := range decodedOf(relative) {
			if owners = named[name]; len(owners) > 0 {
				break
			}
		}
		switch {
		case sources[location(f.path)]: // they may lie in one folder
		case len(owners) == 0:
			p.rest = append(p.rest, relative)
		case len(owners) > 1:
			for _, j := range owners {
				p.refuse(j, "%s of %s may be what was decoded of it, or of %s; call it %s, with the ending of its source", relative, root, other(owners, j), path.Base(j.path)+path.Ext(relative))
			}
		default:
			candidates[owners[0].source] = append(candidates[owners[0].source], relative)
			p.files[owners[0].source] = f.path
		}
	}
	for _, j := range jobs {
		name := withoutEnding(j.path)
		dir, file := path.Split(name)
		switch files := candidates[j.source]; {
		case p.faults[j.source] != nil || len(files) == 1:
		case len(files) == 0:
			p.refuse(j, "nothing was decoded of it: %s has no %s, %s or %s…, with the ending of an audio file", root, name, dir+decodedPrefix+file, dir+convertedPrefix+file+convertedMiddle)
		default:
			p.refuse(j, "%s of %s may be what was decoded of it; measure them one by one, each in a folder of its own", strings.Join(files, " or "), root)
		}
	}
	return p, nil
}

func (p *pairing) refuse(j job, format string, args ...any) {
	p.faults[j.source] = fmt.Errorf("%s: %w", j.source, fmt.Errorf(format, args...))
}

// other returns a source that is not this one.
func other(owners []job, j job) string {
	i := slices.IndexFunc(owners, func(o job) bool { return o.source != j.source })
	return owners[max(i, 0)].source
}

// withoutEnding returns a path below a folder without the ending of its name.
func withoutEnding(relative string) string {
	dir, file := path.Split(relative)
	return dir + nameOf(file)
}

// decodedOf are the paths of sources, with their endings or without, that a recording may have been
// decoded of, the likeliest first: one of the same name, and those whose outputs this program calls so.
// Of conversions the longest is the likeliest: a source may be called as if it were one.
func decodedOf(relative string) []string {
	dir, file := path.Split(relative)
	name := nameOf(file)
	names := []string{dir + name}
	if source, ok := strings.CutPrefix(name, decodedPrefix); ok {
		names = append(names, dir+source)
	}
	if rest, ok := strings.CutPrefix(name, convertedPrefix); ok {
		for at := strings.LastIndex(rest, convertedMiddle); at > 0; at = strings.LastIndex(rest[:at], convertedMiddle) {
			names = append(names, dir+rest[:at])
		}
	}
	return names
}

// left tells of recordings that belong to no source, "" if there are none.
func (p *pairing) left(root string) string {
	if len(p.rest) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: left out %s without a source, %s the first", root, plural.Of(len(p.rest), "recording"), p.rest[0])
}

// lengthNotice is from which difference in length on a recording is told of, in seconds.
const lengthNotice = 0.1

// errShort: what is left of a recording says nothing of its codec.
var errShort = errors.New("less than half of its source: it is not what was decoded of it, or it is cut off")

// readDecoded reads what was decoded of a source.
func (e *evaluation) readDecoded(j job, wave []float32) (file string, decoded []float32, err error) {
	if err := e.pairs.faults[j.source]; err != nil {
		return "", nil, err
	}
	file = e.pairs.files[j.source]
	if decoded, err = audio.ReadFile(file, e.rate); err != nil {
		return "", nil, err
	}
	if len(decoded) < len(wave)/2 {
		return "", nil, fmt.Errorf("%s: %w: %.2f of %.2f s", file, errShort, float64(len(decoded))/float64(e.rate), float64(len(wave))/float64(e.rate))
	}
	switch d := float64(len(decoded)-len(wave)) / float64(e.rate); {
	case d > lengthNotice:
		e.show.warning("%s: %.2f s longer than its source; it is compared up to the source's end", file, d)
	case d < -lengthNotice:
		e.show.warning("%s: %.2f s shorter than its source, whose rest is left out", file, -d)
	}
	return file, decoded, nil
}
