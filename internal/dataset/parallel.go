package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// ErrNoParallel: a folder of parallel recordings has none of the set's.
var ErrNoParallel = errors.New("no parallel recordings")

// Parallel are recordings of a folder's speech in other voices: each folder in Root holds
// some or all of the set's files under the same names, of the same length and aligned in
// time, as a synthesizer or a voice converter makes them.
type Parallel struct {
	set     *Set
	folders []string
	// Clips is how many training clips have one or more.
	Clips int
}

// Parallel finds what root has of the set, which is to be a folder of files. That there
// is nothing is ErrNoParallel.
func (s *Set) Parallel(root string) (*Parallel, error) {
	if s.items != nil {
		return nil, fmt.Errorf("%s: %w: the dataset is a corpus; parallel recordings are found by the names of a folder's files", root, ErrNoParallel)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fileerr.Read(root, err)
	}
	p := &Parallel{set: s}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if info, err := os.Stat(dir); err == nil && info.IsDir() { // also of a link
			p.folders = append(p.folders, dir)
		}
	}
	for _, c := range s.Train {
		if len(p.of(c)) > 0 {
			p.Clips++
		}
	}
	if p.Clips == 0 {
		return nil, fmt.Errorf("%s: %w: none of its %d folders has a file with the name of one of the dataset; want %s for the dataset's %s",
			root, ErrNoParallel, len(p.folders), filepath.Join(root, "VOICE", s.Train[0].Path), s.Train[0].Path)
	}
	return p, nil
}

// of returns the files that are parallel to a clip's, in order.
func (p *Parallel) of(c Clip) (files []string) {
	for _, dir := range p.folders {
		file := filepath.Join(dir, filepath.FromSlash(c.Path))
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			files = append(files, file)
		}
	}
	return files
}

// Load returns the item's stretch of a parallel recording, mono, at the set's rate, at
// peak 1 and then the item's gain: the one that choose picks, a number in [0, 1). It
// returns nil where the item has none, or where it cannot be used, which is reported.
func (p *Parallel) Load(ctx context.Context, it Item, choose float64) ([]float32, error) {
	files := p.of(it.Clip)
	if len(files) == 0 {
		return nil, nil
	}
	file := files[min(int(choose*float64(len(files))), len(files)-1)]
	samples, err := readRange(ctx, openFile(file), it.Clip.Rate, it.Clip.Start, it.Clip.Samples)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errChanged):
		err = fmt.Errorf("is shorter than the recording that it is parallel to")
	case errors.Is(err, fs.ErrNotExist):
		err = fileerr.Cause(err)
	case err == nil && !peakNormalize(samples):
		err = errors.New("is silent where the recording that it is parallel to is not")
	}
	if err != nil {
		p.set.notify.tell(file, err.Error())
		return nil, nil
	}
	samples = slices.Clip(samples)
	amplify(samples, it.Gain)
	return samples, nil
}
