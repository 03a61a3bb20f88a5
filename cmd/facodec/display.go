package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A display shows people how the work goes: a bar on a terminal, a line for
// each file elsewhere. It writes to stderr, so that stdout is only for what was
// asked for. It may be used by several goroutines.
type display struct {
	out   io.Writer
	quiet bool
	width int // of the terminal; 0 without one

	mu   sync.Mutex
	bar  *bar   // nil without a terminal, or between two pieces of work
	text string // of a line that is rewritten, below all others; "" for none
}

func newDisplay(out io.Writer, quiet bool) *display {
	d := &display{out: out, quiet: quiet}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			d.width = width
		} else {
			d.width = 80
		}
	}
	return d
}

// terminal says whether there is one to draw a bar on.
func (d *display) terminal() bool { return d.width > 0 && !d.quiet }

// line prints a line, above the bar if there is one.
func (d *display) line(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bar != nil {
		d.bar.clear()
	}
	if d.text != "" {
		fmt.Fprint(d.out, clearLine)
	}
	fmt.Fprintln(d.out, oneLine(fmt.Sprintf(format, args...)))
	if d.bar != nil {
		d.bar.draw()
	}
	if d.text != "" {
		fmt.Fprint(d.out, d.text)
	}
}

// clearLine begins a terminal's line anew.
const clearLine = "\r\x1b[K"

// status rewrites the last line on a terminal, which must not be longer than it is wide;
// "" takes it away.
func (d *display) status(text string) {
	if !d.terminal() {
		return
	}
	text = oneLine(text) // names of files are in it
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.text != "" || text != "" {
		fmt.Fprint(d.out, clearLine, text)
	}
	d.text = text
}

// info prints what a user may want to know; nothing with --quiet.
func (d *display) info(format string, args ...any) {
	if !d.quiet {
		d.line(format, args...)
	}
}

// notice prints something that may surprise; nothing with --quiet.
func (d *display) notice(format string, args ...any) {
	d.info("facodec: notice: "+format, args...)
}

// warning prints something that is likely wrong.
func (d *display) warning(format string, args ...any) {
	d.line("facodec: warning: "+format, args...)
}

// failure prints an error that does not end the command.
func (d *display) failure(err error) { d.line("facodec: %s", err) }

// A bar is a progress bar over some amount of work.
type bar struct {
	bar    *progressbar.ProgressBar
	start  time.Time
	total  float64
	done   float64
	from   float64 // what was done when the work began: more than nothing where it goes on
	moved  bool
	amount func(done, total float64) string
	what   string // what is being worked on
	width  int
}

// The bar counts in thousandths of a unit, and its last one stands for the end.
const barSteps = 1000

// startBar makes a bar, if there is a terminal, which the first progress shows.
// amount prints how far the work is, "0:12 of 3:40" say.
func (d *display) startBar(total float64, amount func(done, total float64) string) {
	if !d.terminal() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bar = &bar{start: time.Now(), total: total, amount: amount, width: d.width}
	d.bar.bar = progressbar.NewOptions64(barSteps,
		progressbar.OptionSetWriter(d.out),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(false), // ours is by amount, see String
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionUseANSICodes(runtime.GOOS != "windows"),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}),
	)
}

// stopBar takes the bar away.
func (d *display) stopBar() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bar != nil {
		d.bar.clear()
		d.bar = nil
	}
}

// progress moves the bar; what is the file being worked on.
func (d *display) progress(done, total float64, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bar == nil {
		return
	}
	if !d.bar.moved {
		d.bar.from, d.bar.moved = done, true
	}
	d.bar.done, d.bar.total, d.bar.what = done, total, what
	d.bar.draw()
}

func (b *bar) clear() { b.bar.Clear() }

func (b *bar) draw() {
	share := 0.0
	if b.total > 0 {
		share = min(b.done/b.total, 1)
	}
	b.bar.Set64(min(int64(share*barSteps), barSteps-1))
	b.bar.Describe(b.String()) // draws, but not too often
}

// String returns what stands behind the bar, in the width that is left: the
// amount, when it will be done, and the file.
func (b *bar) String() string {
	text := b.amount(b.done, b.total)
	if elapsed := time.Since(b.start); b.done > b.from && elapsed > time.Second {
		left := time.Duration(float64(elapsed) * max(0, b.total-b.done) / (b.done - b.from))
		text += ", " + clock(left.Seconds()) + " left"
	}
	if b.what == "" {
		return text
	}
	const before = 34 // the percentage and the bar
	room := b.width - before - utf8.RuneCountInString(text) - 2
	what := []rune(oneLine(b.what))
	if room < 4 {
		return text
	}
	if len(what) > room {
		what = append([]rune("…"), what[len(what)-room+1:]...)
	}
	return text + "  " + string(what)
}

// clock prints seconds as 1:02:03.
func clock(seconds float64) string {
	s := int64(seconds + 0.5)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
