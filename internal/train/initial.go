package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/weights"
)

// ErrPartialInit is wrapped by Run's error for weights to start from of which the smaller
// part fits, where RunOptions.PartialInit does not say that this is meant.
var ErrPartialInit = errors.New("the networks are others")

// initial returns the weights that a fresh run starts from.
func (r *run) initial(params []*nn.Param) (weights.Source, error) {
	f, seed := r.initFrom, uint64(r.Config.Train.RandomSeed)
	if f == nil {
		return nn.InitialWeights(params, seed), nil
	}
	path := f.Path()
	src, missing, misshapen, extra := pretrainedWeights(params, seed, f)
	if len(missing)+len(misshapen) == len(params) { // which PartialInit does not mean
		return nil, fmt.Errorf("%s: has no tensor that fits this experiment", path)
	}
	r.Report("starting from %s: %d of %s", path, len(params)-len(missing)-len(misshapen), plural.Of(len(params), "tensor"))
	networks, missing := wholeNetworks(params, missing)
	if len(networks) > 0 { // a model's file has no networks that only training needs
		r.Report("not in it, initialized at random: %s", strings.Join(networks, ", "))
	}
	for i, names := range [][]string{missing, misshapen, extra} {
		if len(names) > 0 {
			r.Report("%s %s: %s", plural.Of(len(names), "tensor"), []string{"not in it", "of another shape", "without use"}[i], shorten(names))
		}
	}
	if len(missing)+len(misshapen) > 0 && r.initFrom != nil {
		_, lines := r.weightsDiffer()
		for _, line := range lines {
			r.Report("%s", line)
		}
	}
	return src, nil
}

// networkOf returns the network that a tensor belongs to, by its name.
func networkOf(name string) string { n, _, _ := strings.Cut(name, "."); return n }

// inferenceNetworks are those that a model's file has. Predictors, whose sizes depend on the
// data, and discriminators may be missing or others without harm.
var inferenceNetworks = []string{"encoder", "quantizer", "decoder"}

// checkFit refuses weights to start from of which less than half of the tensors that inference
// uses fit: what is random disturbs the rest until little of it is left.
func (r *run) checkFit(params []*nn.Param) error {
	if r.initFrom == nil || r.PartialInit {
		return nil
	}
	total, fit := 0, 0
	for _, p := range params {
		if !slices.Contains(inferenceNetworks, networkOf(p.Name)) {
			continue
		}
		total++
		if t, ok := pretrained(r.initFrom, p.Name); ok && slices.Equal(t.Shape, p.Shape) {
			fit++
		}
	}
	if 2*fit >= total {
		return nil
	}
	hint, lines := r.weightsDiffer()
	return &DifferenceError{fmt.Errorf("%s: %w: %d of the %s of %s fit this experiment%s",
		r.initFrom.Path(), ErrPartialInit, fit, plural.Of(total, "tensor"), strings.Join(inferenceNetworks, ", "), hint), lines}
}

// weightsDiffer says in which keys the weights to start from, as far as they say what they
// are, are of other networks than the experiment's, and hints at the preset that has theirs.
func (r *run) weightsDiffer() (hint string, lines []string) {
	f := r.initFrom
	c, err := checkpoint.Config(f, f.Path(), checkpoint.Beside(f.Path()))
	if err != nil {
		return "", nil
	}
	if c.IsRedecoder() != r.Config.IsRedecoder() {
		return "; they are " + kindOf(c) + "'s", nil
	}
	for _, d := range r.Config.Differences(c) {
		if shapesInference(d.Key) {
			lines = append(lines, fmt.Sprintf("differs: %s: %s, %s in the weights", d.Key, d.Value, d.Other))
		}
	}
	if name := presetOf(c, func(p *config.Config) bool { return sameInference(p, c) }); name != "" {
		hint = "; the preset " + name + " has the networks of these weights"
	}
	return hint, lines
}

// wholeNetworks takes from the names of missing parameters those of networks of which no
// parameter is there, and returns the networks and what is left.
func wholeNetworks(params []*nn.Param, missing []string) (networks, rest []string) {
	size, absent := map[string]int{}, map[string]int{}
	for _, p := range params {
		size[networkOf(p.Name)]++
	}
	for _, name := range missing {
		absent[networkOf(name)]++
	}
	for _, name := range missing {
		n := networkOf(name)
		if absent[n] < size[n] {
			rest = append(rest, name)
		} else if !slices.Contains(networks, n) {
			networks = append(networks, n)
		}
	}
	return networks, rest
}

// shorten lists the first few names.
func shorten(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
