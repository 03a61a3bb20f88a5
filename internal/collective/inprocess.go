package collective

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// A World is a run whose ranks are goroutines of one process: what tests use. Messages
// arrive after random delays, so that a result that depends on their order shows.
type World struct {
	mu       sync.Mutex
	arrived  sync.Cond
	queues   map[route][]message
	links    []time.Time // when each rank will have sent all that it has to
	aborted  error
	exchange int   // how many Exchanges there were
	bytes    int64 // that were sent

	// MaxDelay is the longest delay of a message; 0 for none.
	MaxDelay time.Duration
	// Rate is how many bytes a second each rank can send; 0 for any number.
	Rate float64
}

// A message is on its way until it arrives.
type message struct {
	data    []byte
	arrives time.Time
}

// A route is where messages keep their order.
type route struct{ from, to, tag int }

// NewWorld returns a world and its ranks.
func NewWorld(size int) (*World, []Comm) {
	w := &World{queues: map[route][]message{}, links: make([]time.Time, size)}
	w.arrived.L = &w.mu
	ranks := make([]Comm, size)
	for i := range ranks {
		ranks[i] = member{w, i, size}
	}
	return w, ranks
}

// Abort ends every Exchange with ErrBroken, as the launcher of processes does when one
// of them dies.
func (w *World) Abort(rank int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.aborted == nil {
		w.aborted = fmt.Errorf("rank %d: %w", rank, ErrBroken)
	}
	w.arrived.Broadcast()
}

// Traffic returns how many Exchanges there were, and how many bytes were sent in them.
func (w *World) Traffic() (exchanges int, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.exchange, w.bytes
}

type member struct {
	*World
	rank, size int
}

func (m member) Rank() int { return m.rank }
func (m member) Size() int { return m.size }

// send returns when a message of n bytes that a rank sends now arrives: after all others
// that it has sent. The World is locked.
func (m member) send(n int) time.Time {
	link := &m.links[m.rank]
	if now := time.Now(); link.Before(now) {
		*link = now
	}
	if m.Rate > 0 {
		*link = link.Add(time.Duration(float64(n) / m.Rate * float64(time.Second)))
	}
	return *link
}

func (m member) Exchange(tag int, send, recv [][]byte) error {
	if d := m.MaxDelay; d > 0 {
		time.Sleep(rand.N(d))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.exchange++
	for to, data := range send {
		if to != m.rank && len(data) > 0 {
			at := route{m.rank, to, tag}
			m.queues[at] = append(m.queues[at], message{append([]byte(nil), data...), m.send(len(data))})
			m.bytes += int64(len(data))
		}
	}
	m.arrived.Broadcast()
	for from, data := range recv {
		if from == m.rank || len(data) == 0 {
			continue
		}
		at := route{from, m.rank, tag}
		for len(m.queues[at]) == 0 && m.aborted == nil {
			m.arrived.Wait()
		}
		if len(m.queues[at]) == 0 {
			return m.aborted
		}
		got := m.queues[at][0]
		m.queues[at] = m.queues[at][1:]
		if len(got.data) != len(data) {
			return fmt.Errorf("rank %d sent %d bytes with tag %d, rank %d waits for %d", from, len(got.data), tag, m.rank, len(data))
		}
		if wait := time.Until(got.arrives); wait > 0 {
			m.mu.Unlock()
			time.Sleep(wait)
			m.mu.Lock()
		}
		copy(data, got.data)
	}
	return nil
}
