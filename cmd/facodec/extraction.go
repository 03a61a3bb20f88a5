package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/corpus"
	"github.com/facodec-go/facodec/internal/extract"
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
	mu       sync.Mutex
}

// extracted is what the manifest needs of an output, and the line if it is one.
type extracted struct {
	sha256 string
	line   []byte
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

// plan names the outputs of all sources, so that what collides does so in every
// shard, and returns the jobs of this one.
func (x *extraction) plan(sources []source) (jobs []job, err error) {
	if x.format == "jsonl" {
		jobs, err = planLines(sources, filepath.Join(x.outputDir, x.part.Name("codes", ".jsonl")))
	} else {
		jobs, err = plan(sources, x.outputDir, func(name string) string { return name + "." + x.format })
	}
	var own []job
	for _, j := range jobs {
		if x.part.Holds(j.path) {
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
		j := job{s.path, output, s.relative()}
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

// keep splits off the jobs that a manifest vouches for.
func (x *extraction) keep(jobs []job) (todo, kept []job, err error) {
	lines := ""
	if x.format == "jsonl" {
		lines = "codes"
	}
	if x.manifest, err = corpus.Load(x.outputDir, x.part, lines, x.force); err != nil {
		if errors.Is(err, corpus.ErrUnknown) {
			err = fmt.Errorf("%w; --force overwrites it, or give another --output-dir", err)
		}
		return nil, nil, err
	}
	x.settings = corpus.Settings{What: x.arrays.String(), Normalize: x.normalize}
	var paths []string
	for _, j := range jobs {
		paths = append(paths, j.path)
	}
	if x.force {
		x.todo = paths
		if err = x.manifest.Replaceable(paths, "."+x.format); err != nil {
			err = fmt.Errorf("%w, or give another --output-dir", err)
		}
		return jobs, nil, err
	}
	done, err := x.manifest.Find(paths, "."+x.format)
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
	return todo, kept, x.checkKept()
}

// checkKept refuses outputs that do not go with what this run makes. The model is
// compared once it is open.
func (x *extraction) checkKept() error {
	for _, e := range x.kept {
		was := e.Settings
		if x.settings.Model == "" {
			was.Model = ""
		}
		output := filepath.Join(x.outputDir, filepath.FromSlash(e.Output))
		switch {
		case was.Model != x.settings.Model:
			return fmt.Errorf("%s: %s was extracted by another model (fingerprint %s, this one's is %s); give another --output-dir, or --force to overwrite all",
				output, e.Path, was.Model, x.settings.Model)
		case was != x.settings:
			return fmt.Errorf("%s: %s was extracted with --what %s%s; give the same, another --output-dir, or --force to overwrite all",
				output, e.Path, was.What, map[bool]string{true: " --normalize"}[was.Normalize])
		}
	}
	return nil
}

func (x *extraction) open(cmd *cobra.Command) (worker, error) {
	codec, notices, err := x.modelFlags.open(cmd, facodec.WithoutDecoder())
	if err != nil {
		return worker{}, err
	}
	x.settings.Model = codec.TokensFingerprint().String()
	if err = x.checkKept(); err == nil {
		err = x.manifest.Start(x.todo, "."+x.format)
	}
	if err != nil {
		codec.Close()
		return worker{}, err
	}
	x.made = map[string]extracted{}
	return worker{
		do: func(ctx context.Context, j job, progress func(float64)) (facodec.FileReport, error) {
			o := extract.Options{What: x.arrays, Normalize: x.normalize, Progress: progress}
			var line []byte
			var r extract.Report
			var err error
			if x.format == "jsonl" {
				line, r, err = extract.Line(ctx, codec, j.source, j.path, o)
				r.Output = j.output
			} else {
				r, err = extract.File(ctx, codec, j.source, j.output, o)
			}
			x.mu.Lock()
			defer x.mu.Unlock()
			x.made[j.path] = extracted{r.SHA256, line}
			return r.FileReport, err
		},
		record: x.record,
		end:    x.manifest.Close,
		close: func() {
			x.manifest.Close() // after a failed write, which says enough
			codec.Close()
		},
		notices: notices,
	}, nil
}

// record writes what the manifest says of an output, and the line if it is one.
func (x *extraction) record(j job, r facodec.FileReport) error {
	x.mu.Lock()
	made := x.made[j.path]
	delete(x.made, j.path)
	x.mu.Unlock()
	e := corpus.Entry{
		Path: j.path, Bytes: r.Bytes, SHA256: made.sha256,
		Samples: r.Samples, Seconds: r.Seconds, Frames: r.Frames, Settings: x.settings,
	}
	if x.format == "jsonl" {
		return x.manifest.AddLine(made.line, e)
	}
	output, err := filepath.Rel(x.outputDir, j.output)
	if err != nil {
		return err
	}
	e.Output = filepath.ToSlash(output)
	return x.manifest.Add(e)
}
