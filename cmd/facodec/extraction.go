package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/collection"
	"github.com/facodec-go/facodec/internal/corpus"
	"github.com/facodec-go/facodec/internal/extract"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/lockfile"
	"github.com/facodec-go/facodec/internal/plural"
)

// An extraction is one run of extract: the part of the corpus that is its own, and
// the manifest of what is done.
type extraction struct {
	*extractFlags
	arrays   extract.What
	part     corpus.Shard
	manifest *corpus.Manifest
	todo     []string             // paths
	settings corpus.Settings      // of this run
	kept     []corpus.Entry       // of earlier ones
	made     map[string]extracted // by path, until they are recorded in order
	lock     *lockfile.Lock       // of the manifest; nil where nothing can be written
	unknown  int                  // of kept, those that no source is known of
	set      *collection.Set      // that items are read from
	maxShard int64                // bytes of a packed output
	waiting  int64                // bytes that the next one will have
	rowSize  func(path string, frames int) int64
	origin   extract.Origin
	mu       sync.Mutex
}

// extracted is what the manifest needs of an output, and the line if it is one.
type extracted struct {
	sha256 string
	line   []byte
	source corpus.Source
}

// chooseShard reads --shard, or the environment.
func (x *extraction) chooseShard(cmd *cobra.Command) (err error) {
	if x.shard != "" {
		if x.part, err = corpus.ParseShard(x.shard); err != nil {
			err = fmt.Errorf("--shard: %w", err)
		}
		return err
	}
	variable := ""
	if x.part, variable, err = corpus.ShardOf(os.Getenv); err != nil {
		return fmt.Errorf("%w; or give --shard, 0/1 for all", err)
	}
	if variable != "" {
		newDisplay(cmd.ErrOrStderr(), x.quiet).info("shard %s, by %s", x.part, variable)
	}
	return nil
}

// indexDir is the folder of the indexes of shards, below that of the outputs.
const indexDir = "shard-index"

// find leaves out the recordings whose names a manifest cannot hold.
func (x *extraction) find(ctx context.Context, passed passedOver, fail func(string, error)) (sources []source) {
	x.set = collection.New(collection.Options{IndexDir: filepath.Join(x.outputDir, indexDir), Speakers: true, SpeakerField: x.speakerField})
	kind := audioFiles
	kind.corpora, kind.set, kind.ctx = true, x.set, ctx
	ours := func(path string, err error) {
		if !x.elsewhere(err) {
			fail(path, err)
		}
	}
	for _, s := range kind.find(x.sources, x.outputDir, passed, ours) {
		if !utf8.ValidString(s.relative()) {
			fail(s.path, fmt.Errorf("%q: its name is not UTF-8, and the manifest is; rename it", s.path))
			continue
		}
		sources = append(sources, s)
	}
	return sources
}

// plan names the outputs of all sources, so that what collides does so in every
// shard, and returns the jobs of this one.
func (x *extraction) plan(sources []source) (jobs []job, err error) {
	switch {
	case x.format == "jsonl":
		jobs, err = planLines(sources, filepath.Join(x.outputDir, x.part.Name("codes", ".jsonl")))
	case x.packed():
		jobs, err = planPacks(sources, filepath.Join(x.outputDir, x.part.Name("codes", x.extension())))
	default:
		jobs, err = plan(sources, x.outputDir, func(name string) string { return name + x.extension() })
	}
	var own []job
	for _, j := range jobs {
		if x.part.Holds(j.unit()) {
			own = append(own, j)
		}
	}
	return own, err
}

// planLines has all sources share an output, in which they are told apart by
// their paths.
func planLines(sources []source, output string) ([]job, error) {
	var jobs []job
	byPath := map[string]string{}
	for _, s := range sources {
		j := job{source: s.path, output: output, path: s.relative(), corpus: s.corpus, item: s.item}
		other, taken := byPath[j.path]
		if taken && location(other) == location(s.path) {
			continue // named twice
		}
		if taken {
			return nil, fmt.Errorf("%s and %s would both be called %s; take the folder above them, or two runs with another --output-dir", other, s.path, j.path)
		}
		byPath[j.path] = s.path
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// planPacks has all sources share some outputs, in which they are told apart by their keys.
func planPacks(sources []source, output string) ([]job, error) {
	jobs, err := plan(sources, filepath.Dir(output), func(name string) string { return name + ".npz" })
	for i := range jobs {
		j := &jobs[i]
		if j.item != nil {
			j.key = j.item.Key
		} else if j.key, err = filepath.Rel(filepath.Dir(output), strings.TrimSuffix(j.output, ".npz")); err != nil {
			return nil, err
		}
		j.key, j.output = filepath.ToSlash(j.key), output
	}
	return jobs, err
}

// keep splits off the jobs that a manifest vouches for, and makes ready for the others.
func (x *extraction) keep(ctx context.Context, jobs []job) (todo, kept []job, err error) {
	if len(jobs) == 0 {
		return nil, nil, nil
	}
	if err := x.takeLock(); err != nil {
		return nil, nil, err
	}
	switch {
	case x.packed():
		x.manifest, err = corpus.LoadPacks(x.outputDir, x.part, "codes", x.extension(), x.force)
	case x.format == "jsonl":
		x.manifest, err = corpus.Load(x.outputDir, x.part, "codes", x.force)
	default:
		x.manifest, err = corpus.Load(x.outputDir, x.part, "", x.force)
	}
	if err != nil {
		if errors.Is(err, corpus.ErrUnknown) {
			err = fmt.Errorf("%w; --force overwrites it, or give another --output-dir", err)
		}
		return nil, nil, err
	}
	if todo, kept, err = x.divide(jobs); err != nil {
		return nil, nil, err
	}
	if err = x.checkKept(); err == nil {
		err = x.checkSources(ctx, kept)
	}
	if err == nil && (len(todo) > 0 || x.packed()) {
		if err = x.manifest.Start(x.todo, x.extension()); errors.Is(err, corpus.ErrPartOfPack) {
			err = fmt.Errorf("%w, or give another --output-dir", err)
		}
	}
	if err == nil && x.packed() {
		for e := range x.manifest.Spooled() { // of a run that was killed
			x.waiting += x.rowSize(e.Path, e.Frames)
		}
	}
	return todo, kept, err
}

func (x *extraction) divide(jobs []job) (todo, kept []job, err error) {
	var paths []string
	for _, j := range jobs {
		paths = append(paths, j.path)
	}
	if x.force {
		x.todo = paths
		if err = x.manifest.Replaceable(paths, x.extension()); err != nil {
			err = fmt.Errorf("%w, or give another --output-dir", err)
		}
		return jobs, nil, err
	}
	done, err := x.manifest.Find(paths, x.extension())
	if err != nil {
		return nil, nil, err
	}
	for _, j := range jobs {
		if e, ok := done[j.path]; ok {
			kept = append(kept, j)
			x.kept = append(x.kept, e)
		} else {
			todo = append(todo, j)
			x.todo = append(x.todo, j.path)
		}
	}
	return todo, kept, nil
}

// checkKept refuses outputs that do not go with what this run makes.
func (x *extraction) checkKept() error {
	for _, e := range x.kept {
		was := e.Settings
		output := filepath.Join(x.outputDir, filepath.FromSlash(e.Output))
		switch {
		case was.Model != x.settings.Model:
			return fmt.Errorf("%s: %s was extracted by another model (fingerprint %s, this one's is %s); give another --output-dir, or --force to overwrite all",
				output, e.Path, known.Label(was.Model), known.Label(x.settings.Model))
		case was.Precision != x.settings.Precision:
			return fmt.Errorf("%s: %s was extracted with --precision %s; give the same, another --output-dir, or --force to overwrite all",
				output, e.Path, cmp.Or(was.Precision, facodec.Exact))
		case was != x.settings:
			return fmt.Errorf("%s: %s was extracted with --what %s%s; give the same, another --output-dir, or --force to overwrite all",
				output, e.Path, was.What, map[bool]string{true: " --normalize"}[was.Normalize])
		}
	}
	return nil
}

// checkSources refuses outputs whose recordings have changed since. Their hashes are
// compared where the times are others.
func (x *extraction) checkSources(ctx context.Context, kept []job) error {
	for i, e := range x.kept {
		if e.SourceSHA256 == "" {
			x.unknown++
			continue
		}
		size, modTime, err := kept[i].stat()
		if err != nil {
			return err
		}
		if size == e.SourceBytes && modTime == e.SourceModified {
			continue
		}
		sum := ""
		if size == e.SourceBytes || kept[i].item != nil { // other items of its shard may have changed
			if sum, err = kept[i].hash(ctx); err != nil {
				return err
			}
		}
		if sum != e.SourceSHA256 {
			return fmt.Errorf("%s: was extracted of another recording than %s is now; give another --output-dir, or --force to overwrite all",
				filepath.Join(x.outputDir, filepath.FromSlash(e.Output)), kept[i].source)
		}
	}
	return nil
}

// of tells of what a job's output is made.
func (j job) of(ctx context.Context) (of corpus.Source, err error) {
	if of.SourceBytes, of.SourceModified, err = j.stat(); err == nil {
		of.SourceSHA256, err = j.hash(ctx)
	}
	return of, err
}

// takeLock keeps other processes from the files that they would share with this one: those
// of the same shard, and those that divide the corpus in another way, which have the same
// recordings.
func (x *extraction) takeLock() (err error) {
	x.lock, err = lockfile.Acquire(filepath.Join(x.outputDir, "."+x.part.Name("manifest", ".lock")))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil // who is to write here will say so
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(x.outputDir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if ok, _ := filepath.Match(".manifest*.lock", name); !ok || x.part.Sibling(name, ".manifest", ".lock") {
			continue
		}
		other, err := lockfile.Acquire(filepath.Join(x.outputDir, name))
		if err != nil {
			return err
		}
		other.Release()
	}
	return nil
}

func (x *extraction) open(cmd *cobra.Command) (worker, error) {
	codec, notices, err := x.modelFlags.open(cmd, facodec.WithoutDecoder())
	if err != nil {
		return worker{}, err
	}
	x.settings = corpus.Settings{What: x.arrays.String(), Normalize: x.normalize, Model: codec.TokensFingerprint().String()}
	if f := codec.Precision(); f != facodec.Exact {
		x.settings.Precision = f
	}
	x.made = map[string]extracted{}
	x.origin = extract.Origin{What: x.arrays, HopLength: codec.HopLength(), Model: x.settings.Model}
	books := 0
	for _, n := range codec.Books() {
		books += n
	}
	x.rowSize = func(path string, frames int) int64 {
		return extract.Size(x.format, x.arrays, books, frames, codec.LatentDim(), len(path))
	}
	return worker{
		keep: func(jobs []job) (todo, kept []job, err error) {
			todo, kept, err = x.keep(cmd.Context(), jobs)
			if err == nil && x.unknown > 0 {
				newDisplay(cmd.ErrOrStderr(), x.quiet).notice("%s of an earlier version kept, whose sources cannot be compared with what they were", plural.Of(x.unknown, "output"))
			}
			return todo, kept, err
		},
		do: func(ctx context.Context, j job, progress func(float64)) (facodec.FileReport, error) {
			o := extract.Options{What: x.arrays, Normalize: x.normalize, Strict: x.strict, Progress: progress, Opener: j.opener(), Key: j.key, Speaker: j.speaker()}
			source, err := j.of(ctx)
			if err != nil {
				return facodec.FileReport{}, err
			}
			var line []byte
			var r extract.Report
			if x.inLines() {
				line, r, err = extract.Line(ctx, codec, j.source, j.path, o)
				r.Output = j.output
			} else {
				r, err = extract.File(ctx, codec, j.source, j.output, o)
			}
			x.mu.Lock()
			defer x.mu.Unlock()
			x.made[j.path] = extracted{r.SHA256, line, source}
			return r.FileReport, err
		},
		record: x.record,
		end:    func() error { return errors.Join(x.pack(), x.end()) },
		close: func() {
			x.end() // after a failed write, which says enough
			if x.lock != nil {
				x.lock.Release()
			}
			x.set.Close()
			codec.Close()
		},
		notices: notices,
	}, nil
}

func (x *extraction) end() error {
	if x.manifest == nil {
		return nil
	}
	return x.manifest.Close()
}

// pack makes an output of what waits for it.
func (x *extraction) pack() error {
	if !x.packed() || x.manifest == nil {
		return nil
	}
	_, err := x.manifest.Pack(func(out io.Writer, rows iter.Seq2[corpus.Entry, []byte]) error {
		p, err := extract.NewPacker(x.format, out, x.origin)
		if err != nil {
			return err
		}
		for _, line := range rows {
			row, err := extract.ParseRow(line)
			if err == nil {
				err = p.Add(row)
			}
			if err != nil {
				return err
			}
		}
		return p.Close()
	})
	x.waiting = 0
	return err
}

// record writes what the manifest says of an output, and the line if it is one.
func (x *extraction) record(j job, r facodec.FileReport) error {
	x.mu.Lock()
	made := x.made[j.path]
	delete(x.made, j.path)
	x.mu.Unlock()
	if x.lock != nil {
		if err := x.lock.Check(); err != nil {
			return err
		}
	}
	e := corpus.Entry{
		Source: made.source, Path: j.path, Bytes: r.Bytes, SHA256: made.sha256,
		Speaker: j.speaker(), Samples: r.Samples, Seconds: r.Seconds, Frames: r.Frames, Settings: x.settings,
	}
	if x.inLines() {
		if !x.packed() {
			return x.manifest.AddLine(made.line, e)
		}
		size := x.rowSize(j.path, r.Frames)
		if x.waiting > 0 && x.waiting+size+extract.Trailer > x.maxShard {
			if err := x.pack(); err != nil {
				return err
			}
		}
		x.waiting += size
		return x.manifest.AddLine(made.line, e)
	}
	output, err := filepath.Rel(x.outputDir, j.output)
	if err != nil {
		return err
	}
	e.Output = filepath.ToSlash(output)
	return x.manifest.Add(e)
}
