package op

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A tape is what training adds to a run: the backward functions of the operations,
// in the order in which they ran (reverse-mode automatic differentiation).
//
// A tensor that depends on a parameter, or that came from RequireGrad, carries a
// number, its Var; constants carry none and no gradient is computed for them.
// Losses are where gradients start: a loss such as L1 returns its value and records
// the gradient of its weight times that value.
type tape struct {
	steps  []func()
	grads  []tensor.Tensor // by Var
	random Random
	sites  uint64 // calls of Dropout so far
	kept   int    // values of windows that are kept for the backward pass
	taken  bool   // the gradient that a backward function got is another's now

	parameters [][]float32       // their gradients, in the order of first use
	used       map[*float32]bool // the same, by their first values
}

// Record starts a tape: the operations that follow are recorded until Backward
// or Reset. They see whole utterances. The random numbers of Dropout are those of
// random.
func (r *Run) Record(random Random) {
	r.Reset()
	r.Last = true
	r.tape = &tape{grads: make([]tensor.Tensor, 1), random: random, used: map[*float32]bool{}}
}

// Recording says whether the run is one of training.
func (r *Run) Recording() bool { return r.tape != nil }

// RequireGrad returns x as a tensor whose gradient Grad returns after Backward.
func (r *Run) RequireGrad(x tensor.Tensor) tensor.Tensor {
	r.trackVar(&x)
	return x
}

// Detach returns x as a constant, without gradient, whose memory is still that of x.
func (r *Run) Detach(x tensor.Tensor) tensor.Tensor {
	x.Var, x.Borrowed = 0, true
	return x
}

// trackVar makes x a variable of the tape.
func (r *Run) trackVar(x *tensor.Tensor) {
	x.Var = len(r.tape.grads)
	r.tape.grads = append(r.tape.grads, tensor.Tensor{})
}

// record makes y, the result of an operation, a variable of the tape. back gets
// the gradient of the losses with respect to y, which it may overwrite, and passes
// that of each input to accumulateGrad. Tensors that it reads must be retained.
func (r *Run) record(y *tensor.Tensor, back func(dy tensor.Tensor)) {
	r.trackVar(y)
	id := y.Var
	r.tape.steps = append(r.tape.steps, func() {
		dy := r.tape.grads[id]
		if dy.Data == nil {
			return // no loss depends on y
		}
		back(dy)
		r.tape.grads[id] = tensor.Tensor{}
		if !r.tape.taken {
			r.Free(dy)
		}
		r.tape.taken = false
	})
}

// UsesGrad says that operations that follow may add to grad, the gradient of a parameter.
// Layers say so before each operation on their parameters. When Backward has come back to
// the first use, nothing adds to grad any more, and OnGradReady is called with it.
func (r *Run) UsesGrad(grad []float32) {
	if r.tape == nil || len(grad) == 0 || r.tape.used[&grad[0]] {
		return
	}
	r.tape.used[&grad[0]] = true
	r.tape.parameters = append(r.tape.parameters, grad)
	r.tape.steps = append(r.tape.steps, func() {
		if r.OnGradReady != nil {
			r.OnGradReady(grad)
		}
	})
}

// GradsInUse returns the gradients that the recording was told of, in the order of their
// first use. Backward is done with them in the opposite order.
func (r *Run) GradsInUse() [][]float32 { return r.tape.parameters }

// recordLoss records the gradient of a loss: back accumulates it.
func (r *Run) recordLoss(back func()) { r.tape.steps = append(r.tape.steps, back) }

// SeedGrad adds dy, which it leaves alone, to the gradient of y from which Backward
// starts, as the argument of PyTorch's backward does: the gradient of a loss that is
// computed outside of the run.
func (r *Run) SeedGrad(y, dy tensor.Tensor) {
	same(y, dy)
	if !r.Recording() || !r.needsGrad(y) {
		return
	}
	dx := r.New(y.B, y.T, y.C)
	copy(dx.Data, dy.Data)
	r.recordLoss(func() { r.accumulateGrad(y, dx) })
}

// retain keeps the memory of tensors for the backward pass, which releases it.
func (r *Run) retain(xs ...tensor.Tensor) {
	for _, x := range xs {
		if h := r.allocationOf(x); h != nil {
			h.retained++
		}
	}
}

// release ends what retain started.
func (r *Run) release(xs ...tensor.Tensor) {
	for _, x := range xs {
		if h := r.allocationOf(x); h != nil {
			h.retained--
			r.recycle(h, x)
		}
	}
}

// needsGrad reports whether the gradient with respect to x is needed.
func (r *Run) needsGrad(x tensor.Tensor) bool { return x.Var != 0 }

// accumulateGrad adds dx, which it takes, to the gradient with respect to x.
func (r *Run) accumulateGrad(x, dx tensor.Tensor) {
	if x.B != dx.B || x.T != dx.T || x.C != dx.C {
		panic(fmt.Sprintf("op: a gradient of [%d %d %d] for [%d %d %d]", dx.B, dx.T, dx.C, x.B, x.T, x.C))
	}
	if !r.needsGrad(x) {
		r.Free(dx)
		return
	}
	sum := r.tape.grads[x.Var]
	if sum.Data == nil {
		r.tape.grads[x.Var] = dx
		return
	}
	r.addTo(sum, dx)
	r.Free(dx)
}

// accumulateGradCopy adds dy, which it leaves alone, to the gradient with respect
// to x: the gradient of a sum.
func (r *Run) accumulateGradCopy(x, dy tensor.Tensor) {
	if !r.needsGrad(x) {
		return
	}
	dx := r.New(dy.B, dy.T, dy.C)
	copy(dx.Data, dy.Data)
	r.accumulateGrad(x, dx)
}

// takeGrad returns the gradient that a backward function got as its own, to be passed to
// accumulateGrad. It is called once, when dy is not needed otherwise.
func (r *Run) takeGrad(dy tensor.Tensor) tensor.Tensor {
	r.tape.taken = true
	return dy
}

// addTo adds x to y, on all threads.
func (r *Run) addTo(y, x tensor.Tensor) {
	r.pool.Split(len(y.Data), grainValues, func(from, to int) {
		kernel.Add(y.Data[from:to], y.Data[from:to], x.Data[from:to])
	})
}

// Backward runs the tape backwards and ends it. Gradients of parameters have then
// been accumulated (see TrainableWeights); those of tensors from RequireGrad are
// what Grad returns.
func (r *Run) Backward() {
	for i := len(r.tape.steps) - 1; i >= 0; i-- {
		r.tape.steps[i]()
		r.tape.steps[i] = nil
	}
	r.tape.steps = nil
}

// Grad returns the gradient with respect to a tensor from RequireGrad after
// Backward: zeros where no loss depends on it. It belongs to the run until Record
// or Reset.
func (r *Run) Grad(x tensor.Tensor) tensor.Tensor {
	if x.Var == 0 {
		return r.Zeros(x.B, x.T, x.C)
	}
	g := r.tape.grads[x.Var]
	if g.Data == nil {
		g = r.Zeros(x.B, x.T, x.C)
		r.tape.grads[x.Var] = g
	}
	return g
}
