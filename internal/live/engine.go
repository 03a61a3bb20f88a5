package live

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/plural"
)

var (
	// ErrNotLive: the codec's first sample comes too late for speaking.
	ErrNotLive = errors.New("the model waits for the end of what is said, or for more than a second of it: it cannot run live")
	// ErrFull: samples arrive faster than time passes, or nobody takes the output.
	ErrFull = errors.New("the queue is full")
	// ErrVoice: Convert and Reconstruct need a voice.
	ErrVoice = errors.New("no voice is set")
	// ErrEnded: samples after End.
	ErrEnded = errors.New("the input has ended")
)

var errNoCodec = errors.New("live: no codec")

// A Mode says what is heard.
type Mode int

// The modes.
const (
	Convert     Mode = iota // what is said, in the voice that is set
	Reconstruct             // the same with the residual: through the codec, in one's own voice if that is the one set
	Bypass                  // the input, delayed as in the other modes
)

var modeNames = []string{"convert", "reconstruct", "bypass"}

// String returns "convert", "reconstruct" or "bypass".
func (m Mode) String() string {
	if m < 0 || int(m) >= len(modeNames) {
		return fmt.Sprintf("mode %d", int(m))
	}
	return modeNames[m]
}

// ParseMode returns the mode of a name.
func ParseMode(name string) (Mode, error) {
	if i := slices.Index(modeNames, name); i >= 0 {
		return Mode(i), nil
	}
	return 0, fmt.Errorf("mode %q: there are convert, reconstruct and bypass", name)
}

// Options say how an Engine works.
type Options struct {
	// InRate and OutRate are those of the samples written and read, in Hz; 0 is the
	// codec's.
	InRate, OutRate int
	// Voice is one of the codec, which Convert and Reconstruct need.
	Voice *Voice
	Mode  Mode
	// Block is how many frames Process converts at a time, 1 to MaxBlock; 0 is 1. A frame of
	// a block takes less time than one by itself, and waits for the others: the delay grows
	// by the duration of Block-1 frames. The samples do not depend on it. See ChooseBlock.
	Block int
	// MaxWait is how long input may wait for Process: after that all is skipped that
	// waits. 0 is 250 ms; negative skips nothing, for who has time.
	MaxWait time.Duration
	// Clock tells the time; nil is the monotonic clock.
	Clock func() time.Duration
}

const (
	defaultWait = 250 * time.Millisecond
	// queueSeconds is how much the queues hold.
	queueSeconds = 2
)

// An Engine converts a stream of samples as it arrives. Write, Read, Set, End and Stats
// may be called by any goroutine at any time and do not wait for the codec; Process is
// called by one. The codec must stay open as long as the engine is used.
type Engine struct {
	codec     *codec.Codec
	options   Options
	algorithm time.Duration
	block     int           // samples that are converted at a time, at the codec's rate
	took      time.Duration // that they took when the engine was made

	mu      sync.Mutex
	in, out ring
	base    int // samples of the output that were read or dropped
	arrived arrivals
	ended   bool
	mode    Mode
	voice   *Voice
	changed bool // mode or voice, since Process looked
	meters  meters

	// Of Process.
	work     sync.Mutex
	convert  *converter
	resample [2]*audio.Resampler // in and out; nil where the rates are equal
	raw      []float32           // room for a block at InRate
	pending  []float32           // at the codec's rate, less than a block after Process
	done     []float32
	final    []float32
	goal     *Voice // voice, as Process saw it; not nil
	skipping bool   // what was taken last
	// catchingUp says that more waits behind what was skipped.
	catchingUp bool
	finished   bool
}

// New returns an engine on an open codec. It runs the codec for a moment, to learn its
// delay. A codec that waits for the end of an utterance is ErrNotLive.
func New(c *facodec.Codec, o Options) (*Engine, error) {
	m := codec.Inner(c)
	if m == nil {
		return nil, errNoCodec
	}
	for _, network := range []string{codec.Encoder, codec.Decoder} {
		if err := m.Need(network); err != nil {
			return nil, err
		}
	}
	if o.InRate == 0 {
		o.InRate = m.SampleRate
	}
	if o.OutRate == 0 {
		o.OutRate = m.SampleRate
	}
	if o.Block == 0 {
		o.Block = 1
	}
	if o.Block < 1 || o.Block > MaxBlock {
		return nil, fmt.Errorf("live: blocks of %s; give 1 to %d", plural.Of(o.Block, "frame"), MaxBlock)
	}
	if o.MaxWait == 0 {
		o.MaxWait = defaultWait
	}
	if o.Clock == nil {
		start := time.Now()
		o.Clock = func() time.Duration { return time.Since(start) }
	}
	e := &Engine{codec: m, options: o, mode: o.Mode, block: o.Block * m.Hop}
	voice := &Voice{Timbre: make([]float32, m.Timbre)}
	if o.Voice != nil {
		var err error
		if voice, err = o.Voice.check(m); err != nil {
			return nil, err
		}
		e.voice = voice
	}
	if err := e.checkMode(o.Mode); err != nil {
		return nil, err
	}
	for i, pair := range [][2]int{{o.InRate, m.SampleRate}, {m.SampleRate, o.OutRate}} {
		r, err := audio.NewResampler(pair[0], pair[1])
		if err != nil {
			return nil, err
		}
		if pair[0] != pair[1] {
			e.resample[i] = r
			e.algorithm += delayOf(r, pair[0], pair[1])
		}
	}
	e.convert, e.goal = newConverter(m, o.Mode, voice), voice
	delay, took, err := e.convert.probe(o.Block)
	if err != nil {
		return nil, err
	}
	e.took = took
	e.algorithm += seconds(float64(delay) / float64(m.SampleRate))
	e.raw = make([]float32, audio.ResampledLen(int64(e.block), m.SampleRate, o.InRate))
	e.in, e.out = newRing(queueSeconds*o.InRate), newRing(queueSeconds*o.OutRate)
	e.meters.init(e.block, m.SampleRate)
	return e, nil
}

// delayOf returns by how much a resampler's output is behind.
func delayOf(r *audio.Resampler, from, to int) time.Duration {
	n := from / 10
	m := len(r.Process(nil, make([]float32, n)))
	r.Reset()
	return seconds(float64(n)/float64(from) - float64(m)/float64(to))
}

func seconds(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }

// checkMode refuses a mode that needs a voice without one.
func (e *Engine) checkMode(m Mode) error {
	switch {
	case m < Convert || m > Bypass:
		return fmt.Errorf("%v: there are %v, %v and %v", m, Convert, Reconstruct, Bypass)
	case m != Bypass && e.voice == nil:
		return fmt.Errorf("%v: %w", m, ErrVoice)
	}
	return nil
}

// InRate and OutRate return the rates of the samples written and read, in Hz.
func (e *Engine) InRate() int { return e.options.InRate }

// OutRate is the rate of the samples read, in Hz.
func (e *Engine) OutRate() int { return e.options.OutRate }

// Set changes the mode, and the voice unless it is nil, while the engine runs: the voice
// within 50 ms from the next frame on, the bypass in a crossfade of 10 ms.
func (e *Engine) Set(mode Mode, voice *Voice) error {
	if voice != nil {
		var err error
		if voice, err = voice.check(e.codec); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.voice
	if voice != nil {
		e.voice = voice
	}
	if err := e.checkMode(mode); err != nil {
		e.voice = before
		return err
	}
	e.mode, e.changed = mode, true
	return nil
}

// Mode returns what is heard.
func (e *Engine) Mode() Mode {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mode
}

// Write adds input. Samples that are not finite are refused, and none of the piece is
// taken; nor is one that the queue has no room for, two seconds, which is ErrFull.
func (e *Engine) Write(samples []float32) error {
	if err := codec.CheckSamples(samples); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.ended:
		return ErrEnded
	case e.in.n+len(samples) > queueSeconds*e.options.InRate:
		return ErrFull
	}
	e.in.push(samples)
	e.arrived.add(len(samples), e.options.Clock())
	e.meters.in.add(samples)
	e.meters.written += int64(len(samples))
	return nil
}

// End ends the input. Process then returns false once the output is whole: as many samples
// as were written, at the output's rate.
func (e *Engine) End() {
	e.mu.Lock()
	e.ended = true
	e.mu.Unlock()
}

// Read moves output that is ready into dst and returns how many samples.
func (e *Engine) Read(dst []float32) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.out.pop(dst)
	e.base += n
	return n
}

// fetch is what a playout reads by.
func (e *Engine) fetch(dst []float32, from int) (gone, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if from < e.base {
		return e.base - from, 0
	}
	past := min(from-e.base, e.out.n)
	e.out.drop(past)
	e.base += past
	if e.base < from {
		return 0, 0
	}
	n = e.out.pop(dst)
	e.base += n
	return 0, n
}

// trim forgets the oldest output but for keep samples.
func (e *Engine) trim(keep int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if past := e.out.n - keep; past > 0 {
		e.out.drop(past)
		e.base += past
	}
}

// Buffered returns how many samples Read would return.
func (e *Engine) Buffered() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.out.n
}

// Backlog returns how much input waits for Process.
func (e *Engine) Backlog() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return seconds(float64(e.in.n) / float64(e.options.InRate))
}

// Process converts up to a block of input, and returns false if there is none, or the
// output has not been read for two seconds.
func (e *Engine) Process() bool {
	e.work.Lock()
	defer e.work.Unlock()
	n, last, ok := e.next()
	if !ok {
		return false
	}
	start := e.options.Clock()
	e.done = e.done[:0]
	blocks := e.take(e.raw[:n], last)
	out := e.done
	if r := e.resample[1]; r != nil {
		out = r.Process(e.final[:0], e.done)
		if last {
			out = r.Flush(out)
		}
		e.final = out
	}
	took := e.options.Clock() - start

	e.mu.Lock()
	defer e.mu.Unlock()
	e.out.push(out)
	e.meters.out.add(out)
	e.meters.processed(took, blocks, e.skipping)
	return true
}

// next takes the next piece of input into raw, and what is set. last says that it is the
// last one.
func (e *Engine) next() (n int, last, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.finished || e.in.n == 0 && !e.ended || e.out.n > queueSeconds*e.options.OutRate {
		return 0, false, false
	}
	// Once something is skipped, all is that waits: the next block is then in time again.
	late := e.options.MaxWait >= 0 && e.in.n > 0 && e.options.Clock()-e.arrived.oldest() > e.options.MaxWait
	e.skipping = late || e.catchingUp
	n = e.in.pop(e.raw)
	e.catchingUp = e.skipping && e.in.n >= len(e.raw)
	e.arrived.drop(n)
	last = e.ended && e.in.n == 0
	e.finished = last
	if e.changed {
		if e.voice != nil {
			e.goal = e.voice
		}
		e.convert.set(e.mode, e.goal)
		e.changed = false
	}
	return n, last, true
}

// take sends input through the converter, into done, and returns how many blocks it was.
func (e *Engine) take(raw []float32, last bool) (blocks int) {
	if r := e.resample[0]; r != nil {
		e.pending = r.Process(e.pending, raw)
		if last {
			e.pending = r.Flush(e.pending)
		}
	} else {
		e.pending = append(e.pending, raw...)
	}
	from := 0
	for ; len(e.pending)-from >= e.block; blocks++ {
		block := e.pending[from : from+e.block]
		if e.skipping {
			e.done = e.convert.skip(e.done, block)
		} else {
			e.done = e.convert.push(e.done, block, false)
		}
		from += e.block
	}
	e.pending = e.pending[:copy(e.pending, e.pending[from:])]
	if last {
		e.done = e.convert.push(e.done, e.pending, true)
		e.pending = e.pending[:0]
	}
	return blocks
}
