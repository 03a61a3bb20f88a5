package live

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	facodec "github.com/facodec-go/facodec"
)

// DuplexOptions say how a Duplex works.
type DuplexOptions struct {
	Options
	// Delay is from the arrival of a sample to the moment when it is asked for; 0 is the
	// least that leaves time to process it.
	Delay time.Duration
	// Piece is how much the devices deliver and ask for at a time, together.
	Piece time.Duration
	// Margin is how long a block of frames may take at most: 0 is 20 ms, or three times what
	// it took when that was measured; NoMargin is for who processes before asking for samples.
	Margin time.Duration
	// OneClock says that one device, or none, does both: Play is asked for as much as
	// Capture was given, and what it returns follows from that alone, sample by sample.
	OneClock bool
}

// A Duplex is an Engine between a device that captures sound and one that plays it. It
// holds a fixed delay between the two, whose clocks differ. Capture, Play, Set and Stats
// may be called by any goroutine, and do not wait for the codec; Run, or Process, is called
// by one.
type Duplex struct {
	engine  *Engine
	options DuplexOptions
	least   time.Duration
	wake    chan struct{}

	mu      sync.Mutex // of what follows
	playout *playout
	scale   float64 // samples of the codec for one captured
	lost    int64   // captured samples that the queue had no room for
}

const (
	// NoMargin as DuplexOptions.Margin is none.
	NoMargin = -1 * time.Nanosecond
	// NeverSkip as Options.MaxWait skips nothing.
	NeverSkip = -1 * time.Nanosecond
	// defaultMargin is the least time that a frame has to be processed in, beyond which it
	// is late, unless the caller says otherwise.
	defaultMargin = 20 * time.Millisecond
)

// NewDuplex returns a Duplex on an open codec.
func NewDuplex(c *facodec.Codec, o DuplexOptions) (*Duplex, error) {
	rate := c.SampleRate()
	playRate := o.OutRate
	if playRate == 0 {
		playRate = rate
	}
	o.OutRate = rate
	if o.Clock == nil {
		start := time.Now()
		o.Clock = func() time.Duration { return time.Since(start) }
	}
	e, err := New(c, o.Options)
	if err != nil {
		return nil, err
	}
	d := &Duplex{engine: e, options: o, wake: make(chan struct{}, 1), scale: float64(rate) / float64(e.InRate())}
	d.playout = newPlayout(rate, playRate, 0, o.OneClock)
	resample := seconds(float64(d.playout.ahead) / float64(rate))
	e.algorithm += resample
	if o.Margin == 0 {
		o.Margin = max(defaultMargin, 3*e.took)
	}
	d.least = e.algorithm + o.Piece + max(o.Margin, 0)
	if o.Delay > 0 && o.Delay < e.algorithm {
		return nil, fmt.Errorf("a delay of %v is less than the %v that the codec itself takes, so that nothing could be heard; %v leave time to compute",
			o.Delay, e.algorithm.Round(time.Millisecond), d.least.Round(time.Millisecond))
	}
	if d.options.Delay == 0 {
		d.options.Delay = (d.least + time.Millisecond - 1).Truncate(time.Millisecond)
	}
	d.playout.delay = math.Round(d.options.Delay.Seconds() * float64(rate))
	if o.MaxWait == 0 {
		// What waits longer comes too late to be played.
		e.options.MaxWait = max(d.options.Delay-e.algorithm, defaultMargin)
	}
	return d, nil
}

// Delay returns the delay that is held.
func (d *Duplex) Delay() time.Duration { return d.options.Delay }

// LeastDelay returns the least delay that leaves time to process a frame: with less,
// frames may come late.
func (d *Duplex) LeastDelay() time.Duration { return d.least }

// Set is that of Engine.
func (d *Duplex) Set(mode Mode, voice *Voice) error { return d.engine.Set(mode, voice) }

// Mode is that of Engine.
func (d *Duplex) Mode() Mode { return d.engine.Mode() }

// Capture takes samples that a device delivered just now. What there is no room for,
// because nothing processes, is dropped and counted.
func (d *Duplex) Capture(samples []float32) error {
	now := d.options.Clock()
	err := d.engine.Write(samples)
	d.mu.Lock()
	if err == nil {
		d.playout.arrived(now, float64(len(samples))*d.scale)
	} else if err == ErrFull {
		d.lost += int64(len(samples))
		err = nil
	}
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return err
}

// Play fills dst with what a device plays next.
func (d *Duplex) Play(dst []float32) {
	now := d.options.Clock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.playout.play(now, dst, d.engine)
}

// End ends the input.
func (d *Duplex) End() { d.engine.End() }

// Process is that of Engine.
func (d *Duplex) Process() bool {
	if !d.engine.Process() {
		return false
	}
	// Where nothing plays, what would have been played is forgotten.
	d.engine.trim(int(d.playout.delay) + d.engine.OutRate())
	return true
}

// Run processes what arrives, until the context ends.
func (d *Duplex) Run(ctx context.Context) {
	for {
		for d.Process() {
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
			return
		}
	}
}

// DuplexStats are what the meter of a Duplex shows.
type DuplexStats struct {
	Stats
	// Delay is that from the arrival of a sample to when it is asked for, as measured.
	Delay time.Duration
	// Late is how often samples were not there when they were due, and Missing how many
	// seconds were made up.
	Late    int
	Missing float64
	// Drift is by how much the capturing clock is faster than the playing one.
	Drift float64
	// Resyncs is how often the delay was set anew, because a device had stopped, and Lost
	// how many seconds of input nothing took.
	Resyncs int
	Lost    float64
}

// Stats returns what the meters show.
func (d *Duplex) Stats() DuplexStats {
	now := d.options.Clock()
	s := DuplexStats{Stats: d.engine.Stats()}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.playout
	s.Delay = d.options.Delay
	if !p.oneTime && p.anchored && !p.in.stopped(now) {
		s.Delay += seconds(p.err(now) / p.rate)
	}
	s.Late, s.Missing, s.Resyncs = p.late, float64(p.missing)/p.rate, p.resyncs
	s.Drift = p.drift
	s.Lost = float64(d.lost) / float64(d.engine.InRate())
	return s
}
