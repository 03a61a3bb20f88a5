package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/facodec-go/facodec/internal/plural"
)

// LoaderOptions say what a Loader delivers.
type LoaderOptions struct {
	BatchSize int    // clips in a batch; 0 is 4
	Seed      uint64 // of order and gain
	// GainDB is the range of the random gain in dB: drawn for each clip and epoch,
	// uniform. The zero value is none, as upstream; DefaultGainDB makes a
	// codec that knows quiet speech.
	GainDB [2]float64
	// Workers is how many clips are loaded and labeled at a time; 0 is one for
	// each CPU.
	Workers int
	// Ahead is how many batches may be loaded before they are asked for; 0 is 2.
	Ahead int
	// Start is the position of the first batch.
	Start Position
	// Skip, where there is one, says that the n-th batch from Start on is not wanted: it is
	// returned without items, and nothing is loaded for it.
	Skip func(n int) bool
	// Label, where there is one, is called for each clip on the workers'
	// goroutines, with its samples at peak 1, before the gain, so that what it finds
	// can be kept under Clip.Key. It must neither change nor keep them. A clip for
	// which it returns ErrSkip is replaced like one that cannot be read; any other
	// error ends the loader.
	Label LabelFunc
}

// A LabelFunc makes of a clip what else training needs of it.
type LabelFunc func(ctx context.Context, c Clip, samples []float32) (any, error)

// DefaultGainDB is the range of the random gain in training.
var DefaultGainDB = [2]float64{-24, 0}

// ErrSkip is for Label: this clip cannot be used, and the others can.
var ErrSkip = errors.New("clip cannot be labeled")

// ErrNothingLeft: no clip of the set can be loaded any more.
var ErrNothingLeft = errors.New("nothing loads any more")

// ErrClosed: the loader was closed.
var ErrClosed = errors.New("the loader is closed")

// An Item is a clip as training sees it.
type Item struct {
	Clip    Clip
	Samples []float32 // mono, at the set's rate, peak 1 and then Gain; the receiver's
	Gain    float64   // dB
	Label   any       // what Label returned
}

// A Batch is LoaderOptions.BatchSize items.
type Batch struct {
	Position Position // its own
	Items    []Item
}

// A Loader delivers the training clips of a set in batches, without an end, and
// loads ahead. Which clips and which gains a batch has depends on the set, the
// options and its position alone.
//
// A clip that cannot be loaded is reported through Options.Report, once for each
// file, and the next one of the epoch's order that can be stands in for it, with
// the gain that it has anyway in this epoch.
//
// Next and Position are for one goroutine at a time; Close may be called from any.
type Loader struct {
	set    *Set
	o      LoaderOptions
	plan   schedule
	cancel context.CancelFunc
	ctx    context.Context

	queue   chan *pending // batches in order, loaded or not
	tasks   chan task
	room    chan struct{} // a token for each batch of which memory is taken
	running sync.WaitGroup

	at      Position // of the next batch that Next returns
	current *pending // taken from queue, and not yet returned
	err     error    // the first; it stays
}

// pending is a batch that is being loaded.
type pending struct {
	at    Position
	order []int32 // of the epoch
	items []Item
	errs  []error
	left  atomic.Int32  // items
	done  chan struct{} // closed when none is left
}

// A task is to load item i of a batch.
type task struct {
	batch *pending
	i     int
}

// NewLoader starts loading. The caller must Close the loader.
func (s *Set) NewLoader(o LoaderOptions) (*Loader, error) {
	if o.BatchSize == 0 {
		o.BatchSize = 4
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Ahead <= 0 {
		o.Ahead = 2
	}
	fail := func(format string, args ...any) (*Loader, error) {
		return nil, fmt.Errorf("dataset %s: "+format, append([]any{s.root}, args...)...)
	}
	lo, hi := o.GainDB[0], o.GainDB[1]
	switch {
	case len(s.Train) == 0 || len(s.Train) > math.MaxInt32:
		return fail("%s to train on", plural.Of(len(s.Train), "clip"))
	case o.BatchSize < 0:
		return fail("batches of %s", plural.Of(o.BatchSize, "clip"))
	case !(lo <= hi) || math.IsInf(lo, 0) || math.IsInf(hi, 0):
		return fail("gain [%v, %v] dB: want the lower number first", lo, hi)
	}
	l := &Loader{
		set: s, o: o,
		plan:  schedule{seed: o.Seed, clips: len(s.Train), batch: o.BatchSize},
		queue: make(chan *pending, o.Ahead),
		tasks: make(chan task),
		room:  make(chan struct{}, o.Ahead),
	}
	start, err := l.plan.check(o.Start)
	if err != nil {
		return fail("%w", err)
	}
	l.at = start
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.running.Go(func() { l.produce(start) })
	for range o.Workers {
		l.running.Go(l.work)
	}
	return l, nil
}

// BatchesPerEpoch returns how many batches an epoch has: the clips that are too few
// for another one are left out, others each epoch. If all clips are fewer than a
// batch, an epoch is one batch, in which they repeat.
func (l *Loader) BatchesPerEpoch() int { return l.plan.batches() }

// Position returns that of the next batch: a Loader that starts there continues.
func (l *Loader) Position() Position { return l.at }

// Next returns the next batch. If ctx ends first, the batch is not lost: the next
// call returns it. Any other error stays.
func (l *Loader) Next(ctx context.Context) (Batch, error) {
	if l.err != nil {
		return Batch{}, l.err
	}
	if l.ctx.Err() != nil {
		return Batch{}, ErrClosed
	}
	if l.current == nil {
		select {
		case l.current = <-l.queue:
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-l.ctx.Done():
			return Batch{}, ErrClosed
		}
	}
	b := l.current
	select {
	case <-b.done:
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	case <-l.ctx.Done():
		return Batch{}, ErrClosed
	}
	for _, err := range b.errs {
		if err != nil {
			if l.ctx.Err() != nil {
				return Batch{}, ErrClosed
			}
			l.err = err
			return Batch{}, err
		}
	}
	l.current = nil
	l.at = l.plan.next(b.at)
	<-l.room
	return Batch{Position: b.at, Items: b.items}, nil
}

// Close ends the loader's goroutines and returns when they have ended; a Label that
// is at work sees its context end.
func (l *Loader) Close() {
	l.cancel()
	l.running.Wait()
}

// produce hands out the items of one batch after the other, as long as there is
// room.
func (l *Loader) produce(at Position) {
	for number := 0; ; number, at = number+1, l.plan.next(at) {
		select {
		case l.room <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		n := l.o.BatchSize
		b := &pending{at: at, order: l.plan.orderOf(at.Epoch), items: make([]Item, n), errs: make([]error, n), done: make(chan struct{})}
		b.left.Store(int32(n))
		if l.o.Skip != nil && l.o.Skip(number) {
			b.items, b.errs = nil, nil
			close(b.done)
		}
		l.queue <- b // never waits: it has as much room
		if b.items == nil {
			continue
		}
		for i := range n {
			select {
			case l.tasks <- task{b, i}:
			case <-l.ctx.Done():
				return
			}
		}
	}
}

func (l *Loader) work() {
	for {
		select {
		case t := <-l.tasks:
			b := t.batch
			b.items[t.i], b.errs[t.i] = l.item(b, t.i)
			if b.left.Add(-1) == 0 {
				close(b.done)
			}
		case <-l.ctx.Done():
			return
		}
	}
}

// item loads the i-th item of a batch, or what stands in for it.
func (l *Loader) item(b *pending, i int) (Item, error) {
	n := len(b.order)
	at := b.at.Batch*l.o.BatchSize + i
	repeat := at / n // 0 but where all clips are fewer than a batch
	var first error
	for k := range n {
		c := l.set.Train[b.order[(at+k)%n]]
		it, err := l.set.item(l.ctx, c, l.o.Label)
		if err == nil {
			it.Gain = gain(l.o.Seed, b.at.Epoch, c, repeat, l.o.GainDB[0], l.o.GainDB[1])
			amplify(it.Samples, it.Gain)
			return it, nil
		}
		if !isSkip(err) {
			return Item{}, err
		}
		if first == nil {
			first = fmt.Errorf("%s: %w", printable(c.Path), err)
		}
	}
	return Item{}, fmt.Errorf("dataset %s: %w: none of %s; the first: %w", l.set.root, ErrNothingLeft, plural.Of(n, "clip"), first)
}
