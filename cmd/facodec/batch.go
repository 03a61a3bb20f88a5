package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/audio"

	facodec "github.com/facodec-go/facodec"
)

// A batch is one command's work on many files.
type batch struct {
	*batchFlags
	rename func(name string) string // source's name → output's, with its ending
	// open makes ready what all files need. It is called once, if there is a
	// file to work on.
	open func(ctx context.Context) (worker, error)
}

// A worker makes outputs.
type worker struct {
	do    func(ctx context.Context, j job, progress func(seconds float64)) (facodec.FileReport, error)
	close func()
	// notices are printed with the first output: where nothing comes out, the
	// error is what matters.
	notices []string
}

// run works on all sources. A source that fails is reported, and the others go
// on; the command fails in the end.
func (b *batch) run(cmd *cobra.Command) error {
	ctx, show := cmd.Context(), newDisplay(cmd.ErrOrStderr(), b.quiet)
	r := &report{Command: cmd.Name()}
	fail := func(source string, err error) {
		r.fail(source, err)
		show.failure(err)
	}
	sources := findSources(b.sources, b.outputDir, fail)
	jobs, err := plan(sources, b.outputDir, b.rename)
	if err != nil {
		return err
	}
	todo, kept := keep(jobs, b.force)
	for _, j := range kept {
		r.Skipped = append(r.Skipped, skipped{j.source, j.output})
	}
	if len(todo) > 0 {
		err = b.work(ctx, todo, show, r, fail)
		r.Interrupted = errors.Is(err, context.Canceled)
		if err != nil && !r.Interrupted {
			return err
		}
	}
	r.finish()
	if len(jobs) > 1 || len(kept) > 0 {
		if s := r.summary(); s != "" {
			show.info("%s", s)
		}
	}
	if b.json {
		if err := r.print(cmd.OutOrStdout()); err != nil {
			return err
		}
	}
	if err == nil && len(r.Failed) > 0 {
		err = errReported
	}
	return err
}

// work does the jobs. Its error is one that concerns them all.
func (b *batch) work(ctx context.Context, jobs []job, show *display, r *report, fail func(string, error)) error {
	var made folders
	defer made.removeEmpty()
	// First, because it is quick to say that there is no place for outputs.
	if err := made.make(b.outputDir); err != nil {
		return err
	}
	w, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	m := newMeter(show, jobs)
	defer m.close()
	for i, j := range jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.begin(i)
		report, err := b.one(ctx, w, j, &made, m.at)
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			m.end(0)
			fail(j.source, err)
			continue
		}
		m.end(report.Seconds)
		r.add(report)
		for _, text := range w.notices {
			show.notice("%s", text)
		}
		w.notices = nil
		if !show.terminal() || len(jobs) == 1 {
			show.info("%s: %.2f s of audio in %.2f s (real-time factor %.2f)",
				report.Output, report.Seconds, report.Elapsed.Seconds(), report.RealTimeFactor())
		}
		if report.Clipped > 0 {
			show.warning("%s: %d of %d samples were beyond full scale and are clipped; --sample-format f32 keeps them",
				report.Output, report.Clipped, report.Samples)
		}
	}
	return nil
}

func (b *batch) one(ctx context.Context, w worker, j job, made *folders, progress func(float64)) (facodec.FileReport, error) {
	if err := made.make(filepath.Dir(j.output)); err != nil {
		return facodec.FileReport{}, err
	}
	return w.do(ctx, j, progress)
}

// A meter turns the progress of one job after the other into that of all, in
// seconds of audio.
type meter struct {
	show    *display
	jobs    []job
	seconds []float64 // of each job; a guess where only reading it can tell
	total   float64
	before  float64 // of the jobs that are done
	current int
}

func newMeter(show *display, jobs []job) *meter {
	m := &meter{show: show, jobs: jobs}
	if !show.terminal() {
		return m
	}
	for _, j := range jobs {
		s := secondsOf(j.source)
		m.seconds = append(m.seconds, s)
		m.total += s
	}
	show.startBar(m.total, func(done, total float64) string { return clock(done) + " of " + clock(total) })
	return m
}

func (m *meter) close() { m.show.stopBar() }

func (m *meter) begin(i int) {
	m.current = i
	m.at(0)
}

// at is told how many seconds of the current job are done.
func (m *meter) at(seconds float64) {
	if m.seconds == nil {
		return
	}
	if known := &m.seconds[m.current]; seconds > *known {
		m.total += seconds - *known
		*known = seconds
	}
	m.show.progress(m.before+seconds, m.total, filepath.Base(m.jobs[m.current].source))
}

// end is told the seconds that the current job was in truth, 0 if it failed.
func (m *meter) end(seconds float64) {
	if m.seconds == nil {
		return
	}
	m.total += seconds - m.seconds[m.current]
	m.before += seconds
}

// secondsOf returns how long an audio file lasts, as well as can be told without
// decoding it. What ffmpeg decodes is guessed: 128 kbit/s, the usual for MP3.
func secondsOf(path string) float64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	var magic [4]byte
	if _, err := f.Read(magic[:]); err != nil {
		return 0
	}
	switch string(magic[:]) {
	case "RIFF", "RIFX", "RF64", "fLaC":
		r, err := audio.Open(path)
		if err != nil {
			return 0
		}
		defer r.Close()
		if info := r.Info(); info.Frames > 0 {
			return float64(info.Frames) / float64(info.SampleRate)
		}
	}
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return float64(info.Size()) / (128000 / 8)
}
