package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/collection"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/recording"
)

// reads says whether a path is a collection that the set reads, or one that no command
// does, which is told then.
func (k sourceKind) reads(arg string) bool {
	kind, err := collection.KindOf(arg)
	return kind == collection.List || k.corpora && (kind != collection.None || err != nil)
}

// collected lists the recordings of a collection. A file that a list names is a source like
// any other.
func (k sourceKind) collected(arg string, fail func(path string, err error)) []source {
	ctx := k.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	var sources []source
	for it, err := range k.set.Items(ctx, arg) {
		if errors.Is(err, context.Canceled) {
			break // the work, which does not begin, says it
		}
		if err != nil {
			name := arg
			if fault, ok := errors.AsType[*collection.Fault](err); ok && fault.Key != "" {
				name = fault.File + ": " + fault.Key
			}
			fail(name, err)
			continue
		}
		s := source{path: it.String(), dir: filepath.FromSlash(path.Dir(it.Key)), corpus: true}
		if file, ok := it.File(); ok {
			s.path = file
		} else {
			s.item = &it
		}
		sources = append(sources, s)
	}
	return sources
}

// unit is what the division of a corpus goes by.
func (j job) unit() string {
	if j.item != nil {
		return j.item.Unit
	}
	return j.path
}

// speaker is who speaks, as the corpus says, or "".
func (j job) speaker() string {
	if j.item == nil {
		return ""
	}
	return j.item.Speaker
}

// elsewhere says whether a fault is of a shard that another machine takes.
func (x *extraction) elsewhere(err error) bool {
	fault, ok := errors.AsType[*collection.Fault](err)
	if !ok {
		return false
	}
	kind, _ := collection.KindOf(fault.File)
	return (kind == collection.Tar || kind == collection.Parquet) && !x.part.Holds(filepath.Base(fault.File))
}

// addMaxBad adds the flag of the commands that read corpora.
func addMaxBad(cmd *cobra.Command, percent *float64) {
	cmd.Flags().Float64Var(percent, "max-bad", 5, "`percent` of the items of shards, manifests and lists that may be bad; more, and more than one, end the run early")
}

// A tally counts what is bad of the corpora that are read.
type tally struct {
	share      float64 // that may be bad
	bad, total int
	told       bool
}

// fault counts a failure, if it is of a corpus and not of the outputs.
func (t *tally) fault(err error, corpus bool) {
	if _, ok := errors.AsType[*collection.Fault](err); ok {
		t.total++
	} else if !corpus || isOutputs(err) {
		return
	}
	t.bad++
}

// tooMany is an error, once, when more is bad than may be: the run ends early. One bad
// item never ends it.
func (t *tally) tooMany() error {
	if t.told || t.bad <= 1 || float64(t.bad) <= t.share*float64(t.total) {
		return nil
	}
	t.told = true
	return fmt.Errorf("stopped: %d of the %s of the corpus are bad, more than %g %%; --max-bad sets how many may be", t.bad, plural.Of(t.total, "item"), 100*t.share)
}

// stat returns the size and the time of a job's source, or of the shard it lies in.
func (j job) stat() (size, modTime int64, err error) {
	if j.item != nil {
		return j.item.Stat()
	}
	info, err := os.Stat(j.source)
	if err != nil {
		return 0, 0, fileerr.Read(j.source, err)
	}
	return info.Size(), info.ModTime().UnixNano(), nil
}

// hash returns the SHA-256 of a job's source.
func (j job) hash(ctx context.Context) (string, error) {
	if j.item != nil {
		return j.item.SHA256()
	}
	of, err := record{}.of(ctx, j.source)
	return of.Source, err
}

// opener opens a job's source where it is no file of its own; otherwise it is nil.
func (j job) opener() recording.Opener {
	if j.item == nil {
		return nil
	}
	return func(ctx context.Context, o audio.Options) (recording.Reader, error) {
		r, err := j.item.Open(ctx, o)
		if err != nil {
			return nil, err // and no nil *Reader in it
		}
		return r, nil
	}
}
