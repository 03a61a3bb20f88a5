// Package op holds the coarse operations that networks are made of. A layer
// (package nn) owns parameters and calls operations; an operation owns none.
//
// Every operation works on a Run, the context in which one definition of a layer
// serves whole utterances, streams and training. One rule joins them: an operation
// emits exactly those rows of the whole utterance's output that can be computed
// from the input so far, and keeps the input rows that later outputs need. Chunks
// may therefore have any size, zero included, and their outputs together equal the
// whole utterance's bit for bit. A whole utterance is a stream of one chunk.
//
// Ownership: an operation never frees its arguments, except where its
// documentation says "takes"; the caller frees an operation's result with Free.
package op

import (
	"fmt"
	"math/bits"
	"runtime"
	"unsafe"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Slot identifies the state of one operation between the chunks of a stream.
// Slots are created with the network, each unique, so that networks can share a
// Run.
type Slot *slot

type slot struct{ _ byte }

// NewSlot returns a new, unique slot.
func NewSlot() Slot { return new(slot) }

// A Run is the context of one forward pass, over an utterance or a stream: its
// state, memory and, in training, its tape. It serves one goroutine at a time.
type Run struct {
	// Last marks the final chunk: right-hand padding is added and all rows that were
	// held back are emitted.
	Last bool
	// BF16 rounds the operands of a recording's products to bfloat16 (train_bf16.go).
	BF16 bool
	// Exact computes every product of a recording as it is defined, not with fewer
	// multiplications (toomcook_train.go).
	Exact bool
	// Profiler, if not nil, measures the run.
	Profiler *Profiler
	// OnGradReady, if not nil, is called by Backward with each parameter's gradient as soon
	// as nothing adds to it any more (see UsesGrad).
	OnGradReady func(grad []float32)

	pool   *parallel.Pool
	states map[Slot]*streamState
	free   map[int][][]float32      // by size class
	large  arena                    // instead, for large tensors, where the run does not record
	inUse  map[*float32]*allocation // by the address of its first value
	spare  []*allocation            // unused
	tape   *tape                    // of a recording run

	// The bodies of loops, here so that running one allocates nothing.
	products     productTask
	toomCooks    toomCookTask
	productsBF16 productBF16Task
	activation   activationTask
	rounding     roundingTask
	phases       []uint32 // of the frames of Harmonics
	residual     residualTask
	steps        lstmTask
	stepsBF16    lstmBF16Task
	rows         rowsTask
	codes        freeLists
}

// An allocation is a piece of the run's memory. It returns to the free list once
// its owner has freed it and no backward pass retains it.
type allocation struct {
	class    int // 0 in the arena
	place    place
	owned    bool
	retained int
}

// streamState is the state of one operation between chunks.
type streamState struct {
	rows    []float32 // held input rows, at the input's stride
	at, n   int       // the first of them and how many
	skip    int       // leading rows that only the reflection at the end needs
	started bool      // the left-hand padding is in place
	h, c    []float32 // LSTM state
	phase   phaseState
	frame   int // of the noise
}

// NewRun returns a run whose operations share the threads of pool.
func NewRun(pool *parallel.Pool) *Run {
	return &Run{
		pool:   pool,
		states: map[Slot]*streamState{},
		free:   map[int][][]float32{},
		inUse:  map[*float32]*allocation{},
	}
}

// Reset drops the state of the stream, so that the next chunk starts an utterance.
// The run keeps its memory for it.
//
// It also ends a recording and frees all of its tensors: none that the run returned
// since Record may be used afterwards.
func (r *Run) Reset() {
	r.Last = false
	clear(r.states)
	if r.tape == nil {
		return
	}
	r.tape = nil
	for first, h := range r.inUse {
		delete(r.inUse, first)
		r.reuse(h, unsafe.Slice(first, h.class))
		r.spare = append(r.spare, h)
	}
}

// Pool returns the threads of the run.
func (r *Run) Pool() *parallel.Pool { return r.pool }

func (r *Run) state(s Slot) *streamState {
	m := r.states[s]
	if m == nil {
		m = &streamState{}
		r.states[s] = m
	}
	return m
}

// New returns an uninitialized tensor from the run's memory.
func (r *Run) New(b, t, c int) tensor.Tensor {
	return tensor.Wrap(r.alloc(tensor.Len(b, t, c)), b, t, c)
}

// Zeros returns a tensor of zeros.
func (r *Run) Zeros(b, t, c int) tensor.Tensor {
	x := r.New(b, t, c)
	if len(x.Data) < 4*grainValues {
		clear(x.Data)
		return x
	}
	r.pool.Split(len(x.Data), 2*grainValues, func(from, to int) { clear(x.Data[from:to]) })
	return x
}

// Free returns the tensors' memory to the run. Tensors that did not come from the
// run, and borrowed ones, are left alone.
func (r *Run) Free(xs ...tensor.Tensor) {
	for _, x := range xs {
		if x.Borrowed || cap(x.Data) == 0 {
			continue
		}
		if h := r.allocationOf(x); h != nil {
			h.owned = false
			r.recycle(h, x)
		}
	}
}

// allocationOf returns the allocation that x lies in, nil for memory that is not
// the run's.
func (r *Run) allocationOf(x tensor.Tensor) *allocation {
	if cap(x.Data) == 0 {
		return nil
	}
	return r.inUse[&x.Data[:1][0]]
}

// recycle puts memory that is neither owned nor retained on the free list.
func (r *Run) recycle(h *allocation, x tensor.Tensor) {
	if h.owned || h.retained > 0 {
		return
	}
	delete(r.inUse, &x.Data[:1][0])
	r.reuse(h, x.Data[:h.class])
	r.spare = append(r.spare, h)
}

// reuse makes memory free.
func (r *Run) reuse(h *allocation, data []float32) {
	if h.class == 0 {
		r.large.release(h.place)
		return
	}
	r.free[h.class] = append(r.free[h.class], data)
}

// Borrow returns x as a tensor that Free leaves alone, to pass to a layer while x
// is still needed.
func (r *Run) Borrow(x tensor.Tensor) tensor.Tensor {
	x.Borrowed = true
	return x
}

func (r *Run) alloc(n int) []float32 {
	var data []float32
	a := allocation{owned: true}
	if n >= arenaLeast && !r.Recording() {
		data, a.place = r.large.alloc(n)
	} else {
		a.class = classOf(n)
		if l := r.free[a.class]; len(l) > 0 {
			data = l[len(l)-1]
			r.free[a.class] = l[:len(l)-1]
		} else {
			data = make([]float32, a.class)
		}
	}
	var h *allocation
	if n := len(r.spare); n > 0 {
		h, r.spare = r.spare[n-1], r.spare[:n-1]
	} else {
		h = new(allocation)
	}
	*h = a
	r.inUse[&data[0]] = h
	return data[:n]
}

// Memory returns the bytes that the run has taken from the system: what tests watch
// to see that it does not grow.
func (r *Run) Memory() int64 {
	n := r.large.bytes()
	for class, list := range r.free {
		n += 4 * int64(class) * int64(len(list))
	}
	for _, h := range r.inUse {
		n += 4 * int64(h.class)
	}
	return n
}

// collectable is how many bytes are worth a collection of their own.
const collectable = 16 << 20

// Trim gives up the memory of large tensors, if none is in use: for who will not need as much
// again soon. State and small tensors stay. Much memory is collected at once: what runs next
// would otherwise take as much again before the heap has doubled.
func (r *Run) Trim() {
	before := r.large.bytes()
	if r.large.trim(); before-r.large.bytes() >= collectable {
		runtime.GC()
	}
}

// classOf rounds a length up to one of four steps in each power of two, so that
// chunks of varying length reuse each other's memory at a cost of at most a
// quarter.
func classOf(n int) int {
	n = max(n, 64)
	step := 1 << max(bits.Len(uint(n-1))-3, 0)
	return (n + step - 1) / step * step
}

// grainValues is the least number of values for which another thread is worthwhile.
const grainValues = 1 << 14

// blockRows is the number of rows over which sums over time are taken at a time,
// whatever the number of threads, so that the result does not depend on it.
const blockRows = 512

// same panics where two tensors differ in shape.
func same(a, b tensor.Tensor) {
	if a.B != b.B || a.T != b.T || a.C != b.C {
		panic(fmt.Sprintf("op: [%d %d %d] beside [%d %d %d]", a.B, a.T, a.C, b.B, b.T, b.C))
	}
}
