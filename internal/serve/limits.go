package serve

import (
	"context"
	"sync"
	"time"
)

// places are what requests of the codec take from their first byte to their last.
type places struct {
	mu    sync.Mutex
	limit int
	n     int
}

func newPlaces(limit int) *places { return &places{limit: limit} }

// take takes a place, or is errBusy at once.
func (p *places) take() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n >= p.limit {
		return errBusy
	}
	p.n++
	return nil
}

func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n--
}

func (p *places) taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// turns let so many requests compute at once, a piece of audio at a time. Live streams come
// first: the more of them are open, the longer a request pauses after each piece.
type turns struct {
	slots chan struct{}
	load  func() float64 // of the live streams, 0 to 1
}

func newTurns(n int, load func() float64) *turns {
	return &turns{make(chan struct{}, n), load}
}

// leastShare is what requests have of a processor while as many streams are open as it
// sustains: they go on, slowly.
const leastShare = 0.1

// do calls compute when it is its turn.
func (t *turns) do(ctx context.Context, compute func() error) error {
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-t.slots }()
	start := time.Now()
	if err := compute(); err != nil {
		return err
	}
	share := max(leastShare, 1-t.load())
	if pause := time.Duration(float64(time.Since(start)) * (1 - share) / share); pause > time.Millisecond {
		select {
		case <-time.After(min(pause, time.Second)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// computing returns how many have their turn.
func (t *turns) computing() int { return len(t.slots) }

// A budget is memory that all requests share.
type budget struct {
	all  int64
	mu   sync.Mutex
	left int64
}

func newBudget(bytes int64) *budget { return &budget{all: bytes, left: bytes} }

// take takes bytes, or is errMemory at once, errNoMemory where there will never be as much.
func (b *budget) take(bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes > b.all {
		return errNoMemory
	}
	if bytes > b.left {
		return errMemory
	}
	b.left -= bytes
	return nil
}

func (b *budget) free(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += bytes
}

// remaining returns how many bytes are left.
func (b *budget) remaining() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left
}
