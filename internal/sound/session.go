package sound

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Session captures from one device and plays on another for as long as it runs. A device
// that vanishes is opened again when it is back, and so is a server.
type Session struct {
	// Input and Output are what the user calls the devices; "" are the default ones.
	Input, Output string
	// InRate and OutRate are those of the samples, in Hz.
	InRate, OutRate int
	Piece           time.Duration
	Title           string // of the streams
	// Take gets what is captured, and Fill gives what is played.
	Take, Fill func([]float32)
	// Say is told of devices that vanish and come back.
	Say func(text string)

	mu        sync.Mutex
	server    *Server
	in, out   *Stream
	underruns int
}

// retry is how often a device that is gone is looked for.
const retry = 500 * time.Millisecond

// Run opens the devices and keeps them open until the context ends. Only what cannot be
// opened at first is an error.
func (s *Session) Run(ctx context.Context) error {
	for _, play := range []bool{false, true} {
		if err := s.open(play); err != nil {
			s.close()
			return err
		}
	}
	var wg sync.WaitGroup
	for _, play := range []bool{false, true} {
		wg.Go(func() { s.keep(ctx, play) })
	}
	<-ctx.Done()
	s.close()
	wg.Wait()
	return nil
}

// keep opens a stream again whenever it ends.
func (s *Session) keep(ctx context.Context, play bool) {
	for {
		st := s.streamOf(play)
		select {
		case <-st.Done():
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
		s.Say(fmt.Sprintf("%s %s is gone; waiting for it", kindOf(play), st.Device()))
		for s.open(play) != nil {
			select {
			case <-time.After(retry):
			case <-ctx.Done():
				return
			}
		}
		s.Say(fmt.Sprintf("%s %s is back", kindOf(play), s.streamOf(play).Device()))
	}
}

func kindOf(play bool) string {
	if play {
		return "output"
	}
	return "input"
}

func (s *Session) streamOf(play bool) *Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if play {
		return s.out
	}
	return s.in
}

// open opens one of the two streams, and the server if it must.
func (s *Session) open(play bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		select {
		case <-s.server.Gone():
			s.server = nil
		default:
		}
	}
	if s.server == nil {
		server, err := Connect(s.Title)
		if err != nil {
			return err
		}
		s.server = server
	}
	what, rate := s.Input, s.InRate
	if play {
		what, rate = s.Output, s.OutRate
	}
	o := StreamOptions{Rate: rate, Piece: s.Piece, Title: s.Title, Stay: what != ""}
	if what != "" {
		inputs, outputs, err := s.server.Devices()
		if err != nil {
			return err
		}
		if play {
			inputs = outputs
		}
		device, err := Find(inputs, what)
		if err != nil {
			return fmt.Errorf("%s %w", kindOf(play), err)
		}
		o.Device = device.Name
	}
	if play {
		st, err := s.server.Play(o, s.Fill)
		if err == nil {
			if s.out != nil {
				s.underruns += s.out.Underruns()
			}
			s.out = st
		}
		return err
	}
	st, err := s.server.Capture(o, s.Take)
	if err == nil {
		if s.in != nil {
			s.underruns += s.in.Underruns()
		}
		s.in = st
	}
	return err
}

func (s *Session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.server.Close()
	}
}

// Latency asks the server how long sound takes from the one device to this program, and
// from here to the other; 0 of one that is gone.
func (s *Session) Latency() (in, out time.Duration) {
	if st := s.streamOf(false); st != nil {
		in, _ = st.Latency()
	}
	if st := s.streamOf(true); st != nil {
		out, _ = st.Latency()
	}
	return in, out
}

// Underruns returns how often the server had nothing to play, or lost what was captured.
func (s *Session) Underruns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.underruns
	for _, st := range []*Stream{s.in, s.out} {
		if st != nil {
			n += st.Underruns()
		}
	}
	return n
}
