package train

import (
	"maps"
	"slices"
	"time"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
)

// bookUse counts the codes of the steps since it was last asked.
type bookUse struct {
	names []string
	use   [model.NumParts][]*metric.CodebookUse
}

func newBookUse(c *config.Config) bookUse {
	b := bookUse{names: model.CodecConfigOf(c).Quantizer.BookNames()}
	for part, books := range model.BooksOf(c) {
		for range books {
			b.use[part] = append(b.use[part], metric.NewCodebookUse(c.Model.CodebookSize))
		}
	}
	return b
}

// add counts the codes of the trainer's last step.
func (b *bookUse) add(t *Trainer) {
	for part, books := range t.Codes {
		for i, codes := range books {
			for _, row := range codes {
				// A code beyond the book cannot come from it.
				_ = b.use[part][i].Add(row)
			}
		}
	}
}

// scalars returns the use of each book and begins anew.
func (b *bookUse) scalars() []eventlog.Scalar {
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

// An alarm watches a loss that should stay where it is. In the originals the
// quantizers' losses begin to run away after some ten thousand steps.
type alarm struct {
	n    int
	mean float64 // of the last hundred steps or so
	low  float64 // the least that it has been
	told bool
}

// watch takes the loss of a step and says, once, that it has run away: its mean is
// ten times the lowest.
func (a *alarm) watch(loss float64) bool {
	const span, settled = 100, 500
	a.n++
	if a.n == 1 {
		a.mean = loss
	}
	a.mean += (loss - a.mean) / span
	if a.n < settled {
		a.low = a.mean
		return false
	}
	a.low = min(a.low, a.mean)
	if a.told || a.mean < 10*a.low {
		return false
	}
	a.told = true
	return true
}

// A pace is how fast steps go by, pauses left out.
type pace struct {
	mark    time.Time
	last    float64 // seconds of the last step
	seconds float64 // a running mean
}

func newPace() *pace { return &pace{mark: time.Now()} }

// tick ends a step, resume ends a pause behind it.
func (p *pace) tick() {
	p.last = time.Since(p.mark).Seconds()
	if p.seconds == 0 {
		p.seconds = p.last
	}
	p.seconds += (p.last - p.seconds) / 20
	p.mark = time.Now()
}

func (p *pace) resume() { p.mark = time.Now() }

// rate returns steps a second.
func (p *pace) rate() float64 {
	if p.seconds == 0 {
		return 0
	}
	return 1 / p.seconds
}

func sortedKeys(m map[string]float64) []string { return slices.Sorted(maps.Keys(m)) }
