package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// What is wrong with a folder of parallel recordings: it has none of the set's, those alone of
// what is held out for validation, or the set has it.
var (
	ErrNoParallel       = errors.New("no parallel recordings")
	ErrParallelHeldOut  = errors.New("no parallel recordings of what is trained on")
	ErrParallelInside   = errors.New("is a part of the dataset")
	errParallelVanished = errors.New("it is no longer there")
)

// Parallel are recordings of a folder's speech in other voices: each folder in Root holds
// some or all of the set's files under the same names, of the same length and aligned in
// time, as a synthesizer or a voice converter makes them.
type Parallel struct {
	set     *Set
	folders []string
	has     map[string][]uint16 // the folders that have a training clip's file, by its path
	notify  *notifier
	// Clips is how many training clips have one or more.
	Clips int
}

// Parallel finds what root has of the set, which is to be a folder of files. That there
// is nothing is ErrNoParallel, nothing but what is held out ErrParallelHeldOut; that the set has
// recordings of root, and so trains on them as if they were its own, is ErrParallelInside. report
// is told once of each file, or folder, that turns out to be of no use.
func (s *Set) Parallel(root string, report func(path, reason string)) (*Parallel, error) {
	if s.items != nil {
		return nil, fmt.Errorf("%s: %w: the dataset is a corpus; parallel recordings are found by the names of a folder's files", root, ErrNoParallel)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("%w; want a folder of folders, each with recordings of the dataset in another voice, under the same names", fileerr.In(root, err))
	}
	own, err := os.Stat(s.root)
	if err != nil {
		return nil, fileerr.Read(s.root, err)
	}
	p := &Parallel{set: s, has: map[string][]uint16{}, notify: &notifier{report: report, told: map[string]bool{}}}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		// A folder or a link to one, but not the set's own: that would be no other voice.
		switch info, err := os.Stat(dir); {
		case err == nil && info.IsDir() && !os.SameFile(info, own):
			p.folders = append(p.folders, dir)
		case err != nil && !isMissing(err):
			return nil, unreadable(dir, root, dir, err)
		}
	}
	if len(p.folders) > math.MaxUint16 {
		return nil, fmt.Errorf("%s: %s, each a voice; at most %d may be", root, plural.Of(len(p.folders), "folder"), math.MaxUint16)
	}
	if err := p.checkOutside(root); err != nil {
		return nil, err
	}
	for _, c := range s.Train {
		if _, known := p.has[c.Path]; !known {
			if p.has[c.Path], err = p.of(c); err != nil {
				return nil, err
			}
		}
		if len(p.has[c.Path]) > 0 {
			p.Clips++
		}
	}
	if p.Clips == 0 {
		if err := p.heldOut(root); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w: none of its %s has a file with the name of one of the dataset; want %s for the dataset's %s",
			root, ErrNoParallel, plural.Of(len(p.folders), "folder"), filepath.Join(root, "VOICE", s.Train[0].Path), s.Train[0].Path)
	}
	return p, nil
}

// heldOut returns ErrParallelHeldOut where the folders have files of what is held out.
func (p *Parallel) heldOut(root string) error {
	files := map[string]bool{}
	for _, c := range p.set.Valid {
		has, err := p.of(c)
		if err != nil {
			return err
		}
		if len(has) > 0 {
			files[c.Path] = true
		}
	}
	if len(files) == 0 {
		return nil
	}
	which := slices.Min(slices.Collect(maps.Keys(files))) + ", the only file of the dataset that its folders have, is"
	if len(files) > 1 {
		which = fmt.Sprintf("all %d files of the dataset that its folders have are", len(files))
	}
	return fmt.Errorf("%s: %w: %s held out for validation; add recordings of others, or hold out fewer", root, ErrParallelHeldOut, which)
}

// checkOutside refuses a set that has files of the folders, by whatever links.
func (p *Parallel) checkOutside(root string) error {
	real := map[string]string{} // the folders without links, and their names
	for _, dir := range p.folders {
		path, err := realPath(dir)
		if err != nil {
			return fileerr.Read(dir, err)
		}
		real[path] = dir
	}
	checked := map[string]bool{}
	for _, c := range slices.Concat(p.set.Train, p.set.Valid) {
		if checked[c.Path] {
			continue
		}
		checked[c.Path] = true
		file := fileIn(p.set.root, c)
		path, err := realPath(file)
		if err != nil {
			continue // loading it says why
		}
		for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
			if voice, ok := real[dir]; ok {
				return fmt.Errorf("%s: %w %s, which would be trained on these recordings as well (%s is in %s); move it out of the dataset, or give it a name that begins with a dot",
					root, ErrParallelInside, p.set.root, file, voice)
			}
			if filepath.Dir(dir) == dir {
				break
			}
		}
	}
	return nil
}

// realPath is where a path leads to, without links.
func realPath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	return real, err
}

// of returns the folders that have a file parallel to a clip's, in order. Any error but that there
// is none, as of a folder that must not be searched or of a disk, is returned: what the folder has
// is then not known.
func (p *Parallel) of(c Clip) (folders []uint16, err error) {
	for i, dir := range p.folders {
		path := fileIn(dir, c)
		switch info, err := os.Stat(path); {
		case err == nil && info.Mode().IsRegular():
			folders = append(folders, uint16(i))
		case err != nil && !isMissing(err):
			return nil, unreadable(path, filepath.Dir(dir), dir, err)
		}
	}
	return folders, nil
}

// isMissing says whether an error of looking for a file is that there is none.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// unreadable is the error of a path in a folder of root, of which is not known what it has.
func unreadable(path, root, folder string, err error) error {
	return fmt.Errorf("%w; make it readable, or take %s out of %s", fileerr.Read(path, err), filepath.Base(folder), root)
}

// fileIn is the file of a clip in a folder.
func fileIn(dir string, c Clip) string { return filepath.Join(dir, filepath.FromSlash(c.Path)) }

// parallelTolerance is by how much a parallel recording may be longer or shorter, in
// seconds: synthesizers and converters work in frames.
const parallelTolerance = 0.025

// Load returns the item's stretch of a parallel recording, mono, at the set's rate, at
// peak 1 and then the item's gain: the one that choose picks, a number in [0, 1), of those that
// were there at first. It returns nil where the item has none, or where it cannot be used,
// which is reported.
func (p *Parallel) Load(ctx context.Context, it Item, choose float64) ([]float32, error) {
	folders := p.has[it.Clip.Path]
	if len(folders) == 0 {
		return nil, nil
	}
	dir := p.folders[folders[min(int(choose*float64(len(folders))), len(folders)-1)]]
	file := fileIn(dir, it.Clip)
	samples, err := p.read(ctx, file, it.Clip)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil && !peakNormalize(samples) {
		err = errors.New("it is silent where the recording is not")
	}
	if err != nil {
		// A folder that is gone, or a disk, is told of once, and not file by file.
		for _, gone := range []string{filepath.Dir(dir), dir, file} {
			if _, statErr := os.Stat(gone); errors.Is(statErr, fs.ErrNotExist) {
				file, err = gone, errParallelVanished
				break
			}
		}
		p.notify.tell(file, fileerr.Cause(err).Error())
		return nil, nil
	}
	amplify(samples, it.Gain)
	return samples, nil
}

// read reads a clip's stretch of a file that is as long as the clip's, but for
// parallelTolerance. What lacks at its end is silence.
func (p *Parallel) read(ctx context.Context, file string, c Clip) ([]float32, error) {
	got, err := secondsOf(file)
	if err != nil {
		return nil, err
	}
	want, err := secondsOf(fileIn(p.set.root, c))
	if err != nil {
		return nil, err
	}
	if want >= 0 && got >= 0 && math.Abs(got-want) > parallelTolerance {
		return nil, fmt.Errorf("it lasts %.3f s and the recording %.3f s; want the same speech, aligned in time", got, want)
	}
	lacking := int(parallelTolerance * float64(c.Rate))
	samples, err := readRange(ctx, openFile(file), c.Rate, c.Start, c.Samples)
	if errors.Is(err, errChanged) && c.Samples > lacking {
		if samples, err = readRange(ctx, openFile(file), c.Rate, c.Start, c.Samples-lacking); err == nil {
			samples = append(samples, make([]float32, lacking)...)
		}
	}
	if errors.Is(err, errChanged) {
		return nil, errors.New("it is shorter than the recording; want the same speech, aligned in time")
	}
	return samples, err
}

// secondsOf returns how long a file lasts, and less than 0 where its header does not tell.
func secondsOf(file string) (float64, error) {
	r, err := audio.Open(file)
	if err != nil {
		return 0, errors.New(messageOf(err))
	}
	defer r.Close()
	return float64(r.Samples()) / float64(r.Info().SampleRate), nil
}
