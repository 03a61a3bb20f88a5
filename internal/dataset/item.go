package dataset

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
)

// A skip is why one clip cannot be had; it is reported.
type skip struct{ error }

func isSkip(err error) bool {
	_, ok := err.(skip)
	return ok
}

// item loads and labels a clip at peak 1. Its error is a skip, a context's, or one
// that Label meant to end it all.
func (s *Set) item(ctx context.Context, c Clip, label LabelFunc) (Item, error) {
	samples, shared, err := s.load(ctx, c)
	if ctx.Err() != nil {
		return Item{}, ctx.Err()
	}
	if err != nil {
		s.notify.tell(c.Path, err.Error())
		return Item{}, skip{err}
	}
	it := Item{Clip: c, Samples: samples}
	if label != nil {
		it.Label, err = label(ctx, c, samples)
	}
	switch {
	case errors.Is(err, ErrSkip):
		s.notify.tell(c.Path, err.Error())
		return Item{}, skip{err}
	case err != nil:
		return Item{}, fmt.Errorf("label %s: %w", printable(c.String()), err)
	case shared:
		it.Samples = slices.Clone(samples)
	}
	return it, nil
}

// Pass loads clips once, in their order and at peak 1, and labels them where label
// is not nil: a validation. Up to workers clips are worked on at a time. One that
// cannot be had is reported and left out; any other error is the last that is
// yielded. When the loop is left, all that was begun has ended.
func (s *Set) Pass(ctx context.Context, clips []Clip, workers int, label LabelFunc) iter.Seq2[Item, error] {
	type result struct {
		item Item
		err  error
	}
	return func(yield func(Item, error) bool) {
		inner, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		queue := make(chan chan result, max(1, workers)-1)
		running.Go(func() {
			defer close(queue)
			for _, c := range clips {
				r := make(chan result, 1)
				select {
				case queue <- r:
				case <-inner.Done():
					return
				}
				running.Go(func() {
					it, err := s.item(inner, c, label)
					r <- result{it, err}
				})
			}
		})
		for r := range queue {
			got := <-r
			if isSkip(got.err) {
				continue
			}
			if !yield(got.item, got.err) || got.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Item{}, err)
		}
	}
}
