package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An Activation computes one row of channels: dst[i] = f(x[i]). It may be
// applied to the padding behind the channels too.
type Activation interface {
	Apply(dst, x []float32)
	// Backward writes dx = dy·f'(x) for rows that lie stride apart, c channels each,
	// and adds to sums, [GradSums()][c rounded up], what AccumulateGrad is passed.
	Backward(dx, dy, x []float32, stride, rows, c int, sums []float32)
	// GradSums is the number of sums over time, one value for each channel, that the
	// gradient of the activation's own parameters is computed from; 0 without any.
	GradSums() int
	// AccumulateGrad adds to the gradient of the parameters, from the sums over a
	// whole batch.
	AccumulateGrad(sums []float32)
}

// A rowsActivation computes many rows at once.
type rowsActivation interface {
	ApplyRows(dst, x []float32, width int)
}

// Snake is x + sin²(αx)·inv with an α and an inv for each channel, inv being
// 1/(α + 1e-9), or 1/(e^β + 1e-9) in a SnakeBeta; both slices are a multiple of
// tensor.Lane long.
type Snake struct {
	Alpha, Inv []float32
	// OnGrad, if not nil, is called with the gradient with respect to α and to inv:
	// Σ dy·sin(2αx)·x, which lacks the factor inv, and Σ dy·sin²(αx).
	OnGrad func(alpha, inv []float32)
}

// Apply computes one row.
func (s *Snake) Apply(dst, x []float32) { kernel.Snake(dst, x, s.Alpha, s.Inv) }

// ApplyRows computes rows of width channels that lie one behind the other. Narrow rows are
// computed many at a time, for a call takes longer than a row of 16 channels.
func (s *Snake) ApplyRows(dst, x []float32, width int) {
	var alpha, inv [256]float32 // of as many rows as there is room for
	n := len(alpha) / width * width
	if n < 2*width || len(x) < 2*n {
		for at := 0; at < len(x); at += width {
			s.Apply(dst[at:at+width], x[at:at+width])
		}
		return
	}
	for at := 0; at < n; at += width {
		copy(alpha[at:at+width], s.Alpha)
		copy(inv[at:at+width], s.Inv)
	}
	for at := 0; at < len(x); at += n {
		end := min(at+n, len(x))
		kernel.Snake(dst[at:end], x[at:end], alpha[:], inv[:])
	}
}

// Backward writes dx and adds the sums for α and inv, one width each.
func (s *Snake) Backward(dx, dy, x []float32, stride, rows, c int, sums []float32) {
	width := tensor.RoundUp(c)
	kernel.SnakeGradRows(dx, dy, x, stride, rows, width, s.Alpha, s.Inv, sums[:width], sums[width:])
}

// ApplyBF16 computes one row, rounded.
func (s *Snake) ApplyBF16(dst []kernel.BFloat16, x []float32) {
	kernel.SnakeBF16(dst, x, s.Alpha, s.Inv)
}

// ApplySplit computes one row as sums of two bfloat16 values.
func (s *Snake) ApplySplit(high, low []kernel.BFloat16, x []float32) {
	kernel.SnakeSplitBF16(high, low, x, s.Alpha, s.Inv)
}

// GradSums is 2: one sum for α, one for inv.
func (s *Snake) GradSums() int { return 2 }

// AccumulateGrad passes the sums to OnGrad.
func (s *Snake) AccumulateGrad(sums []float32) {
	if s.OnGrad != nil {
		s.OnGrad(sums[:len(sums)/2], sums[len(sums)/2:])
	}
}

// A pointwiseActivation has no parameters.
type pointwiseActivation struct {
	apply    func(dst, x []float32)
	backward func(dx, dy, x []float32)
}

func (p *pointwiseActivation) Apply(dst, x []float32) { p.apply(dst, x) }

func (p *pointwiseActivation) Backward(dx, dy, x []float32, stride, rows, c int, _ []float32) {
	for t := range rows {
		at := t * stride
		p.backward(dx[at:at+c], dy[at:at+c], x[at:at+c])
	}
}

func (p *pointwiseActivation) GradSums() int            { return 0 }
func (p *pointwiseActivation) AccumulateGrad([]float32) {}

// Activations without parameters.
var (
	Tanh Activation = &pointwiseActivation{kernel.Tanh, kernel.TanhGrad}
	Mish Activation = &pointwiseActivation{kernel.Mish, kernel.MishGrad}
	GELU Activation = &pointwiseActivation{kernel.GELU, kernel.GELUGrad}
)

// Activate returns act(x).
func (r *Run) Activate(act Activation, x tensor.Tensor) tensor.Tensor {
	y := r.New(x.B, x.T, x.C)
	r.activate(act, y, 0, x)
	if r.Recording() && (r.needsGrad(x) || act.GradSums() > 0) {
		r.retain(x)
		r.record(&y, func(dy tensor.Tensor) {
			r.accumulateActivationGrad(act, dy, 0, x)
			r.release(x)
		})
	}
	return y
}

// accumulateActivationGrad adds the gradient of act(x), the rows of dy from row at of each
// sequence on, to that of x, and accumulates the gradient of the activation's parameters.
// Where x has a gradient already, each block is added to it while it is in the cache.
func (r *Run) accumulateActivationGrad(act Activation, dy tensor.Tensor, at int, x tensor.Tensor) {
	sum, add := r.gradOf(x)
	if !add {
		r.activationGrad(act, sum, dy, at, x)
		r.accumulateGrad(x, sum)
		return
	}
	r.eachActivationBlock(act, x, func(b, from, to int, sums []float32) {
		n := (to - from) * x.Stride
		own := newScratch(n)
		defer own.free()
		dx, total := own.take(n), sum.Rows(b, from, to)
		act.Backward(dx, dy.Rows(b, at+from, at+to), x.Rows(b, from, to), x.Stride, to-from, x.C, sums)
		kernel.Add(total, total, dx)
	})
}

// gradOf returns the gradient that x has already, to be added to, or memory for the first
// one, to be passed to accumulateGrad.
func (r *Run) gradOf(x tensor.Tensor) (dx tensor.Tensor, add bool) {
	if r.needsGrad(x) && r.tape.grads[x.Var].Data != nil {
		same(r.tape.grads[x.Var], x)
		return r.tape.grads[x.Var], true
	}
	return r.New(x.B, x.T, x.C), false
}

// activationGrad writes dx for the rows of dy from row at of each sequence on, and
// accumulates the gradient of the activation's parameters.
func (r *Run) activationGrad(act Activation, dx, dy tensor.Tensor, at int, x tensor.Tensor) {
	r.eachActivationBlock(act, x, func(b, from, to int, sums []float32) {
		act.Backward(dx.Rows(b, from, to), dy.Rows(b, at+from, at+to), x.Rows(b, from, to), x.Stride, to-from, x.C, sums)
	})
}

// eachActivationBlock calls f for blocks of rows of every sequence, with what it adds the sums
// for the activation's parameters to, and accumulates the gradient of these.
func (r *Run) eachActivationBlock(act Activation, x tensor.Tensor, f func(b, from, to int, sums []float32)) {
	sums := r.newActivationSums(act, x)
	r.pool.For(x.B*sums.blocks, func(i int) {
		b, from := i/sums.blocks, i%sums.blocks*blockRows
		f(b, from, min(x.T, from+blockRows), sums.block(b, from))
	})
	r.accumulateSums(sums)
}

// activationSums are the sums for an activation's parameters over blocks of blockRows rows of
// each sequence.
type activationSums struct {
	act              Activation
	data             tensor.Tensor
	sequences, width int
	blocks           int // of a sequence
}

func (r *Run) newActivationSums(act Activation, x tensor.Tensor) activationSums {
	a := activationSums{act: act, sequences: x.B, width: act.GradSums() * tensor.RoundUp(x.C), blocks: (x.T + blockRows - 1) / blockRows}
	a.data = r.New(1, 1, max(1, a.sequences*a.blocks*a.width))
	return a
}

// block returns the sums of the block of sequence b that begins at row from, at zero.
func (a *activationSums) block(b, from int) []float32 {
	sums := a.data.Data[(b*a.blocks+from/blockRows)*a.width:][:a.width]
	clear(sums)
	return sums
}

// accumulateSums adds up the sums of all blocks, in their order, and accumulates the gradient
// of the activation's parameters.
func (r *Run) accumulateSums(a activationSums) {
	if total := a.data.Data[:a.width]; a.width > 0 {
		for i := 1; i < a.sequences*a.blocks; i++ {
			kernel.Add(total, total, a.data.Data[i*a.width:(i+1)*a.width])
		}
		a.act.AccumulateGrad(total)
	}
	r.Free(a.data)
}

// activate writes act of the rows of x into those of y, in each sequence from row at on.
func (r *Run) activate(act Activation, y tensor.Tensor, at int, x tensor.Tensor) {
	if x.T == 0 {
		return
	}
	r.activation = activationTask{act: act, y: y, x: x, at: at, parts: r.sequenceParts(x)}
	r.pool.Run(x.B*r.activation.parts, &r.activation)
}

// sequenceParts returns into how many parts each sequence of x is cut, so that there are
// enough of all sequences together.
func (r *Run) sequenceParts(x tensor.Tensor) int {
	return max(1, (r.pool.Parts(x.B*x.T, grainValues/x.Stride)+x.B-1)/x.B)
}

// An activationTask applies act, nil for none, to the rows of x, each sequence in parts.
type activationTask struct {
	act   Activation
	y, x  tensor.Tensor
	at    int // the first row of y's sequences
	parts int
}

// Run computes the i-th part.
func (t *activationTask) Run(i int) {
	b, part := i/t.parts, i%t.parts
	from, to := part*t.x.T/t.parts, (part+1)*t.x.T/t.parts
	dst, x := t.y.Rows(b, t.at+from, t.at+to), t.x.Rows(b, from, to)
	activateRows(t.act, dst, x, t.x.Stride, t.x.C)
}

// activateRows writes act, nil for none, of rows of c channels that lie stride apart, one behind
// the other.
func activateRows(act Activation, dst, x []float32, stride, c int) {
	if act == nil {
		copy(dst, x)
		return
	}
	width := tensor.RoundUp(c)
	if act, ok := act.(rowsActivation); ok && stride == width {
		act.ApplyRows(dst, x, width)
		return
	}
	for at := 0; at < len(x); at += stride {
		act.Apply(dst[at:at+width], x[at:at+width])
	}
}

// LeakyReLU returns x where it is positive and slope·x elsewhere. It takes x. The
// result has the sign of x, so the backward pass needs only the result.
func (r *Run) LeakyReLU(x tensor.Tensor, slope float32) tensor.Tensor {
	y := x
	if !r.alone(x) {
		y = r.New(x.B, x.T, x.C)
	}
	return r.leakyReLU(y, x, slope)
}

// alone reports whether nothing but its owner, who gives it away, needs the memory of x.
func (r *Run) alone(x tensor.Tensor) bool {
	h := r.allocationOf(x)
	return !x.Borrowed && h != nil && h.owned && h.retained == 0
}

// leakyReLU writes the result over y, which is laid out as x or is x.
func (r *Run) leakyReLU(y, x tensor.Tensor, slope float32) tensor.Tensor {
	r.pool.Split(len(y.Data), grainValues, func(from, to int) {
		kernel.LeakyReLU(y.Data[from:to], x.Data[from:to], slope)
	})
	y.Var = 0
	if &y.Data[0] != &x.Data[0] {
		r.Free(x)
	}
	if r.Recording() && r.needsGrad(x) {
		r.retain(y)
		value := y
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.takeGrad(dy)
			r.pool.Split(len(dx.Data), grainValues, func(from, to int) {
				kernel.LeakyReLUGrad(dx.Data[from:to], dx.Data[from:to], value.Data[from:to], slope)
			})
			r.release(value)
			r.accumulateGrad(x, dx)
		})
	}
	return y
}
