package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/facodec-go/facodec/internal/fifo"
	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/plural"
)

// errQuit is what the command quit returns.
var errQuit = errors.New("quit")

// command does what a key or a line says.
func (s *liveSession) command(line string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(word) {
	case "":
		return nil
	case "q", "quit":
		return errQuit
	case "b", "bypass":
		return s.bypass()
	case "r", "reconstruct":
		return s.toOwn()
	case "c", "convert":
		return s.toVoice(s.chosen())
	case "v", "voice":
		return s.toNamed(rest)
	case "+", "=": // on many keyboards one key
		return s.toShare(stepped(s.shared() + shareStep))
	case "-":
		return s.toShare(stepped(s.shared() - shareStep))
	case "m", "match":
		share, err := strconv.ParseFloat(rest, 64)
		if err != nil || !(share >= 0 && share <= 1) {
			return fmt.Errorf("match %q: give 0, none, to 1, frames of the reference alone", rest)
		}
		return s.toShare(share)
	}
	if n, err := strconv.Atoi(word); err == nil {
		return s.toVoice(n - 1)
	}
	return fmt.Errorf("%q is no command: there are voice N, 1 to 9, match X, + and -, bypass, reconstruct, convert and quit", line)
}

func (s *liveSession) chosen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// toNamed changes to a voice by its number or name.
func (s *liveSession) toNamed(name string) error {
	if n, err := strconv.Atoi(name); err == nil {
		return s.toVoice(n - 1)
	}
	for i, v := range s.voices {
		if v.name == name {
			return s.toVoice(i)
		}
	}
	return fmt.Errorf("voice %q: there is none of that name; the names are %s", name, strings.Join(s.voiceNames(), ", "))
}

func (s *liveSession) voiceNames() (names []string) {
	for _, v := range s.voices {
		names = append(names, v.name)
	}
	return names
}

func (s *liveSession) toVoice(i int) error {
	if i < 0 || i >= len(s.voices) {
		return fmt.Errorf("voice %d: %s named, with --reference or --voices", i+1, were(len(s.voices), "voice"))
	}
	s.mu.Lock()
	s.now, s.wantOwn = i, false
	s.mu.Unlock()
	return s.duplex.Set(live.Convert, s.voices[i].WithMatch(s.shared()))
}

// shareStep is by how much a key changes the share of a voice's own frames.
const shareStep = 0.1

// stepped is the share after a step, without what rounding adds.
func stepped(share float64) float64 { return max(0, min(1, math.Round(100*share)/100)) }

func (s *liveSession) shared() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.share
}

// toShare changes the share of the voice's own frames.
func (s *liveSession) toShare(share float64) error {
	if s.slowest() == nil {
		return errors.New("the voices have no frames to match: start with --match 0.5, say")
	}
	s.mu.Lock()
	s.share = share
	now := s.now
	s.mu.Unlock()
	if s.duplex.Mode() != live.Convert {
		s.show.info("match %g, from the next conversion on", share)
		return nil
	}
	s.show.info("match %g", share)
	return s.duplex.Set(live.Convert, s.voices[now].WithMatch(share))
}

func were(n int, what string) string {
	verb := " were"
	if n == 1 {
		verb = " was"
	}
	return plural.Of(n, what) + verb
}

func (s *liveSession) bypass() error {
	s.mu.Lock()
	s.wantOwn = false
	s.mu.Unlock()
	return s.duplex.Set(live.Bypass, nil)
}

// toOwn changes to one's own voice through the codec, once it is known.
func (s *liveSession) toOwn() error {
	s.mu.Lock()
	own := s.own
	s.wantOwn = own == nil
	s.mu.Unlock()
	if own == nil {
		return fmt.Errorf("your own voice is not known yet: %.0f %% of the speech that it takes was heard", 100*s.learn.Heard())
	}
	return s.duplex.Set(live.Reconstruct, own.Voice)
}

// learned is called with one's own timbre.
func (s *liveSession) learned(timbre []float32) {
	s.mu.Lock()
	s.own = &liveVoice{"own", &live.Voice{Timbre: timbre}}
	want := s.wantOwn
	s.wantOwn = false
	s.mu.Unlock()
	if !want {
		return
	}
	if err := s.duplex.Set(live.Reconstruct, &live.Voice{Timbre: timbre}); err != nil {
		s.show.warning("%v", err)
		return
	}
	s.show.info("your own voice is learned, and goes through the codec from now on")
}

// label is what the meter calls what is heard.
func (s *liveSession) label() string {
	mode := s.duplex.Mode()
	if mode != live.Convert {
		return mode.String()
	}
	return s.voices[s.chosen()].name
}

// obey does what lines of r say, until it ends or one says quit.
func (s *liveSession) obey(lines io.Reader) error {
	scan := bufio.NewScanner(lines)
	for scan.Scan() {
		if err := s.command(scan.Text()); errors.Is(err, errQuit) {
			return err
		} else if err != nil {
			s.show.warning("%v", err)
		}
	}
	return scan.Err()
}

// serveControl reads commands from the named pipe --control, and calls quit when one says
// so. It returns what removes the pipe if it made it.
func (s *liveSession) serveControl(ctx context.Context, quit func()) (remove func(), err error) {
	remove = func() {}
	if s.control == "" {
		return remove, nil
	}
	info, err := os.Stat(s.control)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := fifo.Make(s.control); err != nil {
			return remove, fmt.Errorf("--control %s: %w", s.control, err)
		}
		remove = func() { os.Remove(s.control) }
	case err != nil:
		return remove, fmt.Errorf("--control: %w", err)
	case info.Mode()&fs.ModeNamedPipe == 0:
		return remove, fmt.Errorf("--control %s: there is a file of that name, and it is no named pipe; name another", s.control)
	}
	go func() {
		for {
			f, err := fifo.Open(ctx, s.control)
			if err != nil {
				return
			}
			r, stop := fifo.Reader(ctx, f)
			err = s.obey(r)
			stop()
			f.Close()
			if errors.Is(err, errQuit) {
				quit()
			}
			if err != nil || ctx.Err() != nil {
				return
			}
		}
	}()
	return remove, nil
}

// serveKeys does what keys say, if in is a terminal, and returns what gives it back.
func (s *liveSession) serveKeys(in io.Reader, quit func()) (restore func()) {
	f, ok := in.(*os.File)
	if !ok || !s.show.terminal() || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	restore, err := keyByKey(int(f.Fd()))
	if err != nil {
		return func() {}
	}
	go func() {
		key := make([]byte, 1)
		for {
			if n, err := f.Read(key); err != nil || n == 0 {
				return
			}
			err := s.command(string(key))
			switch {
			case errors.Is(err, errQuit):
				quit()
				return
			case err != nil:
				s.show.notice("%v", err)
			}
		}
	}()
	return restore
}
