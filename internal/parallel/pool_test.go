package parallel

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestForCallsEachOnce(t *testing.T) {
	for threads := 1; threads <= 5; threads++ {
		p := New(threads)
		for n := range 40 {
			calls := make([]atomic.Int32, n)
			p.For(n, func(i int) { calls[i].Add(1) })
			for i := range calls {
				if c := calls[i].Load(); c != 1 {
					t.Fatalf("%d threads, n %d: f(%d) called %d times", threads, n, i, c)
				}
			}
		}
		p.Close()
		p.Close()
	}
}

func TestForFromManyGoroutines(t *testing.T) {
	p := New(3)
	defer p.Close()
	var total atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				p.For(5, func(i int) { total.Add(int64(i)) })
			}
		})
	}
	wg.Wait()
	if got := total.Load(); got != 8*200*10 {
		t.Fatalf("sum %d, want %d", got, 8*200*10)
	}
}

func TestSplitCovers(t *testing.T) {
	p := New(3)
	defer p.Close()
	for n := range 50 {
		for _, grain := range []int{0, 1, 7, 100} {
			seen := make([]atomic.Int32, n)
			p.Split(n, grain, func(from, to int) {
				for i := from; i < to; i++ {
					seen[i].Add(1)
				}
			})
			for i := range seen {
				if seen[i].Load() != 1 {
					t.Fatalf("n %d grain %d: element %d seen %d times", n, grain, i, seen[i].Load())
				}
			}
		}
	}
}

func BenchmarkFor(b *testing.B) {
	p := New(0)
	defer p.Close()
	for b.Loop() {
		p.For(2, func(int) {})
	}
}

// TestRunAfterSleep: workers that have gone to sleep, and a caller that has, are woken.
func TestRunAfterSleep(t *testing.T) {
	p := New(3)
	defer p.Close()
	for range 20 {
		time.Sleep(2 * time.Millisecond) // longer than workers look
		var calls atomic.Int32
		p.For(3, func(int) {
			time.Sleep(time.Millisecond) // longer than the caller looks
			calls.Add(1)
		})
		if calls.Load() != 3 {
			t.Fatalf("%d calls of 3", calls.Load())
		}
	}
}

// TestIdleWorkersSleep: a pool without work leaves the CPU to others.
func TestIdleWorkersSleep(t *testing.T) {
	p := New(4)
	defer p.Close()
	p.For(4, func(int) {})
	deadline := time.Now().Add(10 * time.Second)
	for i := range p.workers {
		for !p.workers[i].sleeping.Load() {
			if time.Now().After(deadline) {
				t.Fatalf("worker %d does not sleep", i)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

type countTask struct{ calls atomic.Int64 }

func (c *countTask) Run(int) { c.calls.Add(1) }

func TestRunAllocatesNothing(t *testing.T) {
	p := New(2)
	defer p.Close()
	var c countTask
	if n := testing.AllocsPerRun(100, func() { p.Run(4, &c) }); n != 0 {
		t.Errorf("%v allocations in a loop", n)
	}
	if n := c.calls.Load(); n != 4*101 {
		t.Errorf("%d calls of %d", n, 4*101)
	}
}

func TestParts(t *testing.T) {
	p := New(3)
	defer p.Close()
	for _, c := range []struct{ n, grain, want int }{{0, 1, 0}, {1, 1, 1}, {2, 1, 2}, {100, 1, 12}, {100, 60, 1}, {100, 50, 2}, {5, 0, 5}} {
		if got := p.Parts(c.n, c.grain); got != c.want {
			t.Errorf("%d in runs of %d: %d parts, want %d", c.n, c.grain, got, c.want)
		}
	}
}

// TestBurstIsAwaited: a thread looks for loops many times as often before it sleeps while a
// burst goes on, but not without end, and as often as ever once it is over.
func TestBurstIsAwaited(t *testing.T) {
	// looks returns how often a thread looks before it sleeps; seen is told each time.
	looks := func(p *Pool, seen func(n int)) (n int) {
		w := newWaiter()
		w.await(p, func() bool {
			if w.sleeping.Load() {
				return true
			}
			n++
			seen(n)
			return false
		})
		return n
	}
	p := &Pool{rounds: 3, patient: 60}
	nothing := func(int) {}
	calm := looks(p, nothing)
	p.BeginBurst()
	p.BeginBurst()
	p.EndBurst()
	burst := looks(p, nothing)
	ended := looks(p, func(n int) {
		if n == 100 {
			p.EndBurst()
		}
	})
	after := looks(p, nothing)
	if calm != 4*3+1 || burst != 4*60+1 || ended < 100+4*2 || ended > 100+4*4+1 || after != calm {
		t.Errorf("%d looks, %d in a burst, %d where it ends after 100, %d after it", calm, burst, ended, after)
	}
	if n := looks(&Pool{}, nothing); n != 1 {
		t.Errorf("%d looks with more threads than CPUs", n)
	}
}
