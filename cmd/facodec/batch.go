package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// A batch is one command's work on many files.
type batch struct {
	*batchFlags
	rename func(name string) string // source's name → output's, with its ending
	// open makes ready what all files need. It is called once, if there is a
	// file to work on.
	open func(ctx context.Context) (worker, error)
	// together says that do may run for several files at a time, a thread each:
	// with many files this is quicker than all threads on one after the other.
	together bool
	// outputs say how recordings are written, for a command that writes some.
	outputs *outputFlags
	// oneOutput says that all sources go into one, so that a line about a source
	// names the source.
	oneOutput bool

	// What follows is for a command that does it in its own way; nil for the usual.

	find func(passed passedOver, fail func(source string, err error)) []source
	plan func(sources []source) ([]job, error)
	// badShare is how much of a corpus may be bad before the command ends early.
	badShare float64
	// piped says that standard input or output is part of the work.
	piped bool
}

// A worker makes outputs.
type worker struct {
	// made is what all outputs have in common; a worker whose outputs cannot carry a
	// record has check instead, which returns an *otherwise for an output that was not
	// made as this run would, or keep, which does all that keep does.
	made  record
	check func(ctx context.Context, j job) error
	keep  func(jobs []job) (todo, kept []job, err error)

	do func(ctx context.Context, j job, progress func(seconds float64)) (facodec.FileReport, error)
	// record is called for each output that was made, in the order of the sources,
	// and end after the last; nil for nothing. Their errors end the command.
	record func(j job, r facodec.FileReport) error
	end    func() error
	close  func()
	// notices are printed with the first output: where nothing comes out, the
	// error is what matters.
	notices []string
	// warnings are printed before the work.
	warnings []error
}

// run works on all sources. A source that fails is reported, and the others go
// on; the command fails in the end.
func (b *batch) run(cmd *cobra.Command) error {
	show := newDisplay(cmd.ErrOrStderr(), b.quiet)
	r := &report{Command: cmd.Name()}
	unwritten := false
	bad := tally{share: b.badShare}
	fail := func(source string, err error) {
		bad.fault(err, false)
		unwritten = unwritten || isOutputs(err)
		r.fail(source, err)
		show.failure(err)
	}
	if b.piped {
		show.width = 0 // the other side of the pipe may draw there too
	}
	passed := passedOver{}
	jobs, err := b.jobs(passed, fail)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.corpus {
			bad.total++
		}
	}
	if tooMany := bad.tooMany(); tooMany != nil {
		show.failure(tooMany)
		jobs = nil
	} else {
		err = b.work(cmd, jobs, show, r, &bad, fail)
	}
	r.Interrupted = errors.Is(err, context.Canceled)
	if err != nil && !r.Interrupted {
		return err
	}
	if r.PassedOver = passed; len(jobs) == 0 {
		r.PassedOver = nil // the error says it
	}
	r.finish()
	if len(jobs) > 1 || len(r.Skipped) > 0 || len(r.PassedOver) > 0 {
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
		err = errSomeFailed
		if unwritten {
			err = errOutputsFailed
		}
	}
	return err
}

// isOutputs says whether an error is of the outputs and not of a source: another try
// may well succeed, which it would not with a bad source.
func isOutputs(err error) bool {
	for _, fault := range []error{errFolder, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS} {
		if errors.Is(err, fault) {
			return true
		}
	}
	return fileerr.IsWrite(err)
}

func (b *batch) jobs(passed passedOver, fail func(string, error)) ([]job, error) {
	var sources []source
	if b.find != nil {
		sources = b.find(passed, fail)
	} else {
		sources = audioFiles.find(b.sources, b.outputDir, passed, fail)
	}
	if b.plan != nil {
		return b.plan(sources)
	}
	return plan(sources, b.outputDir, b.rename)
}

// split splits off the jobs whose outputs are kept.
func (b *batch) split(ctx context.Context, w *worker, jobs []job) (todo, kept []job, err error) {
	switch {
	case w.keep != nil:
		return w.keep(jobs)
	case w.check != nil:
		return keep(ctx, jobs, b.force, w.check)
	}
	return keep(ctx, jobs, b.force, w.made.check)
}

// files returns how many files are worked on at a time: as many as there are
// threads, unless there are too few of them to keep each thread busy.
func (b *batch) files(cmd *cobra.Command, jobs int) int {
	threads := b.threads
	if !cmd.Flags().Changed("threads") {
		threads = runtime.GOMAXPROCS(0)
	}
	// More threads than are allowed are an error of who opens the codec.
	if !b.together || threads < 2 || threads > 1024 || jobs < 2*threads {
		return 1
	}
	return threads
}

// work does the jobs. Its error is one that concerns them all.
func (b *batch) work(cmd *cobra.Command, jobs []job, show *display, r *report, bad *tally, fail func(string, error)) error {
	ctx := cmd.Context()
	var made folders
	defer made.removeEmpty()
	// First, because it is quick to say that there is no place for outputs.
	if len(jobs) > 0 {
		if err := made.make(b.outputDir); err != nil {
			return err
		}
		if err := probeOutputs(outputsToMake(jobs, b.force)); err != nil {
			return err
		}
	}
	files := b.files(cmd, missing(jobs, b.force || b.oneOutput))
	b.alone = files > 1
	// Also where nothing is left to do: that outputs are kept says that they are what
	// these flags and this checkpoint make.
	w, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	jobs, kept, err := b.split(ctx, &w, jobs)
	if err != nil {
		return err
	}
	for _, j := range kept {
		r.Skipped = append(r.Skipped, skipped{j.source, j.output})
	}
	for _, warning := range w.warnings {
		show.warning("%v", warning)
	}
	b.showShortened(show, jobs)
	b.showExtended(show, jobs)
	m := newMeter(show, jobs)
	defer m.close()
	start := time.Now()
	notices := w.notices
	var interrupted error
	for i, o := range ordered(files, len(jobs), func(i int) outcome { return b.one(ctx, w, jobs[i], &made, m.begin(i)) }) {
		j := jobs[i]
		m.end(i, o.report.Seconds)
		// Several at a time: others may have been finished, and those count.
		if errors.Is(o.err, context.Canceled) {
			interrupted = o.err
			continue
		}
		if o.err != nil {
			fail(j.source, o.err)
			bad.fault(o.err, j.corpus)
			if tooMany := bad.tooMany(); tooMany != nil {
				show.failure(tooMany)
				break
			}
			continue
		}
		if w.record != nil {
			if err := w.record(j, o.report); err != nil {
				return err
			}
		}
		r.add(o.report)
		for _, text := range notices {
			show.notice("%s", text)
		}
		notices = nil
		b.show(show, len(jobs), o.report)
	}
	if w.end != nil {
		if err := w.end(); err != nil {
			return err
		}
	}
	if files > 1 {
		r.Totals.Elapsed = time.Since(start).Seconds()
	}
	return interrupted
}

// missing counts the jobs that are certainly to be done.
func missing(jobs []job, force bool) (n int) {
	for _, j := range jobs {
		if force || !exists(j.output) {
			n++
		}
	}
	return n
}

// outputsToMake returns the outputs, but for streams, that are certainly to be written.
func outputsToMake(jobs []job, force bool) (outputs []string) {
	for _, j := range jobs {
		if j.toFile() && (force || !exists(j.output)) {
			outputs = append(outputs, j.output)
		}
	}
	return outputs
}

// toFile says whether the output is a file, of this name or behind links.
func (j job) toFile() bool { return j.output != dash && !atomicfile.IsStream(j.output) }

// showShortened says which outputs are not called as a user would expect.
func (b *batch) showShortened(show *display, jobs []job) {
	n, first := 0, job{}
	for _, j := range jobs {
		if j.shortened {
			if n == 0 {
				first = j
			}
			n++
		}
	}
	if n > 0 {
		show.notice("%s of more than %d bytes shortened, with a hash at the end; the first is %s, of %s", plural.Of(n, "output name"), maxName, first.output, first.source)
	}
}

// showExtended says which outputs keep the extension of their source.
func (b *batch) showExtended(show *display, jobs []job) {
	n, first := 0, job{}
	for _, j := range jobs {
		if j.extended {
			if n == 0 {
				first = j
			}
			n++
		}
	}
	if n > 0 {
		show.notice("%s of one name: their outputs keep the extension; the first is %s, of %s", plural.Of(n, "source"), cmp.Or(first.key, first.output), first.source)
	}
}

// show prints a line about an output where there is no bar to see, and what is
// wrong with it.
func (b *batch) show(show *display, jobs int, r facodec.FileReport) {
	if !show.terminal() || jobs == 1 {
		size := ""
		if r.Bytes > 0 {
			size = fmt.Sprintf(", %s bytes", grouped(r.Bytes))
		}
		name := r.Output
		if b.oneOutput {
			name = r.Source
		}
		show.info("%s: %.2f s of audio in %.2f s (real-time factor %.2f)%s", name, r.Seconds, r.Elapsed.Seconds(), factor(r.Elapsed.Seconds(), r.Seconds), size)
	}
	if len(r.Notices) > 0 {
		show.notice("%s: %s", r.Source, strings.Join(r.Notices, "; "))
	}
	for _, text := range r.Warnings {
		show.warning("%s", text)
	}
	if r.Clipped > 0 {
		show.warning("%s: %s beyond full scale, %s", r.Output, plural.Of(r.Clipped, "sample"), b.outputs.cureClipping(r))
	}
}

// An outcome is what became of a job.
type outcome struct {
	report facodec.FileReport
	err    error
}

func (b *batch) one(ctx context.Context, w worker, j job, made *folders, progress func(float64)) (o outcome) {
	if o.err = ctx.Err(); o.err == nil && j.toFile() {
		o.err = made.ready(j.output)
	}
	if o.err == nil && w.keep == nil && w.check == nil && isFile(j.source) && j.toFile() {
		var of record
		if of, o.err = w.made.of(ctx, j.source); o.err == nil {
			j.comment = of.String()
		}
	}
	if o.err == nil {
		o.report, o.err = w.do(ctx, j, progress)
	}
	return o
}
