package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/facodec-go/facodec/internal/extract"
	"github.com/facodec-go/facodec/internal/plural"
)

// dash stands for standard input among sources, and for standard output.
const dash = "-"

const (
	stdinName  = "standard input"
	stdoutName = "standard output"
)

// pipeFlags are those of the commands that work on many files, or on one under
// any name, or between pipes.
type pipeFlags struct {
	batchFlags
	output string
	kind   sourceKind
}

func (f *pipeFlags) add(cmd *cobra.Command) {
	f.batchFlags.add(cmd)
	flags := cmd.Flags()
	if !f.kind.once {
		flags.StringVarP(&f.output, "output", "o", "", "`file` for the output of a single source")
		return
	}
	flags.Lookup("source").Usage = f.kind.what + " `file`s, or folders of them, whose tree is kept; - is standard input; may be repeated"
	flags.StringVarP(&f.output, "output", "o", "", "`file` for the output of a single source; - is standard output")
}

// check takes the arguments as sources and refuses what needs no file to be seen
// wrong.
func (f *pipeFlags) check(cmd *cobra.Command, args []string) error {
	f.sources = append(f.sources, args...)
	usage := func(text string) error { return &usageError{cmd.CommandPath(), errors.New(text)} }
	switch {
	case len(f.sources) == 0 && !f.kind.once:
		return usage("no --source: name an audio file or a folder of them")
	case len(f.sources) == 0:
		return usage("no source: name " + f.kind.what + " files, a folder of them, or - for standard input")
	case f.output == "" && f.outputDir == "" && !f.kind.once:
		return usage("no --output-dir: name the folder for the outputs, or a file with -o")
	case f.output == dash && !f.kind.once:
		return usage("-o -: only encode and decode write to standard output; name a file")
	case f.output == "" && f.outputDir == "":
		return usage("no output: name a file with -o, or a folder with --output-dir")
	case f.output != "" && f.outputDir != "":
		return usage("both -o and --output-dir: the one is for a single source, the other for any number")
	case f.output == dash && f.json:
		return usage("-o - and --json: both write to standard output")
	}
	for _, source := range f.sources {
		switch {
		case source == "" && !f.kind.once:
			return usage("--source is empty: name an audio file or a folder of them")
		case source == dash && !f.kind.once:
			return usage("--source -: sources are read twice; write standard input to a file first")
		case source == "":
			return usage("a source is empty: name " + f.kind.what + " files, a folder of them, or - for standard input")
		case source == dash && (f.output == "" || len(f.sources) > 1):
			return usage("standard input has no name to call an output after: give it alone, and -o")
		}
	}
	if err := f.modelFlags.check(); err != nil {
		return err
	}
	if out, ok := cmd.OutOrStdout().(*os.File); ok && f.output == dash && term.IsTerminal(int(out.Fd())) {
		return usage("standard output is a terminal: name a file with -o, or send it into a pipe")
	}
	return nil
}

// batch returns the work; rename gives outputs below --output-dir their names.
func (f *pipeFlags) batch(cmd *cobra.Command, rename func(name string) string, open func(context.Context) (worker, error)) *batch {
	b := &batch{batchFlags: &f.batchFlags, rename: rename, open: open, together: true}
	skip := f.outputDir
	b.find = func(passed passedOver, fail func(string, error)) []source {
		if f.sources[0] == dash {
			return []source{{path: dash, dir: "."}}
		}
		return f.kind.find(f.sources, skip, passed, fail)
	}
	if f.output == "" {
		return b
	}
	f.outputDir = filepath.Dir(f.output)
	b.piped = f.output == dash || f.sources[0] == dash
	b.plan = func(sources []source) ([]job, error) {
		if len(sources) > 1 {
			return nil, &usageError{cmd.CommandPath(), fmt.Errorf("-o %s for %s: name a folder with --output-dir", f.output, plural.Of(len(sources), "source"))}
		}
		var jobs []job
		for _, s := range sources {
			if s.path != dash && f.output != dash && location(s.path) == location(f.output) {
				return nil, fmt.Errorf("%s is the source, and the output; give another -o", s.path)
			}
			jobs = append(jobs, job{source: s.path, output: f.output, path: s.relative()})
		}
		return jobs, nil
	}
	return b
}

// outputLike is a path such as those of the outputs.
func (f *pipeFlags) outputLike(rename func(name string) string) string {
	if f.output != "" {
		return f.output
	}
	return rename("x")
}

// ends are a job's two ends: streams where they are standard input and output,
// and else nil, with the names to use.
type ends struct {
	source, output string
	in             io.Reader
	out            io.Writer
}

func endsOf(ctx context.Context, cmd *cobra.Command, j job) ends {
	e := ends{source: j.source, output: j.output}
	if j.source == dash {
		e.source, e.in = stdinName, interruptible(ctx, cmd.InOrStdin())
	}
	if j.output == dash {
		e.output, e.out = stdoutName, cmd.OutOrStdout()
	}
	return e
}

// interruptible returns a reader that gives up waiting for r when ctx ends: nobody else
// would wake a read from a pipe or a terminal.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	type result struct {
		n   int
		err error
	}
	buf := make([]byte, 64<<10) // that a reading goroutine fills; its own once ctx has ended
	done := make(chan result, 1)
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		piece := buf[:min(len(p), len(buf))]
		go func() {
			n, err := r.Read(piece)
			done <- result{n, err}
		}()
		select {
		case got := <-done:
			return copy(p, piece[:got.n]), got.err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// compressedFiles are what decode works on.
var compressedFiles = sourceKind{what: "compressed", extensions: []string{".fac", ".npz", ".safetensors"}, other: lacksCodes, once: true}

// lacksCodes says whether a file is one of arrays, weights perhaps, none of which are codes.
func lacksCodes(path string) bool {
	if !extract.IsArrays(path) {
		return false
	}
	has, err := extract.HasCodes(path)
	return err == nil && !has
}
