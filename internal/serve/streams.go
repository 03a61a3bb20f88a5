package serve

import (
	"context"
	"sync"
)

// streams are the live streams that are open.
type streams struct {
	mu    sync.Mutex
	limit int
	n     int
	none  chan struct{} // closed while there are none

	warned  chan struct{} // closed when the server is about to end
	stopped chan struct{} // closed when streams are to end
}

func newStreams(limit int) *streams {
	s := &streams{limit: limit, none: make(chan struct{}), warned: make(chan struct{}), stopped: make(chan struct{})}
	close(s.none)
	return s
}

// take opens one, or is errStreams at once.
func (s *streams) take() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n >= s.limit {
		return errStreams
	}
	if s.n == 0 {
		s.none = make(chan struct{})
	}
	s.n++
	return nil
}

func (s *streams) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n == 0 {
		close(s.none)
	}
}

func (s *streams) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// load is how many of the streams that the processor sustains are open, 0 to 1.
func (s *streams) load() float64 { return float64(s.taken()) / float64(max(s.limit, 1)) }

// wait waits until none is open.
func (s *streams) wait(ctx context.Context) error {
	s.mu.Lock()
	none := s.none
	s.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
