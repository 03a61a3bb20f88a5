package parallel

import (
	"sync"
	"sync/atomic"
	"testing"
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
