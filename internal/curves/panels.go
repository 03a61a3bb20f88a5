package curves

import (
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/eventlog"
)

// A group is a row of panels, or several.
type group struct {
	name   string
	panels []panel
}

// A panel shows curves that have a scale in common.
type panel struct {
	title string
	lines []line
	kind  kind
}

// A kind says how a panel's curves want to be drawn.
type kind int

const (
	positive kind = iota // on a logarithmic scale where that shows more
	linear               // never so
	exact                // nor smoothed: there is no noise in it
)

// A line of a panel: a tag, or with a star at its end all tags that begin so, and
// what it is called in the panel.
type line struct{ tag, label string }

// A Curve says where what is logged under a tag is drawn: in a panel of a group, and
// what it is called there.
type Curve struct{ Tag, Group, Panel, Label string }

// layout says what is shown where beside the curves that Draw is told of, which come
// first in their groups. Tags that neither has come after it.
var layout = []group{
	{"Reconstruction", []panel{
		{"mel distance", []line{{eventlog.ValidationMel, "held out"}}, positive},
		{"STFT distance", []line{{eventlog.ValidationSTFT, "held out"}}, positive},
	}},
	{"Generator and discriminators", []panel{
		{"generator, all terms weighted", []line{{eventlog.GeneratorTotal, "training"}}, positive},
		{"discriminators", []line{{eventlog.DiscriminatorTotal, "training"}}, positive},
	}},
	{"Predictors, and those behind gradient reversal", nil},
	{"Quantizers", []panel{
		{"perplexity", []line{{eventlog.PerplexityOf + "*", ""}}, positive},
		{"entries in use", []line{{eventlog.UseOf + "*", ""}}, linear},
	}},
	{"Held-out speech", []panel{
		{"SI-SDR (dB)", []line{{eventlog.ValidationSISDR, "held out"}}, linear},
		{"STOI", []line{{eventlog.ValidationSTOI, "held out"}}, linear},
		{"f0 correlation", []line{{eventlog.ValidationF0, "held out"}}, linear},
		{"f0 error (cents)", []line{{eventlog.ValidationCents, "held out"}}, positive},
		{"voicing error", []line{{eventlog.ValidationVoicing, "held out"}}, linear},
		{"perplexity, held out", []line{{eventlog.ValidationPerplexity + "*", ""}}, positive},
		{"entries in use, held out", []line{{eventlog.ValidationUse + "*", ""}}, linear},
	}},
	{"Optimisation", []panel{
		{"learning rate", []line{{eventlog.LearningRate, "training"}}, exact},
		{"gradient norms", []line{{eventlog.GradEncoder, "encoder"}, {eventlog.GradDecoder, "decoder"},
			{eventlog.GradQuantizer, "quantizer"}, {eventlog.GradPredictors, "predictors"},
			{eventlog.GradDiscriminator, "discriminators"}, {"grad_norm/*", ""}}, positive},
		{"seconds a step", []line{{eventlog.StepTime, "training"}}, positive},
		{"skipped steps", []line{{eventlog.SkippedSteps, "training"}}, exact},
	}},
}

// layoutWith returns the layout with curves in it. Those of an unknown group make one.
func layoutWith(curves []Curve) []group {
	groups := make([]group, len(layout))
	for i, g := range layout {
		groups[i].name = g.name
	}
	for _, c := range curves {
		g := findOrAdd(&groups, func(g group) bool { return g.name == c.Group }, group{name: c.Group})
		p := findOrAdd(&g.panels, func(p panel) bool { return p.title == c.Panel }, panel{title: c.Panel})
		p.lines = append(p.lines, line{c.Tag, c.Label})
	}
	for i, g := range layout {
		for _, own := range g.panels {
			p := findOrAdd(&groups[i].panels, func(p panel) bool { return p.title == own.title }, panel{title: own.title, kind: own.kind})
			p.lines = append(p.lines, own.lines...)
		}
	}
	return groups
}

// findOrAdd returns the first element that is meant, which is appended where there is
// none.
func findOrAdd[T any](all *[]T, meant func(T) bool, otherwise T) *T {
	i := slices.IndexFunc(*all, meant)
	if i < 0 {
		i = len(*all)
		*all = append(*all, otherwise)
	}
	return &(*all)[i]
}

// arrange returns what there is to show of some runs by a layout. Of one run, curves
// that belong together are in one panel. Of several, every tag has its own, so that
// colors are runs.
func arrange(layout []group, runs []*Run) []group {
	var tags []string
	for _, r := range runs {
		for _, tag := range r.tags {
			if !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
	}
	taken := map[string]bool{}
	var groups []group
	add := func(name string, panels []panel) {
		if len(panels) > 0 {
			groups = append(groups, group{name, panels})
		}
	}
	for _, g := range layout {
		var panels []panel
		for _, p := range g.panels {
			present := p
			present.lines = nil
			for _, l := range p.lines {
				present.lines = append(present.lines, l.find(tags, taken)...)
			}
			panels = append(panels, present.split(len(p.lines) > 1, len(runs) > 1)...)
		}
		add(g.name, panels)
	}
	// The rest as TensorBoard has it: a section for what stands before the slash.
	var sections []string
	rest := map[string][]panel{}
	for _, tag := range tags {
		if taken[tag] {
			continue
		}
		section, title, ok := strings.Cut(tag, "/")
		if !ok {
			section, title = "Others", tag
		}
		if rest[section] == nil {
			sections = append(sections, section)
		}
		rest[section] = append(rest[section], panel{title: title, lines: []line{{tag, ""}}})
	}
	for _, section := range sections {
		add(section, rest[section])
	}
	return groups
}

// find returns the lines of the tags that are there and marks them as taken.
func (l line) find(tags []string, taken map[string]bool) (found []line) {
	prefix, many := strings.CutSuffix(l.tag, "*")
	for _, tag := range tags {
		switch {
		case taken[tag]:
		case tag == l.tag:
			found = append(found, l)
			taken[tag] = true
		case many && strings.HasPrefix(tag, prefix):
			label := strings.ReplaceAll(strings.TrimPrefix(tag, prefix), "_", " ")
			found = append(found, line{tag, label})
			taken[tag] = true
		}
	}
	return found
}

// split makes the panels of one that has some lines left. Where a line's panel
// could show others, too, its title says which one it is.
func (p panel) split(named, each bool) (panels []panel) {
	if len(p.lines) == 0 {
		return nil
	}
	if !each && len(p.lines) > 1 {
		return []panel{p}
	}
	for _, l := range p.lines {
		one := p
		one.lines = []line{l}
		if l.label != "" && (named || len(p.lines) > 1) {
			one.title += ", " + l.label
		}
		panels = append(panels, one)
	}
	return panels
}
