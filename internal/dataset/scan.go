package dataset

import (
	"context"
	"sync"
	"time"
)

// saveEvery is how much of a long scan a kill may lose.
const saveEvery = time.Minute

// scanAll returns what is known of each file, in their order, and how many of them
// were decoded to know it.
func scanAll(ctx context.Context, o *Options, lim limits, files []found, memory *memory, bad *badCount, tell func(path, reason string)) ([]entry, int, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	h := lim.header()
	known := readIndex(o.CacheDir, h, tell)
	entries := make([]entry, len(files))
	var unknown []int
	p := Progress{Total: len(files)}
	step := func(e entry) {
		p.Done++
		if bad.add(e); bad.check() != nil {
			stop()
		}
		for _, piece := range e.Pieces {
			p.Seconds += lim.seconds(piece.Samples)
		}
		if o.Progress != nil {
			o.Progress(p)
		}
	}
	for i, f := range files {
		if e, ok := known[f.path]; ok && e.Size == f.size && e.ModTime == f.modTime {
			entries[i] = e
			step(e)
		} else {
			unknown = append(unknown, i)
		}
	}
	keep := func() {
		// Entries that are not yet made do not last.
		writeIndex(o.CacheDir, h, entries, tell)
	}
	saved := time.Now()
	err := scanUnknown(ctx, o.Workers, lim, files, unknown, memory, func(i int, e entry) {
		entries[i] = e
		step(e)
		if time.Since(saved) > saveEvery {
			keep()
			saved = time.Now()
		}
	})
	if len(unknown) > 0 || len(known) != len(files) {
		keep()
	}
	if tooMany := bad.check(); tooMany != nil {
		err = tooMany
	}
	return entries, len(unknown), err
}

// scanUnknown calls done with what it finds in the files of the numbers given, in
// any order, from the caller's goroutine.
func scanUnknown(ctx context.Context, workers int, lim limits, files []found, unknown []int, memory *memory, done func(i int, e entry)) error {
	type result struct {
		i   int
		e   entry
		err error
	}
	next := make(chan int)
	results := make(chan result)
	var running sync.WaitGroup
	for range min(workers, len(unknown)) {
		running.Go(func() {
			for i := range next {
				e, err := scanFile(ctx, files[i], lim, memory)
				results <- result{i, e, err}
			}
		})
	}
	go func() {
		defer close(next)
		for _, i := range unknown {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() {
		running.Wait()
		close(results)
	}()
	err := ctx.Err()
	for r := range results {
		if r.err != nil {
			err = r.err
			continue
		}
		done(r.i, r.e)
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}
