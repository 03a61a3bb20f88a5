// Package curves draws the logs of training runs: small panels of every curve over one
// step axis, and several runs in one picture to compare them.
package curves

import (
	"fmt"
	"math"
	"path/filepath"

	"github.com/facodec-go/facodec/internal/eventlog"
)

// A Run is what is shown of a training run.
type Run struct {
	Name string

	curves      map[string]*curve // by tag
	tags        []string          // in the order in which they came
	first, last float64           // steps
	from        float64           // as it was asked for
}

// A curve is what was logged under a tag.
type curve struct {
	points []point   // finite
	lost   []float64 // steps whose values were NaN or infinite
	last   float64   // the last value, whatever it was
}

type point struct{ step, value float64 }

// Read reads a run's log.jsonl between two steps, both included; to 0 is the end.
// Its errors name the file.
func Read(path, name string, from, to float64) (*Run, error) {
	r := &Run{Name: name, curves: map[string]*curve{}, first: math.Inf(1), last: math.Inf(-1), from: from}
	if to == 0 {
		to = math.Inf(1)
	}
	empty, end := true, 0.0
	err := eventlog.ReadFile(path, func(e eventlog.Entry) error {
		step := float64(e.Step)
		empty, end = empty && len(e.Scalars) == 0, step
		if step < from || step > to || len(e.Scalars) == 0 {
			return nil
		}
		r.first, r.last = min(r.first, step), max(r.last, step)
		for _, s := range e.Scalars {
			r.add(s.Tag, step, s.Value)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case empty:
		return nil, fmt.Errorf("%s: nothing is logged in it yet", path)
	case len(r.tags) == 0 && from > end:
		return nil, fmt.Errorf("%s: ends at step %.0f, before %g", path, end, from)
	case len(r.tags) == 0:
		return nil, fmt.Errorf("%s: no step from %g to %g is logged", path, from, to)
	}
	return r, nil
}

func (r *Run) add(tag string, step, value float64) {
	c := r.curves[tag]
	if c == nil {
		c = &curve{}
		r.curves[tag] = c
		r.tags = append(r.tags, tag)
	}
	c.last = value
	if math.IsNaN(value) || math.IsInf(value, 0) {
		c.lost = append(c.lost, step)
		return
	}
	if n := len(c.points); n > 0 && c.points[n-1].step == step {
		c.points[n-1].value = value // logged again
		return
	}
	c.points = append(c.points, point{step, value})
}

// Names returns a name for each of several runs' folders: the last parts of the
// paths, as many as it takes to tell them apart.
func Names(dirs []string) []string {
	names := make([]string, len(dirs))
	whole := make([]string, len(dirs))
	for i, dir := range dirs {
		whole[i] = filepath.Clean(dir)
		if abs, err := filepath.Abs(dir); err == nil {
			whole[i] = abs
		}
		names[i] = filepath.Base(whole[i])
	}
	for parts := 2; ; parts++ {
		count := map[string]int{}
		for _, name := range names {
			count[name]++
		}
		grown := false
		for i, name := range names {
			if count[name] > 1 {
				if longer := lastParts(whole[i], parts); longer != name {
					names[i], grown = longer, true
				}
			}
		}
		if !grown {
			return names
		}
	}
}

// lastParts returns the last n parts of a path.
func lastParts(path string, n int) string {
	name := filepath.Base(path)
	for range n - 1 {
		parent := filepath.Dir(path)
		if parent == path || filepath.Dir(parent) == parent {
			break
		}
		path = parent
		name = filepath.Base(path) + "/" + name
	}
	return name
}
