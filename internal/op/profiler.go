package op

import "time"

// A Profiler measures where the time of a Run goes: the time between two calls of
// Start counts for the section that the first one names. It may be nil.
type Profiler struct {
	Sections []Section
	at       int // index in Sections, -1 for none
	since    time.Time
}

// A Section is the time and work of one named part of a run.
type Section struct {
	Name    string
	Elapsed time.Duration
	MACs    int64 // multiply-adds of products, the padding of panels not counted
}

// NewProfiler returns a profiler that measures nothing until Start is called.
func NewProfiler() *Profiler { return &Profiler{at: -1} }

// Start ends the section that is measured and begins another; an empty name begins
// none.
func (m *Profiler) Start(name string) {
	if m == nil {
		return
	}
	now := time.Now()
	if m.at >= 0 {
		m.Sections[m.at].Elapsed += now.Sub(m.since)
	}
	m.since, m.at = now, -1
	if name == "" {
		return
	}
	for i, p := range m.Sections {
		if p.Name == name {
			m.at = i
			return
		}
	}
	m.at = len(m.Sections)
	m.Sections = append(m.Sections, Section{Name: name})
}

func (m *Profiler) count(macs int64) {
	if m != nil && m.at >= 0 {
		m.Sections[m.at].MACs += macs
	}
}
