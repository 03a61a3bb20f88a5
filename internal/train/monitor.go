package train

import (
	"maps"
	"slices"
	"time"

	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
)

// bookUsage counts the codes of the steps since they were last logged.
type bookUsage struct {
	names []string
	use   [model.NumParts][]*metric.CodebookUse
}

func newBookUsage(c model.QuantizerConfig) *bookUsage {
	b := &bookUsage{names: c.BookNames()}
	for part, books := range c.Books {
		for range books {
			b.use[part] = append(b.use[part], metric.NewCodebookUse(c.CodebookSize))
		}
	}
	return b
}

// add counts the codes of a step, of each part [book][B][T].
func (b *bookUsage) add(codes [model.NumParts][][][]int32) {
	for part, books := range codes {
		for i, codes := range books {
			for _, row := range codes {
				// A code beyond the book cannot come from it.
				_ = b.use[part][i].Add(row)
			}
		}
	}
}

// scalars returns the use of each book and resets the counts.
func (b *bookUsage) scalars() []eventlog.Scalar {
	var scalars []eventlog.Scalar
	at := 0
	for _, books := range b.use {
		for _, use := range books {
			u := use.Usage()
			scalars = append(scalars,
				eventlog.Scalar{Tag: eventlog.PerplexityOf + b.names[at], Value: u.Perplexity},
				eventlog.Scalar{Tag: eventlog.UseOf + b.names[at], Value: u.Share})
			use.Reset()
			at++
		}
	}
	return scalars
}

// A divergenceMonitor sees a loss that should not grow. Upstream the quantizers' losses
// begin to diverge after some ten thousand steps.
type divergenceMonitor struct {
	n        int
	mean     float64 // running, over the last hundred steps or so
	low      float64 // the lowest mean
	reported bool
}

// diverges is told the loss of a step and says, once, that it diverges: its mean is ten
// times the lowest.
func (m *divergenceMonitor) diverges(loss float64) bool {
	const span, warmup = 100, 500
	m.n++
	if m.n == 1 {
		m.mean = loss
	}
	m.mean += (loss - m.mean) / span
	if m.n < warmup {
		m.low = m.mean
		return false
	}
	m.low = min(m.low, m.mean)
	if m.reported || m.mean < 10*m.low {
		return false
	}
	m.reported = true
	return true
}

// A stepTimer measures steps, without the pauses between them.
type stepTimer struct {
	mark    time.Time
	last    float64 // seconds of the last step
	seconds float64 // a running mean
}

func newStepTimer() *stepTimer { return &stepTimer{mark: time.Now()} }

// tick ends a step, resume ends a pause behind it.
func (p *stepTimer) tick() {
	p.last = time.Since(p.mark).Seconds()
	if p.seconds == 0 {
		p.seconds = p.last
	}
	p.seconds += (p.last - p.seconds) / 20
	p.mark = time.Now()
}

func (p *stepTimer) resume() { p.mark = time.Now() }

// rate returns steps a second.
func (p *stepTimer) rate() float64 {
	if p.seconds == 0 {
		return 0
	}
	return 1 / p.seconds
}

func sortedKeys(m map[string]float64) []string { return slices.Sorted(maps.Keys(m)) }
