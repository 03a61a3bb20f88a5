package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/facodec-go/facodec/audio"
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
	own, err := os.Stat(s.root)
	if err != nil {
		return nil, fileerr.Read(s.root, err)
	}
	p := &Parallel{set: s}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		// A folder or a link to one, but not the set's own: that would be no other voice.
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !os.SameFile(info, own) {
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

// parallelTolerance is by how much a parallel recording may be longer or shorter, in
// seconds: synthesizers and converters work in frames.
const parallelTolerance = 0.025

// Load returns the item's stretch of a parallel recording, mono, at the set's rate, at
// peak 1 and then the item's gain: the one that choose picks, a number in [0, 1). It
// returns nil where the item has none, or where it cannot be used, which is reported.
func (p *Parallel) Load(ctx context.Context, it Item, choose float64) ([]float32, error) {
	files := p.of(it.Clip)
	if len(files) == 0 {
		return nil, nil
	}
	file := files[min(int(choose*float64(len(files))), len(files)-1)]
	samples, err := p.read(ctx, file, it.Clip)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil && !peakNormalize(samples) {
		err = errors.New("it is silent where the recording is not")
	}
	if err != nil {
		p.set.notify.tell(it.Clip.Path, fmt.Sprintf("its parallel recording %s is not used: %v", file, fileerr.Cause(err)))
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
	want, err := secondsOf(filepath.Join(p.set.root, filepath.FromSlash(c.Path)))
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
