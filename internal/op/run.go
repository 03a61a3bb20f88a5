// Package op holds the coarse operations that networks are made of. A layer
// (package nn) owns parameters and calls operations; an operation owns none.
//
// Every operation works on a Run: the context that makes one definition of a
// layer serve whole utterances and streams. The rule that joins the two: an
// operation emits exactly the rows that a whole utterance would give and that
// can already be known, and remembers the input rows it still needs. Chunks may
// therefore be of any size, none included, and give the whole utterance's rows
// bit for bit; a whole utterance is the stream whose first chunk is also its
// last.
//
// Ownership: an operation never frees what it is given, except where its
// documentation says "takes"; whoever got a tensor from an operation gives it
// back with Free.
package op

import (
	"math/bits"
	"unsafe"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Slot names the place in a Run where one operation of a network keeps its
// rows between chunks. Slots are made when a network is built; each is unlike
// every other, so that networks share a Run.
type Slot *slot

type slot struct{ _ byte }

// NewSlot returns a slot of its own.
func NewSlot() Slot { return new(slot) }

// A Run is one pass of input through networks: an utterance or a stream. It is
// used by one goroutine at a time.
type Run struct {
	// Last says that the input ends with this chunk: right-hand padding is
	// added and everything held back is emitted.
	Last bool
	// Profiler, if not nil, measures the run.
	Profiler *Profiler

	pool  *parallel.Pool
	state map[Slot]*memory
	free  map[int][][]float32 // by capacity class
	taken map[*float32]*hold  // what is in use, by its first value
	holds []*hold             // unused
	tape  *tape               // of a recording run
}

// A hold says who still needs a piece of memory. It goes back once its owner has
// given it back and no backward pass on the tape needs it any more.
type hold struct {
	class  int
	owned  bool
	needed int
}

// memory is what one operation of one stream remembers.
type memory struct {
	rows    []float32 // held input rows, at the input's stride
	n       int       // how many
	skip    int       // leading rows kept for the reflection at the end only
	started bool      // the left-hand padding is in place
	h, c    []float32 // LSTM state
}

// NewRun returns a run whose operations share the threads of pool.
func NewRun(pool *parallel.Pool) *Run {
	return &Run{
		pool:  pool,
		state: map[Slot]*memory{},
		free:  map[int][][]float32{},
		taken: map[*float32]*hold{},
	}
}

// Reset forgets the stream, so that the next chunk starts an utterance. Memory
// is kept for it.
//
// Of a recording, everything is forgotten: no tensor that came from the run since
// Record may be used any more.
func (r *Run) Reset() {
	r.Last = false
	clear(r.state)
	if r.tape == nil {
		return
	}
	r.tape = nil
	for first, h := range r.taken {
		delete(r.taken, first)
		r.free[h.class] = append(r.free[h.class], unsafe.Slice(first, h.class))
		r.holds = append(r.holds, h)
	}
}

// Pool returns the threads of the run.
func (r *Run) Pool() *parallel.Pool { return r.pool }

func (r *Run) memory(s Slot) *memory {
	m := r.state[s]
	if m == nil {
		m = &memory{}
		r.state[s] = m
	}
	return m
}

// New returns an uninitialised tensor from the run's memory.
func (r *Run) New(b, t, c int) tensor.Tensor {
	return tensor.Wrap(r.alloc(tensor.Len(b, t, c)), b, t, c)
}

// Free gives x's memory back to the run. Tensors that did not come from the run
// are left alone.
func (r *Run) Free(xs ...tensor.Tensor) {
	for _, x := range xs {
		if x.Borrowed || cap(x.Data) == 0 {
			continue
		}
		if h := r.held(x); h != nil {
			h.owned = false
			r.recycle(h, x)
		}
	}
}

// held returns the hold on x's memory, nil for memory that is not the run's.
func (r *Run) held(x tensor.Tensor) *hold {
	if cap(x.Data) == 0 {
		return nil
	}
	return r.taken[&x.Data[:1][0]]
}

// recycle makes memory that nobody needs any more free.
func (r *Run) recycle(h *hold, x tensor.Tensor) {
	if h.owned || h.needed > 0 {
		return
	}
	delete(r.taken, &x.Data[:1][0])
	r.free[h.class] = append(r.free[h.class], x.Data[:h.class])
	r.holds = append(r.holds, h)
}

// Borrow returns x as a tensor that Free leaves alone, to pass to a layer while x
// is still needed.
func (r *Run) Borrow(x tensor.Tensor) tensor.Tensor {
	x.Borrowed = true
	return x
}

func (r *Run) alloc(n int) []float32 {
	class := classOf(n)
	var data []float32
	if l := r.free[class]; len(l) > 0 {
		data = l[len(l)-1]
		r.free[class] = l[:len(l)-1]
	} else {
		data = make([]float32, class)
	}
	h := &hold{}
	if n := len(r.holds); n > 0 {
		h, r.holds = r.holds[n-1], r.holds[:n-1]
	}
	*h = hold{class: class, owned: true}
	r.taken[&data[0]] = h
	return data[:n]
}

// Memory returns the bytes of all that the run has taken from the system.
func (r *Run) Memory() int64 {
	var n int64
	for class, list := range r.free {
		n += 4 * int64(class) * int64(len(list))
	}
	for _, h := range r.taken {
		n += 4 * int64(h.class)
	}
	return n
}

// classOf rounds a length up to one of four steps in each power of two, so that
// chunks of varying length reuse each other's memory at a cost of at most a
// quarter.
func classOf(n int) int {
	n = max(n, 64)
	step := 1 << max(bits.Len(uint(n-1))-3, 0)
	return (n + step - 1) / step * step
}
