package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/plural"
)

// An evalReport is what eval --json prints.
type evalReport struct {
	Command     string                    `json:"command"`
	Checkpoint  string                    `json:"checkpoint,omitempty"`
	Decoded     string                    `json:"decoded,omitempty"` // the folder that was measured in place of a codec
	Rate        int                       `json:"rate"`              // Hz, at which recordings were compared
	Normalized  bool                      `json:"normalized"`
	Metrics     map[string]metric.Summary `json:"metrics"`
	Codebooks   map[string]metric.Usage   `json:"codebooks"`
	Files       []evalFile                `json:"files"`
	Failed      []failed                  `json:"failed"`
	Totals      evalTotals                `json:"totals"`
	Interrupted bool                      `json:"interrupted"`
}

// An evalFile is one recording.
type evalFile struct {
	Source  string  `json:"source"`
	Output  string  `json:"output,omitempty"`
	Decoded string  `json:"decoded,omitempty"`
	Seconds float64 `json:"seconds"`
	// DecodedSeconds is how long Decoded is.
	DecodedSeconds float64             `json:"decoded_seconds,omitempty"`
	Samples        int                 `json:"samples"` // at the rate of the comparison, the codec's
	Clipped        int64               `json:"clipped,omitempty"`
	Metrics        map[string]*float64 `json:"metrics"` // null: it has no value here

	name     string
	measured map[string]float64
}

type evalTotals struct {
	Files    int     `json:"files"`
	Failed   int     `json:"failed"`
	Seconds  float64 `json:"seconds"`
	Elapsed  float64 `json:"elapsed_seconds"`
	RealTime float64 `json:"real_time_factor"`
}

// report sums up.
func (e *evaluation) report(elapsed time.Duration, interrupted bool) *evalReport {
	r := &evalReport{
		Command: "eval", Checkpoint: e.checkpoint, Decoded: e.decoded, Rate: e.rate, Normalized: e.normalize, Interrupted: interrupted,
		Metrics: map[string]metric.Summary{}, Codebooks: map[string]metric.Usage{},
		Files: append([]evalFile{}, e.results...), Failed: append([]failed{}, e.failed...),
	}
	if e.decoded != "" {
		r.Checkpoint = ""
	}
	for i := range r.Files {
		f := &r.Files[i]
		r.Totals.Seconds += f.Seconds
		f.Metrics = map[string]*float64{}
		for name, v := range f.measured {
			f.Metrics[name] = nil
			if v-v == 0 { // a number
				f.Metrics[name] = &v
			}
		}
	}
	for _, name := range e.table.Metrics() {
		r.Metrics[name] = e.table.Summary(name)
	}
	for i, use := range e.uses {
		r.Codebooks[e.books[i]] = use.Usage()
	}
	t := &r.Totals
	t.Files, t.Failed = len(r.Files), len(r.Failed)
	t.RealTime = round(factor(elapsed.Seconds(), t.Seconds))
	t.Elapsed, t.Seconds = round(elapsed.Seconds()), round(t.Seconds)
	return r
}

// evalColumns are the metrics as the table has them.
var evalColumns = []struct {
	metric, title   string
	width, decimals int
	better          string
}{
	{metric.NameMel, "mel", 6, 3, "lower is better"},
	{metric.NameSTFT, "stft", 6, 3, "lower is better"},
	{metric.NameSISDR, "si_sdr", 6, 1, "dB, higher is better"},
	{metric.NameSTOI, "stoi", 6, 3, "0 to 1, higher is better"},
	{metric.NameESTOI, "estoi", 6, 3, "0 to 1, higher is better"},
	{metric.NameF0Correlation, "f0_cor", 6, 3, "-1 to 1, higher is better"},
	{metric.NameF0Cents, "cents", 6, 1, "lower is better"},
	{metric.NameF0CentsRMS, "rms", 6, 1, "lower is better"},
	{metric.NameF0GrossError, "gross", 5, 3, "0 to 1, lower is better"},
	{metric.NameF0VoicingError, "voic", 5, 3, "0 to 1, lower is better"},
}

// An evalPrinter prints the table, a row at a time, or the report at the end.
type evalPrinter struct {
	evaluation *evaluation
	out        *stickyWriter
	width      int // of the names
	begun      bool
}

// The columns that names have where there is room.
const (
	leastName = 12
	mostName  = 40
)

func newEvalPrinter(out io.Writer, e *evaluation, jobs []job) *evalPrinter {
	p := &evalPrinter{evaluation: e, out: &stickyWriter{w: out}, width: leastName}
	for _, j := range jobs {
		p.width = max(p.width, utf8.RuneCountInString(oneLine(j.path)))
	}
	most := mostName
	if terminal := widthOf(out); terminal > 0 {
		for _, c := range evalColumns {
			terminal -= c.width + 1
		}
		most = min(most, max(leastName, terminal))
	}
	p.width = min(p.width, most)
	return p
}

// widthOf returns the columns of a terminal, 0 where out is none.
func widthOf(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		return newDisplay(f, false).width
	}
	return 0
}

// line prints a line to stdout, above the bar that stderr may show on the same
// terminal.
func (p *evalPrinter) line(format string, args ...any) {
	d := p.evaluation.show
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bar != nil {
		d.bar.clear()
	}
	fmt.Fprintln(p.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	if d.bar != nil {
		d.bar.draw()
	}
}

func (p *evalPrinter) row(f evalFile) {
	if p.evaluation.json {
		return
	}
	var b strings.Builder
	if !p.begun {
		p.begun = true
		for _, c := range evalColumns {
			fmt.Fprintf(&b, " %*s", c.width, c.title)
		}
		p.line("%-*s%s", p.width, "recording", b.String())
		b.Reset()
	}
	for _, c := range evalColumns {
		fmt.Fprintf(&b, " %*.*f", c.width, c.decimals, f.measured[c.metric])
	}
	name := []rune(oneLine(f.name))
	if len(name) > p.width { // the end tells recordings apart
		name = append([]rune("…"), name[len(name)-p.width+1:]...)
	}
	p.line("%-*s%s", p.width, string(name), b.String())
}

// end prints what is said of all recordings.
func (p *evalPrinter) end(r *evalReport) error {
	if p.evaluation.json {
		return printJSON(p.out.w, r)
	}
	if len(r.Files) > 0 {
		p.means(r)
		if len(p.evaluation.books) > 0 {
			p.codebooks(r)
		}
	}
	if p.out.err != nil {
		return fileerr.Write("stdout", p.out.err)
	}
	if t := r.Totals; t.Files > 0 {
		text := fmt.Sprintf("%s, %.1f s of audio in %.1f s (real-time factor %.2f)", plural.Of(t.Files, "recording"), t.Seconds, t.Elapsed, t.RealTime)
		if t.Failed > 0 {
			text += fmt.Sprintf("; %d failed", t.Failed)
		}
		p.evaluation.show.info("%s", text)
	}
	return nil
}

func (p *evalPrinter) means(r *evalReport) {
	p.line("")
	p.line("means of %s, and their 95 %% confidence intervals", plural.Of(len(r.Files), "recording"))
	for _, c := range evalColumns {
		s := r.Metrics[c.metric]
		interval := ""
		if s.N > 1 {
			interval = fmt.Sprintf("%.*f to %.*f", c.decimals, s.Low, c.decimals, s.High)
		}
		note := c.better
		if s.Failed > 0 {
			note += fmt.Sprintf("; without %d that have no value", s.Failed)
		}
		p.line("  %-16s %8.*f  %-19s %s", c.metric, c.decimals, s.Mean, interval, note)
	}
}

func (p *evalPrinter) codebooks(r *evalReport) {
	p.line("")
	p.line("codebooks, of %s frames    perplexity  entries used", grouped(r.Codebooks[p.evaluation.books[0]].Codes))
	for _, name := range p.evaluation.books {
		u := r.Codebooks[name]
		p.line("  %-26s %8.1f  %d of %d", name, u.Perplexity, u.Distinct, u.Entries)
	}
}
