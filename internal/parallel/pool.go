// Package parallel runs loops on a fixed set of goroutines.
//
// A pool is made once and serves every operation: an operation of the codec
// takes microseconds to milliseconds, too short to start goroutines for.
// Nothing that is computed depends on which worker computes it.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A Pool runs loops on a number of threads: its workers and the caller. It
// serves one loop at a time; a second caller meanwhile runs its loop alone, so
// that concurrent streams take a core each instead of waiting for each other.
type Pool struct {
	threads int
	busy    sync.Mutex
	job     atomic.Pointer[job]
	wake    []chan struct{}
	closed  atomic.Bool
}

// A job is one loop. Who comes late finds nothing left to do; only calls that
// have begun are waited for, so that a worker which the system does not schedule
// holds nobody up.
type job struct {
	n        int64
	f        func(i int)
	next     atomic.Int64  // the next call
	done     atomic.Int64  // calls that have returned
	finished chan struct{} // closed when all have
}

// spins returns how often one looks for what the others do before one sleeps.
// The steps of an LSTM follow each other within microseconds, less than waking a
// goroutine takes; but where there are fewer cores than threads, spinning takes
// the core from the one who computes.
func (p *Pool) spins() int {
	if p.threads > runtime.NumCPU() {
		return 0
	}
	return 4000
}

// New returns a pool of the given number of threads, or of one for each CPU
// where threads is 0.
func New(threads int) *Pool {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Pool{threads: threads}
	for range threads - 1 {
		wake := make(chan struct{}, 1)
		p.wake = append(p.wake, wake)
		go p.work(wake)
	}
	return p
}

// Threads returns the number of threads that a loop runs on.
func (p *Pool) Threads() int { return p.threads }

// Close ends the workers. No loop may be running.
func (p *Pool) Close() {
	if p.closed.Swap(true) {
		return
	}
	for _, wake := range p.wake {
		close(wake)
	}
}

// For calls f(i) once for every i in [0, n), in no particular order, and
// returns when all calls have. f must not panic.
func (p *Pool) For(n int, f func(i int)) {
	if n <= 1 || p.threads == 1 || !p.busy.TryLock() {
		for i := range n {
			f(i)
		}
		return
	}
	defer p.busy.Unlock()
	j := &job{n: int64(n), f: f, finished: make(chan struct{})}
	p.job.Store(j)
	for _, wake := range p.wake[:min(n, p.threads)-1] {
		select {
		case wake <- struct{}{}:
		default: // it has not yet come to the last one's call, and will see this job
		}
	}
	j.run()
	for range p.spins() {
		if j.done.Load() == j.n {
			return
		}
	}
	<-j.finished
}

// Split divides [0, n) into runs of at least grain and calls f for each of them.
func (p *Pool) Split(n, grain int, f func(from, to int)) {
	parts := max(1, min(p.threads, n/max(grain, 1)))
	if n == 0 {
		return
	}
	p.For(parts, func(i int) { f(i*n/parts, (i+1)*n/parts) })
}

func (j *job) run() {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.f(int(i))
		if j.done.Add(1) == j.n {
			close(j.finished)
		}
	}
}

func (p *Pool) work(wake chan struct{}) {
	for {
		if !p.await(wake) {
			return
		}
		p.job.Load().run()
	}
}

// await waits for the next job; it returns false when the pool is closed.
func (p *Pool) await(wake chan struct{}) bool {
	for range p.spins() {
		if len(wake) > 0 {
			break
		}
	}
	_, ok := <-wake
	return ok
}
