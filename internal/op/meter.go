package op

import "time"

// A Meter says where the time of a Run goes: between two calls of Part
// everything is booked on the first one's name. It is for measuring only and may
// be nil.
type Meter struct {
	Parts []Share
	at    int // index in Parts, -1 for none
	since time.Time
}

// A Share is what one part took.
type Share struct {
	Name    string
	Elapsed time.Duration
	MACs    int64 // multiply-adds of products, the padding of panels not counted
}

// NewMeter returns a meter that books nothing until Part is called.
func NewMeter() *Meter { return &Meter{at: -1} }

// Part ends the part that is measured and begins another; an empty name begins
// none.
func (m *Meter) Part(name string) {
	if m == nil {
		return
	}
	now := time.Now()
	if m.at >= 0 {
		m.Parts[m.at].Elapsed += now.Sub(m.since)
	}
	m.since, m.at = now, -1
	if name == "" {
		return
	}
	for i, p := range m.Parts {
		if p.Name == name {
			m.at = i
			return
		}
	}
	m.at = len(m.Parts)
	m.Parts = append(m.Parts, Share{Name: name})
}

func (m *Meter) count(macs int64) {
	if m != nil && m.at >= 0 {
		m.Parts[m.at].MACs += macs
	}
}
