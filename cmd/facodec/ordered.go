package main

import (
	"iter"
	"sync"
	"sync/atomic"
)

// ahead is how many results for each worker may wait for an earlier one. With few, all
// workers would stand still beside one with a long recording; it is bounded since a run that
// is killed meanwhile does them again.
const ahead = 256

// ordered calls do for 0 to n-1, up to workers calls at a time, and yields the
// results in order. One worker is the caller, who does one after the other. When
// the loop is left, no further call begins, and those that have begun are waited
// for.
func ordered[T any](workers, n int, do func(i int) T) iter.Seq2[int, T] {
	if workers <= 1 {
		return func(yield func(int, T) bool) {
			for i := range n {
				if !yield(i, do(i)) {
					return
				}
			}
		}
	}
	return func(yield func(int, T) bool) {
		slots := make([]chan T, min(n, ahead*workers))
		next := make(chan int, len(slots))
		for i := range slots {
			slots[i] = make(chan T, 1)
			next <- i
		}
		var left atomic.Bool
		var running sync.WaitGroup
		for range min(n, workers) {
			running.Go(func() {
				for i := range next {
					if !left.Load() {
						slots[i%len(slots)] <- do(i)
					}
				}
			})
		}
		defer running.Wait()
		defer close(next)
		defer left.Store(true)
		for i := range n {
			result := <-slots[i%len(slots)]
			if i+len(slots) < n {
				next <- i + len(slots) // its slot is free now
			}
			if !yield(i, result) {
				return
			}
		}
	}
}
