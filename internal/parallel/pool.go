// Package parallel runs loops on a fixed set of threads.
//
// A pool is made once and serves every operation: an operation of the codec takes
// microseconds to milliseconds, too short to start goroutines for, and when a voice is
// converted frame by frame there are some hundred operations in each 12.5 ms. Running a
// loop therefore allocates nothing, and workers wait for the next one for a while before
// they sleep. Nothing that is computed depends on which worker computes it.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A Task is the body of a loop. Run must not panic.
type Task interface{ Run(i int) }

// A Func is a Task without state of its own.
type Func func(i int)

// Run calls f.
func (f Func) Run(i int) { f(i) }

// A Pool runs loops on a number of threads: its workers and the caller. It
// serves one loop at a time; a second caller meanwhile runs its loop alone, so
// that concurrent streams take a core each instead of waiting for each other.
type Pool struct {
	threads int
	rounds  int          // for which a thread looks before it sleeps
	patient int          // the same in a burst
	bursts  atomic.Int32 // that have begun and not ended
	busy    sync.Mutex
	task    Task
	// indices is the number of calls of the current loop in its upper half, and the next
	// one in its lower half: with one compare-and-swap a thread claims a call. The loop
	// cannot end before the call that was claimed has returned, so that its task may be
	// read afterwards. A worker that the system does not schedule claims nothing and holds
	// nobody up.
	indices atomic.Uint64
	done    atomic.Int64 // calls that have returned
	caller  waiter       // who waits for the last call
	workers []waiter     // who wait for a loop
	closed  atomic.Bool
}

// New returns a pool of the given number of threads, or of one for each CPU
// where threads is 0.
func New(threads int) *Pool { return newPool(threads, 1) }

// NewPatient returns a pool whose threads look for the next loop for two milliseconds, not
// for a tenth of one, before they sleep: for a program that computes one loop after the
// other for hours, in which waking a thread would take as long as many a loop.
func NewPatient(threads int) *Pool { return newPool(threads, patience) }

func newPool(threads, times int) *Pool {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Pool{threads: threads, rounds: times * rounds(threads), patient: patience * rounds(threads), workers: make([]waiter, threads-1), caller: newWaiter()}
	for i := range p.workers {
		p.workers[i] = newWaiter()
		go p.work(&p.workers[i])
	}
	return p
}

// Threads returns the number of threads that a loop runs on.
func (p *Pool) Threads() int { return p.threads }

// BeginBurst announces loops that follow each other until EndBurst, as the operations of a
// frame do: meanwhile threads look for the next loop for up to two milliseconds, as those of
// NewPatient always do. Several streams may be in a burst.
func (p *Pool) BeginBurst() { p.bursts.Add(1) }

// EndBurst ends what BeginBurst began.
func (p *Pool) EndBurst() { p.bursts.Add(-1) }

// patience is how many times as long threads look in a burst, and those of NewPatient.
const patience = 20

// Close ends the workers. No loop may be running.
func (p *Pool) Close() {
	if p.closed.Swap(true) {
		return
	}
	for i := range p.workers {
		p.workers[i].wake()
	}
}

// For calls f(i) once for every i in [0, n), in no particular order, and
// returns when all calls have. f must not panic.
func (p *Pool) For(n int, f func(i int)) { p.Run(n, Func(f)) }

// Run calls t.Run(i) once for every i in [0, n), in no particular order, and returns when
// all calls have. It allocates nothing.
func (p *Pool) Run(n int, t Task) {
	if n <= 1 || p.threads == 1 || !p.busy.TryLock() {
		for i := range n {
			t.Run(i)
		}
		return
	}
	p.task = t
	p.done.Store(0)
	p.indices.Store(uint64(n) << 32)
	for i := range p.workers[:min(n, p.threads)-1] {
		p.workers[i].wake()
	}
	p.help()
	if p.done.Load() != int64(n) {
		p.caller.await(p, func() bool { return p.done.Load() == int64(n) })
	}
	p.task = nil
	p.busy.Unlock()
}

// Split divides [0, n) into runs of at least grain and calls f for each of them.
func (p *Pool) Split(n, grain int, f func(from, to int)) {
	parts := p.Parts(n, grain)
	if parts <= 1 {
		if n > 0 {
			f(0, n)
		}
		return
	}
	p.For(parts, func(i int) { f(i*n/parts, (i+1)*n/parts) })
}

// partsEach is how many parts there are for each thread where they are large enough, so that
// a thread that is late has fewer of them.
const partsEach = 4

// Parts returns into how many runs of at least grain Split divides [0, n).
func (p *Pool) Parts(n, grain int) int {
	switch {
	case n == 0:
		return 0
	case p.threads == 1:
		return 1
	}
	return max(1, min(partsEach*p.threads, n/max(grain, 1)))
}

// help makes calls of the current loop until none is left to claim.
func (p *Pool) help() {
	for {
		at := p.indices.Load()
		n, i := at>>32, at&(1<<32-1)
		if i >= n {
			return
		}
		if !p.indices.CompareAndSwap(at, at+1) {
			continue
		}
		p.task.Run(int(i))
		if p.done.Add(1) == int64(n) {
			p.caller.wake()
		}
	}
}

// idle says whether there is no call to claim.
func (p *Pool) idle() bool {
	at := p.indices.Load()
	return at&(1<<32-1) >= at>>32
}

func (p *Pool) work(w *waiter) {
	ready := func() bool { return !p.idle() || p.closed.Load() }
	for {
		w.await(p, ready)
		if p.closed.Load() {
			return
		}
		p.help()
	}
}

// rounds returns for how many rounds a thread of a pool looks for what the others do before
// it sleeps. The operations of a frame follow each other within microseconds, less than
// waking a thread takes; but where there are fewer CPUs than threads, looking takes the CPU
// from those that compute.
func rounds(threads int) int {
	if threads > runtime.GOMAXPROCS(0) || threads > runtime.NumCPU() {
		return 0
	}
	return 500
}

// A waiter is a thread that waits for something that others do.
type waiter struct {
	sleeping atomic.Bool
	signal   chan struct{}
}

func newWaiter() waiter { return waiter{signal: make(chan struct{}, 1)} }

// wake wakes the waiter where it sleeps. What it waits for must already be so.
func (w *waiter) wake() {
	if w.sleeping.Load() && w.sleeping.Swap(false) {
		w.signal <- struct{}{}
	}
}

// await returns once ready does: it looks for that for the rounds of a pool, 500 of which take
// a tenth of a millisecond, and then sleeps. Every few rounds other goroutines may have the
// CPU.
func (w *waiter) await(p *Pool, ready func() bool) {
	for round, calm, burst := 0, 0, 0; calm < p.rounds && burst < p.patient; round++ {
		for range 4 {
			if ready() {
				return
			}
			pause()
		}
		if p.bursts.Load() > 0 {
			burst++
		} else {
			calm++
		}
		if round%16 == 15 {
			runtime.Gosched()
		}
	}
	for !ready() {
		w.sleeping.Store(true)
		if ready() && w.sleeping.Swap(false) {
			return
		}
		<-w.signal
	}
}
