package ns3

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A transformer sees all frames of an utterance, at a cost that grows with the
// square of their number and memory that grows with it. Up to wholeSeconds this is
// what is computed; a longer utterance is seen in windows, each with what stands
// beside it, and memory is bounded:
//
//   - prosody: windows of windowSeconds, the last of up to twice that, each seen with
//     contextSeconds before and behind it;
//   - timbre: the same windows without context, and the mean over all frames.
const (
	wholeSeconds   = 60
	windowSeconds  = 30
	contextSeconds = 15
)

// A windowed hands the frames of an utterance to a transformer. What comes out does
// not depend on how the frames arrive.
type windowed struct {
	run     *op.Run // whole windows only
	context int     // frames seen before and behind a window
	forward func(r *op.Run, x tensor.Tensor) tensor.Tensor
	rows    []float32 // pending frames, padded as in a tensor, context in front
	dim     int
	before  int // rows of context in front of the next window
}

func newWindowed(pool *parallel.Pool, dim, contextSeconds int, forward func(r *op.Run, x tensor.Tensor) tensor.Tensor) *windowed {
	r := op.NewRun(pool)
	r.Last = true
	return &windowed{run: r, dim: dim, context: contextSeconds * FrameRate, forward: forward}
}

// Reset starts another utterance.
func (w *windowed) Reset() { w.rows, w.before = w.rows[:0], 0 }

// held returns the number of pending rows.
func (w *windowed) held() int { return len(w.rows) / tensor.Stride(w.dim) }

// Push adds frames [1, T, dim], which it leaves to the caller, and calls emit with
// the frames of each window that can be computed. With last the utterance ends.
func (w *windowed) Push(x tensor.Tensor, last bool, emit func(y tensor.Tensor)) {
	const window = windowSeconds * FrameRate
	// The frames go in bit by bit, so that no more of them are held than are needed.
	for from := 0; ; {
		to := min(x.T, from+window)
		w.rows = append(w.rows, x.Rows(0, from, to)...)
		from = to
		for w.held()-w.before > wholeSeconds*FrameRate {
			w.emit(window, emit)
		}
		if from == x.T {
			break
		}
	}
	if n := w.held() - w.before; last && n > 0 {
		w.emit(n, emit)
		w.Reset()
	}
}

// emit computes the next n rows, and keeps of them what the next window sees.
func (w *windowed) emit(n int, emit func(y tensor.Tensor)) {
	stride := tensor.Stride(w.dim)
	seen := min(w.held(), w.before+n+w.context)
	x := w.run.New(1, seen, w.dim)
	copy(x.Data, w.rows[:seen*stride])
	y := w.forward(w.run, x)
	emit(y.Slice(w.before, w.before+n))
	w.run.Free(y)
	drop := max(0, w.before+n-w.context)
	w.rows = w.rows[:copy(w.rows, w.rows[drop*stride:])]
	w.before += n - drop
}
