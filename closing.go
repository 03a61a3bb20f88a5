package facodec

import (
	"errors"
	"sync"
)

// ErrClosed: the codec, or the redecoder, was closed.
var ErrClosed = errors.New("the codec is closed")

// A gate lets calls in until it is closed. A call must not enter the same gate twice:
// a close between the two would wait for the first and block the second.
type gate struct {
	mu     sync.RWMutex
	closed bool
}

// enter returns ErrClosed, or nil: then leave must follow.
func (g *gate) enter() error {
	g.mu.RLock()
	if g.closed {
		g.mu.RUnlock()
		return ErrClosed
	}
	return nil
}

func (g *gate) leave() { g.mu.RUnlock() }

// close waits until all have left, and calls release the first time.
func (g *gate) close(release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		release()
	}
}

// gates are passed together: those of a redecoder and of its codec.
type gates []*gate

func (list gates) enter() error {
	for i, g := range list {
		if err := g.enter(); err != nil {
			list[:i].leave()
			return err
		}
	}
	return nil
}

func (list gates) leave() {
	for _, g := range list {
		g.leave()
	}
}
