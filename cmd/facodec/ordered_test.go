package main

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestOrdered: every call once, results in order, no more at a time than there
// are workers, and no more ahead than may wait.
func TestOrdered(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		for _, n := range []int{0, 1, 3, 100} {
			var calls, running, most atomic.Int32
			yielded := 0
			for i, v := range ordered(workers, n, func(i int) int {
				now := running.Add(1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				calls.Add(1)
				time.Sleep(time.Duration((i*7)%5) * 100 * time.Microsecond)
				running.Add(-1)
				return i * i
			}) {
				if i != yielded || v != i*i {
					t.Fatalf("%d workers: result %d is %d, after %d", workers, i, v, yielded)
				}
				yielded++
				if got := int(calls.Load()); workers > 1 && got > yielded+ahead*workers {
					t.Fatalf("%d workers: %d calls begun when %d were yielded", workers, got, yielded)
				}
			}
			if yielded != n || int(calls.Load()) != n || int(most.Load()) > workers {
				t.Errorf("%d workers: %d of %d, %d calls, %d at a time", workers, yielded, n, calls.Load(), most.Load())
			}
			if workers > 1 && n == 100 && most.Load() < 2 {
				t.Errorf("%d workers: one at a time", workers)
			}
		}
	}
}

// TestOrderedLeft: who leaves the loop finds nothing running, and little done.
func TestOrderedLeft(t *testing.T) {
	var calls, running atomic.Int32
	for i := range ordered(4, 5000, func(int) int {
		running.Add(1)
		calls.Add(1)
		time.Sleep(100 * time.Microsecond)
		return int(running.Add(-1))
	}) {
		if i == 10 {
			break
		}
	}
	if running.Load() != 0 || calls.Load() > 11+4*ahead+4 {
		t.Errorf("%d running, %d done", running.Load(), calls.Load())
	}
}

// TestOrderedBehindALongOne: workers go on while one is busy with the first call for as long
// as many others take.
func TestOrderedBehindALongOne(t *testing.T) {
	const n = 300
	var done atomic.Int32
	all := make(chan struct{})
	for range ordered(2, n, func(i int) int {
		if i == 0 {
			select {
			case <-all:
			case <-time.After(10 * time.Second):
				t.Errorf("%d of %d done beside the first", done.Load(), n-1)
			}
		} else if done.Add(1) == n-1 {
			close(all)
		}
		return i
	}) {
	}
}
